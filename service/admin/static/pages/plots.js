// What the charts of values, reviews and the surrogate share: axes, colours, tooltips, drawing and redrawing.
"use strict";

const plots = (() => {
  const drawn = new Map(); // element to the function that makes its option

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const muted = () => colour("--pico-muted-color");
  const text = () => colour("--pico-color");

  function axis(name, extra) {
    const line = { lineStyle: { color: colour("--line") } };
    const label = { color: muted() };
    return {
      type: "value", name, nameLocation: "middle", nameGap: 28, nameTextStyle: label, scale: true,
      axisLabel: label, axisLine: line, axisTick: line, splitLine: line, ...extra,
    };
  }

  // A DOM node, never HTML text: names of samples come from outside.
  function tooltip(lines) {
    const formatter = (point) => {
      const box = document.createElement("div");
      for (const line of lines(point)) box.append(Object.assign(document.createElement("div"), { textContent: line }));
      return box;
    };
    return {
      formatter, confine: true, backgroundColor: colour("--surface"), borderColor: colour("--line"),
      textStyle: { color: text(), fontSize: 13 },
    };
  }

  // Vertical or horizontal bars between two points each: one line that is broken after each bar.
  function segments(pairs, name, extra) {
    return {
      type: "line", data: pairs.flatMap(([from, to]) => [from, to, [null, null]]), symbol: "none", silent: true,
      lineStyle: { color: colour(name), width: 1, opacity: 0.5 }, z: 1, animation: false, ...extra,
    };
  }

  function legend(extra) {
    return { textStyle: { color: text() }, itemWidth: 14, itemHeight: 8, top: 0, right: 0, ...extra };
  }

  function draw(element, option, onClick) {
    const chart = echarts.getInstanceByDom(element) ?? echarts.init(element);
    if (!drawn.has(element) && onClick) chart.on("click", (point) => onClick(point));
    drawn.set(element, option);
    chart.setOption({ animation: false, grid: { left: 56, right: 18, top: 14, bottom: 42 }, ...option() }, true);
  }

  function redraw() {
    for (const [element, option] of drawn) draw(element, option);
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("resize", () => {
    for (const element of drawn.keys()) echarts.getInstanceByDom(element).resize();
  });

  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const fixed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

  return { axis, colour, data, draw, fixed, legend, muted, segments, text, tooltip };
})();

// The learning curve of the overview, with its choice of measure.
"use strict";

(() => {
  const { register, axis, tooltip, limit, legend, number, short, draw } = crashscout.charts;
  const measures = { rmse: { at: 1, name: "RMSE" }, q95: { at: 2, name: "95 % of errors below" } };
  let chosen = "rmse";

  register("learning", ({ series, unit, currency, limit: target }, theme) => {
    const { at, name } = measures[chosen];
    const goal = chosen === "rmse" && target !== null;
    const lines = series.map(({ name: samples, points }) => ({
      type: "line",
      name: samples,
      symbolSize: 8,
      lineStyle: { width: 2, type: samples.startsWith("on the") ? "solid" : "dashed" },
      data: points.filter((point) => point[at] !== null).map((point) => ({ value: [point[0], point[at]], point })),
    }));
    if (goal && lines.length) lines[0].markLine = limit({ yAxis: target }, { label: `target ${number(target)} ${unit}`, colour: theme.good });
    const heights = lines.flatMap((line) => line.data.map(({ value }) => value[1]));
    const digits = Math.max(...heights) - Math.min(...heights) < 1 ? 2 : 1; // else ticks would repeat
    const lowest = ({ min }) => (goal ? Math.min(min, target) * 0.9 : min * 0.9);
    return {
      legend: legend(),
      xAxis: axis(`spent (${currency})`, { nameGap: 28, min: 0, axisLabel: { color: theme.muted, formatter: short } }),
      yAxis: axis(`${name} (${unit})`, { nameGap: 44, min: lowest, axisLabel: { color: theme.muted, showMinLabel: false, formatter: (value) => number(value, digits) } }),
      tooltip: tooltip(({ data: { point } }) => [
        `Surrogate ${point[4]}`,
        `RMSE ${number(point[1], 2, unit)}, 95 % below ${number(point[2], 2, unit)}`,
        `${number(point[0], 0, currency)} spent, ${point[3]} results`,
      ]),
      series: lines,
    };
  });

  function show() {
    for (const button of document.querySelectorAll("[data-curve]")) button.setAttribute("aria-pressed", String(button.dataset.curve === chosen));
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-curve]");
    if (!button) return;
    chosen = button.dataset.curve;
    show();
    draw(document.getElementById("learning"));
  });
  document.addEventListener("htmx:load", show);
})();

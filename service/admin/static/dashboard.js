// Times in the reader's zone, and the charts. No inline code: the content security policy forbids it.
"use strict";

const momentFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localiseTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.title = element.dateTime;
    element.textContent = momentFormat.format(new Date(element.dateTime));
  }
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(name, extra) {
  const line = { lineStyle: { color: colour("--line") } };
  const label = { color: colour("--pico-muted-color") };
  const middle = { nameLocation: "middle", nameTextStyle: label };
  return { type: "value", name, axisLabel: label, axisLine: line, splitLine: line, scale: true, ...middle, ...extra };
}

function limitLine(data) {
  const lineStyle = { color: colour("--bad"), type: "dashed", width: 1 };
  return { silent: true, symbol: "none", label: { show: false }, lineStyle, data };
}

// A DOM node, never HTML text: names of samples come from outside.
function tooltip(describe) {
  const formatter = (point) => {
    const box = document.createElement("div");
    box.textContent = describe(point.data);
    return box;
  };
  return { formatter, backgroundColor: colour("--surface"), borderColor: colour("--line"), textStyle: { color: colour("--pico-color") } };
}

function twoSeries(points, isBad, symbolSize, limits) {
  const look = (data, name) => ({ type: "scatter", data, symbolSize, itemStyle: { color: colour(name), opacity: 0.75 } });
  const good = look(points.filter((point) => !isBad(point)), "--chart");
  const bad = look(points.filter(isBad), "--bad");
  return [{ ...good, markLine: limitLine(limits) }, bad];
}

const charts = {
  values: ({ values, limit }) => ({
    xAxis: axis("rank", { nameGap: 26, splitLine: { show: false } }),
    yAxis: axis("data value", { nameGap: 38 }),
    tooltip: tooltip(([rank, value, name]) => `${name}: value ${value.toFixed(2)}, rank ${rank}`),
    series: twoSeries(values, (point) => point[1] < limit, 4, [{ yAxis: limit }]),
  }),
  sides: ({ sides, limit }) => ({
    xAxis: axis("features are sound", { nameGap: 26 }),
    yAxis: axis("label is sound", { nameGap: 38 }),
    tooltip: tooltip(([features, label, name]) => `${name}: label ${label.toFixed(2)}, features ${features.toFixed(2)}`),
    series: twoSeries(sides, (point) => Math.min(point[0], point[1]) < limit, 6, [{ yAxis: limit }, { xAxis: limit }]),
  }),
};

function drawCharts() {
  for (const element of document.querySelectorAll("[data-chart]")) {
    const data = JSON.parse(document.getElementById(element.dataset.source).textContent);
    const chart = echarts.getInstanceByDom(element) ?? echarts.init(element);
    const grid = { left: 56, right: 16, top: 12, bottom: 40 };
    chart.setOption({ animation: false, grid, ...charts[element.dataset.chart](data) }, true);
  }
}

localiseTimes(document);
document.addEventListener("htmx:load", (event) => localiseTimes(event.target));
if (document.querySelector("[data-chart]")) {
  drawCharts();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  addEventListener("resize", () => {
    for (const element of document.querySelectorAll("[data-chart]")) echarts.getInstanceByDom(element).resize();
  });
}

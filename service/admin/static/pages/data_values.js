// The two charts of the page of data values.
"use strict";

(() => {
  const { register, axis, tooltip, limit } = crashscout.charts;
  const GRID = { left: 56, right: 16, top: 12, bottom: 40 };

  function twoSeries(points, isBad, symbolSize, limits, theme) {
    const look = (data, color) => ({ type: "scatter", data, symbolSize, itemStyle: { color, opacity: 0.75 } });
    const good = look(points.filter((point) => !isBad(point)), theme.accent);
    return [{ ...good, markLine: limit(limits) }, look(points.filter(isBad), theme.bad)];
  }

  register("values", ({ values, limit: below }, theme) => ({
    grid: GRID,
    xAxis: axis("rank", { nameGap: 26, splitLine: { show: false } }),
    yAxis: axis("data value", { nameGap: 38 }),
    tooltip: tooltip(({ data: [rank, value, name] }) => `${name}: value ${value.toFixed(2)}, rank ${rank}`),
    series: twoSeries(values, (point) => point[1] < below, 4, [{ yAxis: below }], theme),
  }));

  register("sides", ({ sides, limit: below }, theme) => ({
    grid: GRID,
    xAxis: axis("features are sound", { nameGap: 26 }),
    yAxis: axis("label is sound", { nameGap: 38 }),
    tooltip: tooltip(({ data: [features, label, name] }) => `${name}: label ${label.toFixed(2)}, features ${features.toFixed(2)}`),
    series: twoSeries(sides, (point) => Math.min(point[0], point[1]) < below, 6, [{ yAxis: below }, { xAxis: below }], theme),
  }));
})();

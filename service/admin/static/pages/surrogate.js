// Parity, residuals, coverage of the intervals, and the learning curve of the versions.
"use strict";

(() => {
  const { register, axis, diagonal, legend, number, segments, tooltip } = crashscout.charts;
  const GRID = { left: 56, right: 18, top: 14, bottom: 42 };

  function parity({ parity: source, unit }, theme) {
    const [low, high] = source.range;
    const points = source.points;
    const bars = points.filter((point) => point[2] !== null)
      .map(([label, predicted, half]) => [[label, predicted - half], [label, predicted + half]]);
    const dots = {
      type: "scatter", data: points, symbolSize: points.length > 300 ? 4 : 6, z: 3,
      itemStyle: { color: theme.accent, opacity: 0.8 },
    };
    return {
      grid: GRID,
      xAxis: axis(`label, ${unit}`, { nameGap: 28, min: low, max: high }),
      yAxis: axis(`predicted, ${unit}`, { nameGap: 38, min: low, max: high }),
      tooltip: tooltip(({ data: [label, predicted, half, sample, loadCase] }) => [
        `sample ${sample}${loadCase ? `, ${loadCase}` : ""}`,
        `label ${number(label)} ${unit}`,
        `predicted ${number(predicted)}${half === null ? "" : ` ± ${number(half)}`} ${unit}`,
      ]),
      series: [segments(bars, theme.accent, { opacity: 0.28 }), diagonal(low, high), dots],
    };
  }

  function residuals({ residuals: cases, unit }, theme) {
    const at = (index, low, high) => [[low, index], [high, index]];
    const bar = (pick, width, opacity) => segments(
      cases.map(({ quantiles }, index) => at(index, quantiles[pick[0]], quantiles[pick[1]])), theme.accent, { width, opacity, cap: "butt" },
    );
    const zero = { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: theme.muted, type: "dashed" }, data: [{ xAxis: 0 }] };
    const medians = {
      type: "scatter", symbol: "circle", symbolSize: 9, z: 4, data: cases.map(({ quantiles }, index) => [quantiles[2], index]),
      itemStyle: { color: theme.surface, borderColor: theme.accent, borderWidth: 2 }, markLine: zero,
    };
    return {
      grid: { left: 150, right: 18, top: 14, bottom: 42 },
      xAxis: axis(`predicted minus label, ${unit}`, { nameGap: 28 }),
      yAxis: {
        ...axis(""), type: "category", inverse: true, splitLine: { show: false },
        data: cases.map(({ name, rows }) => `${name.replaceAll("_", " ")} (${rows})`),
        axisLabel: { color: theme.ink, width: 135, overflow: "truncate" },
      },
      tooltip: tooltip(({ dataIndex }) => {
        const { name, rows, quantiles } = cases[dataIndex];
        return [`${name.replaceAll("_", " ")}: ${rows} samples`, `median ${number(quantiles[2])} ${unit}`,
          `half between ${number(quantiles[1])} and ${number(quantiles[3])} ${unit}`,
          `90 % between ${number(quantiles[0])} and ${number(quantiles[4])} ${unit}`];
      }),
      series: [bar([0, 4], 2, 0.55), bar([1, 3], 12, 0.45), medians],
    };
  }

  function coverage({ coverage: source }, theme) {
    const percent = { axisLabel: { color: theme.muted, formatter: "{value} %" }, scale: true };
    const points = source.map(([level, observed]) => [100 * level, 100 * observed]);
    const low = Math.max(0, Math.floor(Math.min(...points.flat()) / 10) * 10 - 5);
    return {
      xAxis: axis("promised", { ...percent, nameGap: 28, min: low, max: 100 }),
      yAxis: axis("observed", { ...percent, nameGap: 46, min: low, max: 100 }),
      grid: { left: 66, right: 18, top: 14, bottom: 42 },
      tooltip: tooltip(({ data: [level, observed] }) => [`promised ${level.toFixed(0)} %`, `observed ${observed.toFixed(0)} %`]),
      series: [diagonal(low, 100), { type: "line", data: points, symbolSize: 9, lineStyle: { color: theme.accent }, itemStyle: { color: theme.accent } }],
    };
  }

  function learning({ learning: points, unit }, theme) {
    const line = (pick, name, tone, dashed) => ({
      type: "line", name, data: points.filter((point) => point[pick] !== null).map((point) => [point[0], point[pick], ...point]),
      symbolSize: 8, lineStyle: { color: tone, type: dashed ? "dashed" : "solid" }, itemStyle: { color: tone },
    });
    return {
      grid: { left: 56, right: 18, top: 34, bottom: 42 },
      legend: legend(),
      xAxis: axis("labels trained on", { nameGap: 28, minInterval: 1 }),
      yAxis: axis(`RMSE, ${unit}`, { nameGap: 38, scale: false, min: 0 }),
      tooltip: tooltip(({ data, seriesName }) => [`surrogate ${data[5]}: ${data[0]} labels`, `${seriesName} ${number(data[1])} ${unit}`, `on ${data[6]}`]),
      series: [line(1, "surrogate", theme.accent, false), line(2, "mean predictor", theme.calm, true)],
    };
  }

  register("parity", parity, ({ parity: { points }, unit }) => ({
    columns: ["sample", "load case", `label (${unit})`, `predicted (${unit})`, `half of the interval (${unit})`],
    rows: points.map(([label, predicted, half, sample, loadCase]) => [`${sample}`, loadCase, label, predicted, half]),
  }));
  register("residuals", residuals, ({ residuals: cases, unit }) => ({
    columns: ["load case", "samples", ...["5 %", "25 %", "median", "75 %", "95 %"].map((name) => `${name} (${unit})`)],
    rows: cases.map(({ name, rows, quantiles }) => [name.replaceAll("_", " "), rows, ...quantiles]),
  }));
  register("coverage", coverage, ({ coverage: rows }) => ({
    columns: ["promised (%)", "observed (%)"],
    rows: rows.map((pair) => pair.map((share) => Math.round(100 * share))),
  }));
  register("learning", learning, ({ learning: points, unit }) => ({
    columns: ["surrogate", "labels", `RMSE (${unit})`, `mean predictor (${unit})`, "measured on"],
    rows: points.map(([labels, rmse, mean, surrogate, on]) => [`${surrogate}`, labels, rmse, mean, on]),
  }));
})();

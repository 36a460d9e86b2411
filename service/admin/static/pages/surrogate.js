// Parity, residuals, coverage of the intervals, and the learning curve of the versions.
"use strict";

(() => {
  if (!document.getElementById("chart-data")) return; // an empty page has no charts
  const source = plots.data("chart-data");
  const unit = source.unit;

  function parity() {
    const [low, high] = source.parity.range;
    const points = source.parity.points;
    const bars = points.filter((point) => point[2] !== null)
      .map(([label, predicted, half]) => [[label, predicted - half], [label, predicted + half]]);
    const diagonal = { type: "line", data: [[low, low], [high, high]], symbol: "none", silent: true, lineStyle: { color: plots.muted(), type: "dashed", width: 1.5 } };
    const dots = {
      type: "scatter", data: points, symbolSize: points.length > 300 ? 4 : 6, z: 3,
      itemStyle: { color: plots.colour("--chart"), opacity: 0.8 },
    };
    return {
      xAxis: plots.axis(`label, ${unit}`, { min: low, max: high }),
      yAxis: plots.axis(`predicted, ${unit}`, { nameGap: 38, min: low, max: high }),
      tooltip: plots.tooltip(({ data: [label, predicted, half, sample, loadCase] }) => [
        `sample ${sample}${loadCase ? `, ${loadCase}` : ""}`,
        `label ${plots.fixed(label)} ${unit}`,
        `predicted ${plots.fixed(predicted)}${half === null ? "" : ` ± ${plots.fixed(half)}`} ${unit}`,
      ]),
      series: [plots.segments(bars, "--chart", { lineStyle: { color: plots.colour("--chart"), width: 1, opacity: 0.28 } }), diagonal, dots],
    };
  }

  function residuals() {
    const cases = source.residuals;
    const at = (index, low, high) => [[low, index], [high, index]];
    const bar = (pick, width, opacity) => plots.segments(
      cases.map(({ quantiles }, index) => at(index, quantiles[pick[0]], quantiles[pick[1]])), "--chart",
      { lineStyle: { color: plots.colour("--chart"), width, opacity, cap: "butt" } },
    );
    const zero = { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: plots.muted(), type: "dashed" }, data: [{ xAxis: 0 }] };
    const medians = {
      type: "scatter", symbol: "circle", symbolSize: 9, z: 4, data: cases.map(({ quantiles }, index) => [quantiles[2], index]),
      itemStyle: { color: plots.colour("--surface"), borderColor: plots.colour("--chart"), borderWidth: 2 }, markLine: zero,
    };
    return {
      grid: { left: 150, right: 18, top: 14, bottom: 42 },
      xAxis: plots.axis(`predicted minus label, ${unit}`, {}),
      yAxis: {
        ...plots.axis("", {}), type: "category", inverse: true, splitLine: { show: false },
        data: cases.map(({ name, rows }) => `${name.replaceAll("_", " ")} (${rows})`),
        axisLabel: { color: plots.text(), width: 135, overflow: "truncate" },
      },
      tooltip: plots.tooltip(({ dataIndex }) => {
        const { name, rows, quantiles } = cases[dataIndex];
        return [`${name.replaceAll("_", " ")}: ${rows} samples`, `median ${plots.fixed(quantiles[2])} ${unit}`,
          `half between ${plots.fixed(quantiles[1])} and ${plots.fixed(quantiles[3])} ${unit}`,
          `90 % between ${plots.fixed(quantiles[0])} and ${plots.fixed(quantiles[4])} ${unit}`];
      }),
      series: [bar([0, 4], 2, 0.55), bar([1, 3], 12, 0.45), medians],
    };
  }

  function coverage() {
    const percent = { axisLabel: { color: plots.muted(), formatter: "{value} %" }, scale: true };
    const points = source.coverage.map(([level, observed]) => [100 * level, 100 * observed]);
    const low = Math.max(0, Math.floor(Math.min(...points.flat()) / 10) * 10 - 5);
    const diagonal = { type: "line", data: [[low, low], [100, 100]], symbol: "none", silent: true, lineStyle: { color: plots.muted(), type: "dashed", width: 1.5 } };
    return {
      xAxis: plots.axis("promised", { ...percent, min: low, max: 100 }),
      yAxis: plots.axis("observed", { ...percent, nameGap: 46, min: low, max: 100 }),
      grid: { left: 66, right: 18, top: 14, bottom: 42 },
      tooltip: plots.tooltip(({ data: [level, observed] }) => [`promised ${level.toFixed(0)} %`, `observed ${observed.toFixed(0)} %`]),
      series: [diagonal, { type: "line", data: points, symbolSize: 9, lineStyle: { color: plots.colour("--chart") }, itemStyle: { color: plots.colour("--chart") } }],
    };
  }

  function learning() {
    const points = source.learning;
    const line = (pick, name, tone, dashed) => ({
      type: "line", name, data: points.filter((point) => point[pick] !== null).map((point) => [point[0], point[pick], ...point]),
      symbolSize: 8, lineStyle: { color: plots.colour(tone), type: dashed ? "dashed" : "solid" }, itemStyle: { color: plots.colour(tone) },
    });
    return {
      grid: { left: 56, right: 18, top: 34, bottom: 42 },
      legend: plots.legend(),
      xAxis: plots.axis("labels trained on", { minInterval: 1 }),
      yAxis: plots.axis(`RMSE, ${unit}`, { nameGap: 38, scale: false, min: 0 }),
      tooltip: plots.tooltip(({ data, seriesName }) => [`surrogate ${data[5]}: ${data[0]} labels`, `${seriesName} ${plots.fixed(data[1])} ${unit}`, `on ${data[6]}`]),
      series: [line(1, "surrogate", "--chart", false), line(2, "mean predictor", "--calm", true)],
    };
  }

  const found = { parity, residuals, coverage, learning };
  for (const element of document.querySelectorAll("[data-plot]")) plots.draw(element, found[element.dataset.plot]);
})();

// Value of one sample in each valuation run, with its spread.
"use strict";

(() => {
  const element = document.querySelector("[data-plot='history']");
  if (!element) return;
  const rows = plots.data("chart-data").values; // [run, value, spread, label side, features side]
  const names = rows.map(([run]) => `run ${run}`);
  const line = (pick, name, tone, type) => ({
    type: "line", name, data: rows.map((row) => row[pick]), symbolSize: 7,
    lineStyle: { color: plots.colour(tone), type }, itemStyle: { color: plots.colour(tone) },
  });
  plots.draw(element, () => ({
    grid: { left: 56, right: 18, top: 34, bottom: 30 },
    legend: plots.legend(),
    xAxis: { ...plots.axis("", {}), type: "category", data: names, boundaryGap: rows.length === 1 },
    yAxis: plots.axis("0 to 1, higher is better", { nameGap: 38 }),
    tooltip: plots.tooltip(({ dataIndex }) => {
      const [run, value, spread, label, features] = rows[dataIndex];
      return [`run ${run}`, `value ${plots.fixed(value)} ± ${plots.fixed(spread)}`, `label ${plots.fixed(label)}`, `features ${plots.fixed(features)}`];
    }),
    series: [line(1, "value", "--chart", "solid"), line(3, "label side", "--bad", "dashed"), line(4, "features side", "--warn", "dashed")],
  }));
})();

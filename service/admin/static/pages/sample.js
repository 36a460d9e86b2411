// Value of one sample in each valuation run, with its spread.
"use strict";

(() => {
  const { register, axis, legend, number, tooltip } = crashscout.charts;

  // Rows are [run, value, spread, label side, features side].
  function history({ values: rows }, theme) {
    const line = (pick, name, color, type) => ({
      type: "line", name, data: rows.map((row) => row[pick]), symbolSize: 7, lineStyle: { color, type }, itemStyle: { color },
    });
    return {
      grid: { left: 56, right: 18, top: 34, bottom: 30 },
      legend: legend(),
      xAxis: axis("", { type: "category", data: rows.map(([run]) => `run ${run}`), boundaryGap: rows.length === 1 }),
      yAxis: axis("0 to 1, higher is better", { nameGap: 38 }),
      tooltip: tooltip(({ dataIndex }) => {
        const [run, value, spread, label, features] = rows[dataIndex];
        return [`run ${run}`, `value ${number(value)} ± ${number(spread)}`, `label ${number(label)}`, `features ${number(features)}`];
      }),
      series: [line(1, "value", theme.accent, "solid"), line(3, "label side", theme.bad, "dashed"), line(4, "features side", theme.warn, "dashed")],
    };
  }

  register("history", history, ({ values }) => ({ columns: ["run", "value", "standard deviation", "label side", "features side"], rows: values }));
})();

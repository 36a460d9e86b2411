// Predicted and realised gain by round as bars, the money spent in all as a line.
"use strict";

(() => {
  const { register, axis, tooltip, legend, number, short } = crashscout.charts;

  register("ledger", ({ rows, unit, currency }, theme) => {
    const bar = (name, at, color) => ({ type: "bar", name, data: rows.map((row) => row[at]), itemStyle: { color, borderRadius: [2, 2, 0, 0] }, barMaxWidth: 28, barGap: "12%" });
    return {
      grid: { left: 64, right: 72, top: 40, bottom: 36 },
      legend: legend(),
      xAxis: axis("", { type: "category", data: rows.map((row) => row[0]), splitLine: { show: false } }),
      yAxis: [
        axis(`fall of the RMSE (${unit})`, { nameGap: 44, scale: false, axisLabel: { color: theme.muted, formatter: (value) => number(value, 2) } }),
        axis(`spent in all (${currency})`, { nameGap: 50, min: 0, splitLine: { show: false }, axisLabel: { color: theme.muted, formatter: short } }),
      ],
      tooltip: tooltip((params) => [
        rows[params[0].dataIndex][0],
        `predicted ${number(rows[params[0].dataIndex][1], 3, unit)}`,
        `realised ${number(rows[params[0].dataIndex][2], 3, unit)}`,
        `${number(rows[params[0].dataIndex][3], 0, currency)} spent in all`,
      ], { trigger: "axis" }),
      series: [
        bar("predicted gain", 1, theme.series[5]),
        bar("realised gain", 2, theme.series[0]),
        { type: "line", name: "spent in all", yAxisIndex: 1, data: rows.map((row) => row[3]), symbolSize: 6, lineStyle: { width: 2, type: "dotted" }, itemStyle: { color: theme.series[1] } },
      ],
    };
  });
})();

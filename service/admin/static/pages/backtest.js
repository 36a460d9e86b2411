// Curves of a backtest, by labels or by money, with bands that hold four fifths of the replays.
"use strict";

(() => {
  const { register, axis, tooltip, legend, number, short, draw, band } = crashscout.charts;
  const across = {
    labels: { at: 0, name: () => "labelled samples", format: (value) => number(value, 0) },
    money: { at: 1, name: (currency) => `spent (${currency})`, format: short },
  };
  let chosen = "labels";

  function lines({ name, points }, at, colour, index) {
    const rows = points.map((point) => [point[at], point[2], point[3], point[4]]);
    const look = { lineStyle: { width: 2, type: index === 0 ? "dashed" : "solid" }, itemStyle: { color: colour }, symbolSize: 6 };
    if (rows.some((row) => row[2] === null)) return [{ type: "line", name, data: rows.map(([x, y]) => [x, y]), ...look }];
    return band(name, rows, colour, look);
  }

  register("backtest", ({ series, unit, currency }, theme) => {
    const { at, name, format } = across[chosen];
    const colours = [theme.calm, ...theme.series];
    return {
      legend: legend({ data: series.map((one) => one.name) }),
      xAxis: axis(name(currency), { nameGap: 28, axisLabel: { color: theme.muted, formatter: format } }),
      yAxis: axis(`RMSE (${unit})`, { nameGap: 44, axisLabel: { color: theme.muted, formatter: (value) => number(value, 1) } }),
      tooltip: tooltip(({ seriesName, data }) => [seriesName, `RMSE ${number(data[1], 2, unit)}`, `${format(data[0])} ${name(currency)}`]),
      series: series.flatMap((one, index) => lines(one, at, colours[index % colours.length], index)),
    };
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-across]");
    if (!button) return;
    chosen = button.dataset.across;
    for (const other of document.querySelectorAll("[data-across]")) other.setAttribute("aria-pressed", String(other === button));
    draw(document.getElementById("backtest"));
  });
})();

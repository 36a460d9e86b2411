// Sorted values with their spread, and label side against features side with the quadrants in words.
"use strict";

(() => {
  // A filter applies as soon as it is chosen; without script there is a button.
  const form = document.getElementById("value-filters");
  form?.addEventListener("change", () => form.submit());

  if (!document.getElementById("chart-data")) return; // an empty page has no charts
  const kinds = [
    ["sound", "sound", "--chart", "circle"],
    ["wrong_label", "wrong label", "--bad", "triangle"],
    ["wrong_features", "wrong features", "--warn", "diamond"],
    ["far_from_target", "far from target", "--calm", "rect"],
    ["unjudged", "not judged", "--calm", "circle"],
  ];
  const source = plots.data("chart-data");
  const open = (point) => { if (point.data?.[3]) location.assign(`${source.sample_url}${point.data[3]}`); };

  const series = (rows, size) => kinds
    .map(([kind, name, tone, symbol]) => ({
      type: "scatter", name, symbol, symbolSize: size, data: rows.filter((row) => row[4] === kind), cursor: "pointer",
      itemStyle: { color: plots.colour(tone), opacity: 0.85 }, z: kind === "sound" ? 2 : 3,
    }))
    .filter((item) => item.data.length);

  function mark(data) {
    const lineStyle = { color: plots.muted(), type: "dashed", width: 1, opacity: 0.7 };
    return { silent: true, symbol: "none", label: { show: false }, lineStyle, data };
  }

  function values() {
    const rows = source.values;
    const low = source.is_probability ? { min: 0, max: 1 } : {};
    const clip = (value) => (source.is_probability ? Math.min(1, Math.max(0, value)) : value);
    const bars = rows.map(([rank, value, spread]) => [[rank, clip(value - spread)], [rank, clip(value + spread)]]);
    const points = rows.map(([rank, value, spread, id, kind, name]) => [rank, value, spread, id, kind, name]);
    return {
      xAxis: plots.axis("rank, 1 is the most valuable", { splitLine: { show: false }, min: 1, max: Math.max(...rows.map((row) => row[0])), minInterval: 1 }),
      yAxis: plots.axis("data value ± standard deviation", { nameGap: 38, ...low }),
      legend: plots.legend({ data: kinds.map((kind) => kind[1]) }),
      grid: { left: 56, right: 18, top: 34, bottom: 42 },
      tooltip: plots.tooltip(({ data }) => [data[5], `value ${plots.fixed(data[1])} ± ${plots.fixed(data[2])}`, `rank ${data[0]}`]),
      series: [plots.segments(bars, "--calm"), ...series(points, 5)],
    };
  }

  // The names of the quadrants stand in their middles, behind the points.
  function captions(limit) {
    const low = limit / 2;
    const high = (1 + limit) / 2;
    const data = [
      [high, high, "sound"], [high, low, "wrong label"], [low, high, "wrong features\nor far from target"],
      [low, low, "wrong label,\nfar from target"],
    ];
    const label = {
      show: true, position: "inside", formatter: ({ data: point }) => point[2], color: plots.muted(), opacity: 0.75,
      fontSize: 15, fontWeight: 600, lineHeight: 19, align: "center",
    };
    return { type: "scatter", data, symbolSize: 1, silent: true, itemStyle: { opacity: 0 }, label, z: 1, tooltip: { show: false } };
  }

  function sides() {
    const rows = source.sides.map(([features, label, id, kind, name]) => [features, label, null, id, kind, name]);
    const [first, ...others] = series(rows, 8);
    const limit = source.limit;
    const scale = source.is_probability ? { min: 0, max: 1 } : {};
    return {
      xAxis: plots.axis("transport component: features are right and near the target", scale),
      yAxis: plots.axis("target-loss component: label is right", { nameGap: 38, ...scale }),
      tooltip: plots.tooltip(({ data }) => [data[5], `label ${plots.fixed(data[1])}`, `features ${plots.fixed(data[0])}`]),
      legend: plots.legend({ data: kinds.map((kind) => kind[1]) }),
      grid: { left: 56, right: 18, top: 34, bottom: 42 },
      series: first ? [{ ...first, markLine: mark(source.is_probability ? [{ xAxis: limit }, { yAxis: limit }] : []) }, ...others, ...(source.is_probability ? [captions(limit)] : [])] : [],
    };
  }

  const found = { values, sides };
  for (const element of document.querySelectorAll("[data-plot]")) plots.draw(element, found[element.dataset.plot], open);
})();

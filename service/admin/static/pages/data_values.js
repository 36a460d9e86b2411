// Sorted values with their spread, and label side against features side with the quadrants in words.
"use strict";

(() => {
  // A filter applies as soon as it is chosen; without script there is a button.
  const form = document.getElementById("value-filters");
  form?.addEventListener("change", () => form.submit());

  const { register, axis, legend, number, segments, tooltip } = crashscout.charts;
  const kinds = [
    ["sound", "sound", "accent", "circle"],
    ["wrong_label", "wrong label", "bad", "triangle"],
    ["wrong_features", "wrong features", "warn", "diamond"],
    ["far_from_target", "far from target", "calm", "rect"],
    ["unjudged", "not judged", "calm", "circle"],
  ];
  const names = kinds.map((kind) => kind[1]);
  const wordsOf = Object.fromEntries(kinds.map(([kind, name]) => [kind, name]));
  const GRID = { left: 56, right: 18, top: 34, bottom: 42 };

  const series = (rows, size, theme) => kinds
    .map(([kind, name, tone, symbol]) => ({
      type: "scatter", name, symbol, symbolSize: size, data: rows.filter((row) => row[4] === kind), cursor: "pointer",
      itemStyle: { color: theme[tone], opacity: 0.85 }, z: kind === "sound" ? 2 : 3,
    }))
    .filter((item) => item.data.length);

  function mark(data, theme) {
    const lineStyle = { color: theme.muted, type: "dashed", width: 1, opacity: 0.7 };
    return { silent: true, symbol: "none", label: { show: false }, lineStyle, data };
  }

  function values(source, theme) {
    const rows = source.values;
    const low = source.is_probability ? { min: 0, max: 1 } : {};
    const clip = (value) => (source.is_probability ? Math.min(1, Math.max(0, value)) : value);
    const bars = rows.map(([rank, value, spread]) => [[rank, clip(value - spread)], [rank, clip(value + spread)]]);
    const points = rows.map(([rank, value, spread, id, kind, name]) => [rank, value, spread, id, kind, name]);
    return {
      xAxis: axis("rank, 1 is the most valuable", { nameGap: 28, splitLine: { show: false }, min: 1, max: Math.max(...rows.map((row) => row[0])), minInterval: 1 }),
      yAxis: axis("data value ± standard deviation", { nameGap: 38, ...low }),
      legend: legend({ data: names }),
      grid: GRID,
      tooltip: tooltip(({ data }) => [data[5], `value ${number(data[1])} ± ${number(data[2])}`, `rank ${data[0]}`]),
      series: [segments(bars, theme.calm), ...series(points, 5, theme)],
    };
  }

  // The names of the quadrants stand in their middles, behind the points.
  function captions(limit, theme) {
    const low = limit / 2;
    const high = (1 + limit) / 2;
    const data = [
      [high, high, "sound"], [high, low, "wrong label"], [low, high, "wrong features\nor far from target"],
      [low, low, "wrong label,\nfar from target"],
    ];
    const label = {
      show: true, position: "inside", formatter: ({ data: point }) => point[2], color: theme.muted, opacity: 0.75,
      fontSize: 15, fontWeight: 600, lineHeight: 19, align: "center",
    };
    return { type: "scatter", data, symbolSize: 1, silent: true, itemStyle: { opacity: 0 }, label, z: 1, tooltip: { show: false } };
  }

  function sides(source, theme) {
    const rows = source.sides.map(([features, label, id, kind, name]) => [features, label, null, id, kind, name]);
    const [first, ...others] = series(rows, 8, theme);
    const limit = source.limit;
    const scale = source.is_probability ? { min: 0, max: 1 } : {};
    return {
      xAxis: axis("transport component: features are right and near the target", { nameGap: 28, ...scale }),
      yAxis: axis("target-loss component: label is right", { nameGap: 38, ...scale }),
      tooltip: tooltip(({ data }) => [data[5], `label ${number(data[1])}`, `features ${number(data[0])}`]),
      legend: legend({ data: names }),
      grid: GRID,
      series: first ? [{ ...first, markLine: mark(source.is_probability ? [{ xAxis: limit }, { yAxis: limit }] : [], theme) }, ...others, ...(source.is_probability ? [captions(limit, theme)] : [])] : [],
    };
  }

  const open = (point, { sample_url: address }) => {
    if (point.data?.[3]) location.assign(`${address}${point.data[3]}`);
  };

  register("values", values, ({ values: rows }) => ({
    columns: ["rank", "sample", "value", "standard deviation", "diagnosis"],
    rows: rows.map(([rank, value, spread, , kind, name]) => [rank, name, value, spread, wordsOf[kind]]),
  }), open);
  register("sides", sides, ({ sides: rows }) => ({
    columns: ["sample", "features are right", "label is right", "diagnosis"],
    rows: rows.map(([features, label, , kind, name]) => [name, features, label, wordsOf[kind]]),
  }), open);
})();

// The map of the pool: colours, zoom, lasso, and the table of what is selected.
"use strict";

(() => {
  const { register, axis, draw, legend, library, number, painted, place, theme, token, tooltip } = crashscout.charts;
  const box = document.getElementById("map");
  const colourBy = document.getElementById("colour");
  const LISTED = 200;
  const BRUSH_DELAY_MS = 150;
  const LAYERS = [
    { key: "candidate", name: "pool", symbol: "circle", size: 5, opacity: 0.55 },
    { key: "target", name: "target domain", symbol: "circle", size: 9, opacity: 0.8, fixed: "muted", hollow: true },
    { key: "labelled", name: "labelled", symbol: "triangle", size: 8, opacity: 0.9 },
    { key: "validation", name: "validation", symbol: "diamond", size: 10, opacity: 0.9, fixed: "good", hollow: true },
    { key: "pending", name: "pending", symbol: "rect", size: 9, opacity: 0.9, fixed: "warn" },
    { key: "chosen", name: "chosen", symbol: "pin", size: 24, opacity: 0.95, fixed: "bad" },
  ];
  let points = null;
  let chart = null;
  let selected = new Set();
  let brushed = null;
  let isDrawing = false;

  function layerOf(index) {
    return points.recommendation_id[index] !== null ? "chosen" : points.role[index];
  }

  function range(column, indices) {
    const values = indices.map((index) => points[column][index]).filter((value) => value !== null).sort((a, b) => a - b);
    if (!values.length) return [0, 1];
    const at = (share) => values[Math.round(share * (values.length - 1))];
    return [at(0.02), at(0.98)]; // a few extremes must not take all colours
  }

  function describe(index) {
    const unit = box.dataset.unit;
    const name = points.name[index] ?? "a point of the target domain";
    const parts = [`${name}: predicted ${number(points.predicted[index])} ${unit}, sd ${number(points.predicted_std[index])}`];
    if (points.target[index] !== null) parts.push(`measured ${number(points.target[index])} ${unit}`);
    if (points.value[index] !== null) parts.push(`data value ${number(points.value[index])}`);
    if (points.rank[index] !== null) parts.push(`rank ${points.rank[index]}, ${points.arm[index]}`);
    return parts.join("; ");
  }

  function byLayers() {
    const found = new Map();
    points.x.forEach((_, index) => {
      const key = layerOf(index);
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(index);
    });
    return found;
  }

  function look(layer, colours) {
    const colour = layer.fixed ? colours[layer.fixed] : token("--map-middle");
    const filled = { opacity: layer.opacity, color: colour };
    return layer.hollow ? { ...filled, color: "transparent", borderColor: colour, borderWidth: 1.5 } : filled;
  }

  function series(colour, byLayer) {
    const colours = theme();
    const marked = { itemStyle: { borderColor: colours.ink, borderWidth: 2, opacity: 1 } };
    return LAYERS.map((layer) => ({
      name: layer.name,
      type: "scatter",
      symbol: layer.symbol,
      symbolSize: layer.size,
      large: false,
      itemStyle: look(layer, colours),
      emphasis: { scale: 1.6 },
      data: (byLayer.get(layer.key) ?? []).map((index) => ({
        value: [points.x[index], points.y[index], points[colour][index] ?? NaN, index],
        ...(selected.has(index) ? marked : {}),
      })),
    }));
  }

  function option(_, colours) {
    const colour = colourBy.value;
    const byLayer = byLayers();
    const coloured = [...(byLayer.get("candidate") ?? []), ...(byLayer.get("labelled") ?? [])];
    const [low, high] = range(colour, coloured);
    const plain = axis("", { boundaryGap: ["4%", "4%"], axisLabel: { show: false }, axisTick: { show: false }, axisLine: { show: false } });
    return {
      grid: { left: 12, right: 12, top: 40, bottom: 12 },
      legend: legend({ data: LAYERS.filter((layer) => byLayer.has(layer.key)).map((layer) => layer.name) }),
      xAxis: plain,
      yAxis: plain,
      dataZoom: [{ type: "inside", xAxisIndex: 0, filterMode: "none" }, { type: "inside", yAxisIndex: 0, filterMode: "none" }],
      visualMap: {
        type: "continuous", dimension: 2, min: low, max: high > low ? high : low + 1, precision: 2, calculable: false,
        seriesIndex: LAYERS.flatMap((layer, at) => (layer.fixed ? [] : [at])),
        // Light to dark in one hue: order is seen without colours, too.
        inRange: { color: ["--map-low", "--map-middle", "--map-high"].map(token) }, outOfRange: { color: colours.line },
        orient: "horizontal", right: 8, bottom: 8, itemWidth: 10, itemHeight: 110, textStyle: { color: colours.muted }, text: [number(high, 1), number(low, 1)],
      },
      brush: { xAxisIndex: 0, yAxisIndex: 0, brushStyle: { color: "rgba(127,127,127,0.15)", borderColor: colours.ink, borderWidth: 1 }, outOfBrush: { colorAlpha: 1 }, throttleType: "debounce", throttleDelay: BRUSH_DELAY_MS },
      toolbox: { show: false },
      tooltip: tooltip((point) => describe(point.value[3])),
      series: series(colour, byLayer),
    };
  }

  function cell(row, text, className) {
    const element = row.insertCell();
    element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  function candidates() {
    return [...selected].filter((index) => points.role[index] === "candidate" && points.sample_id[index] !== null);
  }

  function listSelection() {
    const body = document.getElementById("selection");
    body.replaceChildren();
    for (const index of [...selected].slice(0, LISTED)) body.append(selectionRow(index));
    const ids = candidates().map((index) => points.sample_id[index]);
    const more = selected.size > LISTED ? `, the first ${LISTED} listed` : "";
    document.getElementById("selection-count").textContent = selected.size ? `${selected.size}, ${ids.length} of them candidates${more}` : "none";
    const chosen = document.getElementById("sample-ids");
    if (!chosen) return; // who may not wish for anything has no form
    chosen.value = ids.join(",");
    for (const button of document.querySelectorAll(".wish button[name=kind]")) {
      button.disabled = ids.length === 0;
      const verb = button.value === "inject" ? "Inject" : "Veto";
      button.textContent = ids.length ? `${verb} ${ids.length}` : `${verb} the selected`;
    }
  }

  function selectionRow(index) {
    const row = document.createElement("tr");
    const out = document.createElement("button");
    out.type = "button";
    out.className = "secondary outline";
    out.textContent = "×";
    out.setAttribute("aria-label", `Leave ${points.name[index]} out`);
    out.addEventListener("click", () => { selected.delete(index); refresh(); });
    row.insertCell().append(out);
    const show = document.createElement("a");
    show.href = "#point-title";
    show.textContent = points.name[index];
    show.addEventListener("click", () => showPoint(index));
    cell(row, "", "name").append(show);
    cell(row, number(points.predicted[index]), "num");
    cell(row, number(points.predicted_std[index]), "num");
    return row;
  }

  function fact(list, label, text) {
    const line = document.createElement("div");
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    term.textContent = label;
    value.textContent = text;
    line.append(term, value);
    list.append(line);
  }

  function showPoint(index) {
    const unit = box.dataset.unit;
    document.getElementById("point-title").textContent = points.name[index] ?? "A point of the target domain";
    const list = document.createElement("dl");
    list.className = "key";
    fact(list, "Is", [layerOf(index), points.source[index]?.replaceAll("_", " ")].filter(Boolean).join(", "));
    fact(list, `Predicted ${box.dataset.target}`, `${number(points.predicted[index])} ${unit}`);
    const half = points.half_width[index];
    if (half !== null) fact(list, "Interval", `${number(points.predicted[index] - half, 1)} to ${number(points.predicted[index] + half, 1)} ${unit}`);
    fact(list, "Predicted error (sd)", `${number(points.predicted_std[index])} ${unit}`);
    if (points.target[index] !== null) fact(list, "Measured", `${number(points.target[index])} ${unit}`);
    if (points.value[index] !== null) fact(list, "Data value", number(points.value[index]));
    if (points.rank[index] !== null) fact(list, "Rank", `${points.rank[index]} (${points.arm[index]})`);
    document.getElementById("point").replaceChildren(list, pointActions(index));
  }

  function pointActions(index) {
    const line = document.createElement("p");
    if (points.recommendation_id[index] !== null) {
      const link = document.createElement("a");
      link.href = `/recommendations/${points.recommendation_id[index]}`;
      link.textContent = "Open the recommendation";
      line.append(link);
    } else if (points.sample_id[index] !== null) {
      const add = document.createElement("button");
      add.type = "button";
      add.className = "secondary outline";
      add.textContent = selected.has(index) ? "Leave it out" : "Select it";
      add.addEventListener("click", () => { toggle(index); showPoint(index); });
      line.append(add);
    }
    return line;
  }

  function toggle(index) {
    if (!selected.delete(index)) selected.add(index);
    refresh();
  }

  function refresh() {
    chart.setOption({ series: series(colourBy.value, byLayers()) });
    listSelection();
  }

  // Marking what is selected draws the points anew: not while the lasso is being drawn.
  function onBrush(event) {
    const { areas, selected: bySeries } = event.batch[0];
    if (!areas.length) return; // the lasso was only cleared
    brushed = new Set();
    const layers = chart.getOption().series;
    for (const { seriesIndex, dataIndex } of bySeries) {
      for (const place of dataIndex) {
        const index = layers[seriesIndex].data[place].value[3];
        if (points.sample_id[index] !== null) brushed.add(index);
      }
    }
    if (!isDrawing) takeBrushed();
  }

  function takeBrushed() {
    if (!brushed || (brushed.size === selected.size && [...brushed].every((index) => selected.has(index)))) return;
    selected = brushed;
    refresh();
  }

  function onBrushEnd() {
    setLasso(false);
    setTimeout(takeBrushed, 2 * BRUSH_DELAY_MS);
  }

  function setLasso(on) {
    isDrawing = on;
    const brushOption = on ? { brushType: "polygon", brushMode: "single" } : { brushType: false };
    chart.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption });
    document.getElementById("lasso").setAttribute("aria-pressed", String(on));
  }

  function onFind(event) {
    const wanted = event.target.value.trim().toLowerCase();
    if (!wanted) return;
    const found = [];
    points.name.forEach((name, index) => { if (name?.toLowerCase().includes(wanted)) found.push(index); });
    selected = new Set(found.slice(0, 2000));
    refresh();
  }

  function connect() {
    chart.on("brushSelected", onBrush);
    chart.on("brushEnd", onBrushEnd);
    colourBy.addEventListener("change", () => draw(box));
    document.getElementById("lasso").addEventListener("click", (event) => setLasso(event.target.getAttribute("aria-pressed") !== "true"));
    document.getElementById("whole").addEventListener("click", () => {
      chart.dispatchAction({ type: "brush", areas: [] });
      for (const dataZoomIndex of [0, 1]) chart.dispatchAction({ type: "dataZoom", dataZoomIndex, start: 0, end: 100 });
    });
    document.getElementById("find").addEventListener("input", onFind);
    document.getElementById("round")?.addEventListener("change", (event) => event.target.form.submit());
  }

  register("map", option, null, (point) => showPoint(point.value[3]));

  async function fetchPoints() {
    await painted; // the server is to give the page first
    const answer = await fetch(box.dataset.url, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    ({ points } = await answer.json());
  }

  async function start() {
    await Promise.all([fetchPoints(), library()]);
    chart = await place(box, "map", points);
    listSelection();
    connect();
    box.dataset.ready = "yes";
  }

  if (box) {
    start().catch((error) => {
      box.classList.add("error");
      box.textContent = `The map could not be loaded: ${error.message}. Reload the page.`;
    });
  }
})();

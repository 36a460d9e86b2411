// The map of the pool: colours, zoom, lasso, and the table of what is selected.
"use strict";

const box = document.getElementById("map");
const LISTED = 200;
const BRUSH_DELAY_MS = 150;
const LAYERS = [
  { key: "candidate", name: "pool", symbol: "circle", size: 5, opacity: 0.55 },
  { key: "target", name: "target domain", symbol: "circle", size: 9, opacity: 0.8, fixed: "--pico-muted-color", hollow: true },
  { key: "labelled", name: "labelled", symbol: "triangle", size: 8, opacity: 0.9 },
  { key: "validation", name: "validation", symbol: "diamond", size: 10, opacity: 0.9, fixed: "--good", hollow: true },
  { key: "pending", name: "pending", symbol: "rect", size: 9, opacity: 0.9, fixed: "--warn" },
  { key: "chosen", name: "chosen", symbol: "pin", size: 24, opacity: 0.95, fixed: "--bad" },
];
let points = null;
let chart = null;
let selected = new Set();
let brushed = null;
let isDrawing = false;

function layerOf(index) {
  return points.recommendation_id[index] !== null ? "chosen" : points.role[index];
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function figure(value, digits = 2) {
  return value === null ? "–" : value.toFixed(digits).replace("-", "−");
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
  const parts = [`${name}: predicted ${figure(points.predicted[index])} ${unit}, sd ${figure(points.predicted_std[index])}`];
  if (points.target[index] !== null) parts.push(`measured ${figure(points.target[index])} ${unit}`);
  if (points.value[index] !== null) parts.push(`data value ${figure(points.value[index])}`);
  if (points.rank[index] !== null) parts.push(`rank ${points.rank[index]}, ${points.arm[index]}`);
  return parts.join("; ");
}

function look(layer) {
  const colour = css(layer.fixed ?? "--map-middle");
  const filled = { opacity: layer.opacity, color: colour };
  return layer.hollow ? { ...filled, color: "transparent", borderColor: colour, borderWidth: 1.5 } : filled;
}

function series(colour, byLayer) {
  return LAYERS.map((layer) => ({
    name: layer.name,
    type: "scatter",
    symbol: layer.symbol,
    symbolSize: layer.size,
    large: false,
    itemStyle: look(layer),
    emphasis: { scale: 1.6 },
    data: (byLayer.get(layer.key) ?? []).map((index) => ({
      value: [points.x[index], points.y[index], points[colour][index] ?? NaN, index],
      ...(selected.has(index) ? { itemStyle: { borderColor: css("--pico-color"), borderWidth: 2, opacity: 1 } } : {}),
    })),
  }));
}

function option() {
  const colour = document.getElementById("colour").value;
  const byLayer = Map.groupBy ? Map.groupBy(points.x.keys(), layerOf) : grouped();
  const coloured = [...(byLayer.get("candidate") ?? []), ...(byLayer.get("labelled") ?? [])];
  const [low, high] = range(colour, coloured);
  const text = { color: css("--pico-muted-color") };
  const axis = { type: "value", scale: true, boundaryGap: ["4%", "4%"], axisLabel: { show: false }, axisTick: { show: false }, axisLine: { show: false }, splitLine: { lineStyle: { color: css("--line") } } };
  return {
    animation: false,
    grid: { left: 12, right: 12, top: 40, bottom: 12 },
    legend: { top: 0, textStyle: { color: css("--pico-color") }, data: LAYERS.map((layer) => layer.name).filter((name) => hasPoints(name, byLayer)) },
    xAxis: axis,
    yAxis: axis,
    dataZoom: [{ type: "inside", xAxisIndex: 0, filterMode: "none" }, { type: "inside", yAxisIndex: 0, filterMode: "none" }],
    visualMap: {
      type: "continuous", dimension: 2, min: low, max: high > low ? high : low + 1, precision: 2, calculable: false,
      seriesIndex: LAYERS.flatMap((layer, place) => (layer.fixed ? [] : [place])),
      // Light to dark in one hue: order is seen without colours, too.
      inRange: { color: [css("--map-low"), css("--map-middle"), css("--map-high")] }, outOfRange: { color: css("--line") },
      orient: "horizontal", right: 8, bottom: 8, itemWidth: 10, itemHeight: 110, textStyle: text, text: [figure(high, 1), figure(low, 1)],
    },
    brush: { xAxisIndex: 0, yAxisIndex: 0, brushStyle: { color: "rgba(127,127,127,0.15)", borderColor: css("--pico-color"), borderWidth: 1 }, outOfBrush: { colorAlpha: 1 }, throttleType: "debounce", throttleDelay: BRUSH_DELAY_MS },
    toolbox: { show: false },
    tooltip: {
      formatter: (point) => {
        const node = document.createElement("div"); // never HTML text: names come from outside
        node.textContent = describe(point.value[3]);
        return node;
      },
      backgroundColor: css("--surface"), borderColor: css("--line"), textStyle: { color: css("--pico-color") }, confine: true,
    },
    series: series(colour, byLayer),
  };
}

function grouped() {
  const found = new Map();
  points.x.forEach((_, index) => {
    const key = layerOf(index);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(index);
  });
  return found;
}

function hasPoints(name, byLayer) {
  return byLayer.has(LAYERS.find((layer) => layer.name === name).key);
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
  cell(row, figure(points.predicted[index]), "num");
  cell(row, figure(points.predicted_std[index]), "num");
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
  fact(list, `Predicted ${box.dataset.target}`, `${figure(points.predicted[index])} ${unit}`);
  const half = points.half_width[index];
  if (half !== null) fact(list, "Interval", `${figure(points.predicted[index] - half, 1)} to ${figure(points.predicted[index] + half, 1)} ${unit}`);
  fact(list, "Predicted error (sd)", `${figure(points.predicted_std[index])} ${unit}`);
  if (points.target[index] !== null) fact(list, "Measured", `${figure(points.target[index])} ${unit}`);
  if (points.value[index] !== null) fact(list, "Data value", figure(points.value[index]));
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
  chart.setOption({ series: series(document.getElementById("colour").value, grouped()) });
  listSelection();
}

function draw() {
  chart.setOption(option(), true);
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
  chart.on("click", (event) => showPoint(event.value[3]));
  chart.on("brushSelected", onBrush);
  chart.on("brushEnd", onBrushEnd);
  document.getElementById("colour").addEventListener("change", draw);
  document.getElementById("lasso").addEventListener("click", (event) => setLasso(event.target.getAttribute("aria-pressed") !== "true"));
  document.getElementById("whole").addEventListener("click", () => {
    chart.dispatchAction({ type: "brush", areas: [] });
    for (const dataZoomIndex of [0, 1]) chart.dispatchAction({ type: "dataZoom", dataZoomIndex, start: 0, end: 100 });
  });
  document.getElementById("find").addEventListener("input", onFind);
  document.getElementById("round")?.addEventListener("change", (event) => event.target.form.submit());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("resize", () => chart.resize());
}

async function start() {
  const answer = await fetch(box.dataset.url, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  ({ points } = await answer.json());
  chart = echarts.init(box);
  draw();
  connect();
  box.dataset.ready = "yes";
}

if (box) {
  start().catch((error) => {
    box.classList.add("error");
    box.textContent = `The map could not be loaded: ${error.message}. Reload the page.`;
  });
}

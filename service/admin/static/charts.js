// Charts by Apache ECharts in the colours of the page. A page's own script registers its kinds:
//   crashscout.charts.register("parity", (data, theme) => option, (data) => ({ columns, rows }), (point, data) => ...)
// and its template places them with the macro `chart`. The second function, or else `data.table`, is their text
// alternative, the third is called for the point that is clicked. Charts whose data are fetched later go through
// `place(element, kind, data)`. ECharts is large: the page is painted before it is fetched, and without a chart it
// is not fetched at all.
"use strict";

const crashscout = { charts: {} };

(() => {
  const LIBRARY = document.currentScript.dataset.library;
  const LATEST_MS = 1000; // a tab in the background is not painted
  const kinds = {};
  const placed = new WeakMap();
  const GRID = { left: 64, right: 20, top: 36, bottom: 48 };

  const painted = new Promise((resolve) => {
    new PerformanceObserver((_, observer) => {
      observer.disconnect();
      resolve();
    }).observe({ type: "paint", buffered: true });
    setTimeout(resolve, LATEST_MS);
  });

  function fetchLibrary() {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error("ECharts did not come")));
      script.src = LIBRARY;
      document.head.append(script);
    });
  }

  let fetched = null;
  function library() {
    if (!fetched) {
      fetched = painted.then(fetchLibrary);
      fetched.catch(() => tellFailure("The charts could not be loaded: the connection was lost. Reload the page."));
    }
    return fetched;
  }

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // Colours by meaning; `series` in the order in which lines are told apart.
  function theme() {
    const series = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"].map(token);
    const names = ["ink", "muted", "line", "surface", "accent", "good", "warn", "bad", "calm"];
    return { series, ...Object.fromEntries(names.map((name) => [name, token(`--${name}`)])) };
  }

  // An axis in the page's colours; `extra` overrides, as in ECharts.
  function axis(name, extra) {
    const colours = theme();
    const line = { lineStyle: { color: colours.line } };
    const label = { color: colours.muted };
    const middle = { nameLocation: "middle", nameTextStyle: label };
    return { type: "value", name, axisLabel: label, axisLine: line, axisTick: line, splitLine: line, scale: true, ...middle, ...extra };
  }

  // Lines as a DOM node, never as HTML text: names come from outside.
  function tooltipNode(lines) {
    const box = document.createElement("div");
    for (const line of lines) {
      const row = document.createElement("div");
      row.textContent = line;
      box.append(row);
    }
    return box;
  }

  // A tooltip; `describe` makes one line or several of what ECharts calls `params`.
  function tooltip(describe, extra) {
    const colours = theme();
    const formatter = (params) => tooltipNode([describe(params)].flat());
    return { formatter, confine: true, backgroundColor: colours.surface, borderColor: colours.line, textStyle: { color: colours.ink, fontSize: 12 }, ...extra };
  }

  // A dashed straight line at a value, with its name: {yAxis: 2} or {xAxis: 0}.
  function limit(data, { label = "", colour = theme().bad } = {}) {
    const text = { show: label !== "", formatter: label, position: "insideEndTop", color: colour, fontSize: 11 };
    return { silent: true, symbol: "none", label: text, lineStyle: { color: colour, type: "dashed", width: 1 }, data: [data].flat() };
  }

  function legend(extra) {
    const colours = theme();
    return { top: 0, left: 0, itemWidth: 18, itemHeight: 9, textStyle: { color: colours.muted, fontSize: 12 }, inactiveColor: colours.line, ...extra };
  }

  // Points joined and a band around them (low, high) as one group of the legend.
  function band(name, rows, colour, extra) {
    const edge = { type: "line", symbol: "none", lineStyle: { opacity: 0 }, itemStyle: { color: colour }, silent: true, stack: `band ${name}`, stackStrategy: "all", tooltip: { show: false } };
    return [
      { ...edge, name, data: rows.map(([x, , low]) => [x, low]) },
      { ...edge, name, data: rows.map(([x, , low, high]) => [x, high - low]), areaStyle: { color: colour, opacity: 0.13 } },
      { type: "line", name, data: rows.map(([x, y]) => [x, y]), symbolSize: 6, lineStyle: { width: 2 }, itemStyle: { color: colour }, ...extra },
    ];
  }

  // Bars between two points each: one line that is broken after each of them.
  function segments(pairs, colour, lineStyle) {
    const data = pairs.flatMap(([from, to]) => [from, to, [null, null]]);
    return { type: "line", data, symbol: "none", silent: true, z: 1, lineStyle: { color: colour, width: 1, opacity: 0.5, ...lineStyle } };
  }

  // The dashed line on which two equal quantities lie.
  function diagonal(low, high) {
    return { type: "line", data: [[low, low], [high, high]], symbol: "none", silent: true, lineStyle: { color: theme().muted, type: "dashed", width: 1.5 } };
  }

  // 1,234.5 with so many digits, and a unit.
  function number(value, digits = 2, unit = "") {
    if (value === null || value === undefined) return "–";
    const text = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value).replace("-", "−");
    return unit ? `${text} ${unit}` : text;
  }

  // 300 k, 1.2 M: for axes of money.
  function short(value) {
    return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value).replace("-", "−");
  }

  function dataOf(element) {
    return placed.get(element) ?? JSON.parse(document.getElementById(element.dataset.source).textContent);
  }

  function begin(element) {
    const chart = echarts.init(element);
    const { click } = kinds[element.dataset.chart];
    if (click) chart.on("click", (point) => click(point, dataOf(element)));
    resized.observe(element);
    return chart;
  }

  async function draw(element) {
    const kind = kinds[element.dataset.chart];
    if (!kind) throw new Error(`no chart is called ${element.dataset.chart}`);
    await library();
    if (!element.isConnected || element.hidden) return null; // its region was renewed meanwhile, or its table is read
    const chart = chartOf(element) ?? begin(element);
    const option = kind.option(dataOf(element), theme());
    // Hollow points would be white inside, on dark ground too.
    const series = option.series.map((one) => (one.type === "line" ? { symbol: "circle", ...one } : one));
    // A canvas knows no "inherit": it would fall back to another face at 10 pixels.
    chart.setOption({ animation: false, color: theme().series, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, grid: GRID, ...option, series }, true);
    return chart;
  }

  // A chart whose data came later than the page.
  function place(element, kind, data) {
    placed.set(element, data);
    element.dataset.chart = kind;
    return draw(element);
  }

  function drawAll(root) {
    for (const element of root.querySelectorAll("[data-chart]")) draw(element);
  }

  function chartOf(element) {
    return globalThis.echarts?.getInstanceByDom(element);
  }

  function fillTable(place, { columns, rows }) {
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    const isNumber = (cell) => typeof cell === "number" || cell === null;
    const digits = columns.map((_, at) => (rows.every((cells) => !isNumber(cells[at]) || Number.isInteger(cells[at] ?? 0)) ? 0 : 3));
    columns.forEach((name, at) => {
      const className = rows.length && rows.every((cells) => isNumber(cells[at])) ? "num" : "";
      head.append(Object.assign(document.createElement("th"), { textContent: name, scope: "col", className }));
    });
    const body = table.createTBody();
    for (const cells of rows) {
      const row = body.insertRow();
      cells.forEach((cell, at) => {
        const field = row.insertCell();
        field.textContent = typeof cell === "number" ? number(cell, digits[at]) : cell ?? "–";
        field.classList.toggle("num", isNumber(cell));
      });
    }
    place.replaceChildren(table);
  }

  // Charts whose table the reader has chosen: it stays when a region is renewed.
  const asTables = new Set();

  function keepTables(root) {
    for (const drawing of root.querySelectorAll("[data-chart]:not([hidden])")) {
      if (asTables.has(drawing.id)) toggle(drawing.closest("figure").querySelector("[data-as-table]"));
    }
  }

  function tableOf(drawing) {
    const data = dataOf(drawing);
    return kinds[drawing.dataset.chart].table?.(data) ?? data.table;
  }

  // The table instead of the drawing, and back.
  function toggle(button) {
    const figure = button.closest("figure");
    const [drawing, table] = [figure.querySelector("[data-chart]"), figure.querySelector(".chart-table")];
    table.hidden = !table.hidden;
    drawing.hidden = !table.hidden;
    button.textContent = table.hidden ? "Show as table" : "Show as chart";
    button.setAttribute("aria-expanded", String(!table.hidden));
    if (table.hidden) asTables.delete(drawing.id);
    else asTables.add(drawing.id);
    if (!table.hidden) fillTable(table, tableOf(drawing));
    else draw(drawing);
  }

  Object.assign(crashscout.charts, {
    register: (name, option, table, click) => { kinds[name] = { option, table, click }; },
    painted, library, chartOf, token, theme, axis, tooltip, limit, legend, band, segments, diagonal, number, short, draw, place,
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-as-table]");
    if (button) toggle(button);
  });
  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:load", (event) => {
    if (event.target === document.body) return;
    drawAll(event.target);
    keepTables(event.target);
  });
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    if (event.target.matches?.("[data-chart]")) chartOf(event.target)?.dispose();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) chartOf(target)?.resize();
  });
})();

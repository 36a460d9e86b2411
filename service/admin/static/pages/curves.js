// Car and chest behind a label: speed over time with t1, t2 and the ROLC line, acceleration below. Loaded when in sight.
"use strict";

(() => {
  const { register, axis, legend, number, place, theme, tooltip } = crashscout.charts;
  const style = (tone, width, type) => ({ color: theme()[tone], width, type: type ?? "solid" });
  const zip = (times, values) => times.map((time, index) => [time, values[index]]);

  function line(name, data, tone, grid, extra) {
    return {
      type: "line", name, data, symbol: "none", xAxisIndex: grid, yAxisIndex: grid, lineStyle: style(tone, 1.8),
      itemStyle: { color: theme()[tone] }, ...extra,
    };
  }

  function windowMarks(curves, withNames) {
    const marks = [["t1", curves.t1_ms], ["t2", curves.t2_ms]].filter(([, time]) => time !== null);
    const label = (name) => ({ show: withNames, formatter: name, color: theme().ink, position: "end", distance: 3 });
    return {
      silent: true, symbol: "none", lineStyle: style("muted", 1, "dashed"),
      data: marks.map(([name, time]) => ({ xAxis: time, label: label(name) })),
    };
  }

  function rolcLine(curves) {
    if (curves.rolc_g === null) return [];
    const at = (time) => curves.time_ms.reduce((best, value, index) => (Math.abs(value - time) < Math.abs(curves.time_ms[best] - time) ? index : best), 0);
    const ends = [curves.t1_ms, curves.t2_ms].map((time) => [time, curves.chest_mps[at(time)]]);
    return [line(`ROLC ${number(curves.rolc_g, 1)} g`, ends, "bad", 0, { lineStyle: style("bad", 3), symbol: "circle", symbolSize: 7, z: 5 })];
  }

  function option(curves) {
    const time = { type: "value", min: 0, max: Math.ceil(curves.time_ms.at(-1)) };
    const lines = [
      line("car", zip(curves.time_ms, curves.vehicle_mps), "calm", 0, { markLine: windowMarks(curves, true) }),
      line("chest", zip(curves.time_ms, curves.chest_mps), "accent", 0),
      ...rolcLine(curves),
      line("car", zip(curves.time_ms, curves.vehicle_g), "calm", 1, { markLine: windowMarks(curves, false), lineStyle: style("calm", 1.3) }),
      line("chest", zip(curves.time_ms, curves.chest_g), "accent", 1, { lineStyle: style("accent", 1.3) }),
    ];
    return {
      grid: [{ left: 58, right: 18, top: 44, height: "44%" }, { left: 58, right: 18, bottom: 42, height: "27%" }],
      legend: legend(),
      xAxis: [
        axis("", { ...time, gridIndex: 0, axisLabel: { show: false } }),
        axis("time after first contact, ms", { nameGap: 28, ...time, gridIndex: 1 }),
      ],
      yAxis: [
        axis("speed, m/s", { gridIndex: 0, nameGap: 36 }),
        axis("acceleration, g", { gridIndex: 1, nameGap: 36, splitNumber: 3 }),
      ],
      axisPointer: { link: [{ xAxisIndex: "all" }], lineStyle: style("muted", 1) },
      tooltip: {
        ...tooltip((points) => [
          `${number(points[0].axisValue, 1)} ms`,
          ...points.map((point) => `${point.seriesName} ${number(point.data[1], 1)} ${point.axisIndex === 0 ? "m/s" : "g"}`),
        ]),
        trigger: "axis",
      },
      series: lines,
    };
  }

  function note(element, content) {
    const box = element.closest("figure").querySelector("[data-curves-note]");
    if (box) box.textContent = content;
  }

  async function load(element) {
    try {
      const answer = await fetch(element.dataset.curves, { headers: { accept: "application/json" } });
      const document_ = await answer.json();
      if (!answer.ok) {
        element.hidden = true;
        note(element, [document_.detail, document_.hint].filter(Boolean).join(" "));
        return;
      }
      place(element, "curves", document_);
      element.closest("figure").querySelector("[data-as-table]").hidden = false;
      note(element, `${document_.occupant}, ${document_.label_definition}: ${document_.shown} of ${document_.samples} samples drawn, evenly thinned.`);
    } catch {
      element.hidden = true;
      note(element, "The curves could not be loaded: the connection was lost. Reload the page.");
    }
  }

  register("curves", option, (curves) => ({
    columns: ["time (ms)", "car (m/s)", "chest (m/s)", "car (g)", "chest (g)"],
    rows: curves.time_ms.map((time, at) => [time, curves.vehicle_mps[at], curves.chest_mps[at], curves.vehicle_g[at], curves.chest_g[at]]),
  }));

  const sight = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      load(target);
    }
  }, { rootMargin: "300px" });
  for (const element of document.querySelectorAll("[data-curves]")) sight.observe(element);
})();

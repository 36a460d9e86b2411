// The page keeps up with the campaign: one stream of server-sent events, read with `fetch`, because a browser's
// EventSource shows neither heartbeats nor why it was refused. A region says what it shows by
// `data-live="recommendation.* round.closed"` and is fetched again when such an event has come: from its own
// `hx-get`, with `hx-trigger="live"`, or else out of this page's own address, by its id.
"use strict";

const live = {
  HEARTBEAT_LOST_MS: 40_000, // the server gives a sign every 15 s
  GATHER_MS: 300, // events that come together renew a region once
  LONGEST_PAUSE_MS: 30_000,
  position: document.body.dataset.position,
  stale: new Set(),
  seenAt: new Date(),
  pauseMs: 1000,
  controller: null,
};

function matches(patterns, type) {
  const noun = type.split(".")[0];
  return patterns.split(/\s+/).some((pattern) => pattern === "*" || pattern === type || pattern === `${noun}.*`);
}

// What the reader is at stays: a field that is being filled in, an open dialog, an open form.
function isInUse(region) {
  const typing = document.activeElement?.matches("input:not([type=hidden]), textarea, select") && region.contains(document.activeElement);
  return typing || region.querySelector("dialog[open], details[open] form") !== null;
}

function renew() {
  const due = [...live.stale].filter((id) => !isInUse(document.getElementById(id) ?? document.createElement("i")));
  for (const id of due) live.stale.delete(id);
  const regions = due.map((id) => document.getElementById(id)).filter(Boolean);
  const own = regions.filter((region) => region.hasAttribute("hx-get"));
  const rest = regions.filter((region) => !region.hasAttribute("hx-get"));
  for (const region of own) htmx.trigger(region, "live");
  if (rest.length) {
    const selectOOB = rest.map((region) => `#${region.id}`).join(",");
    htmx.ajax("GET", location.pathname + location.search, { source: document.body, target: document.body, swap: "none", selectOOB });
  }
}

let gathering = null;
function take(type) {
  for (const region of document.querySelectorAll("[data-live]")) {
    if (type === "snapshot" || matches(region.dataset.live, type)) live.stale.add(region.id);
  }
  document.dispatchEvent(new CustomEvent("crashscout:event", { detail: type }));
  if (live.stale.size && gathering === null) {
    gathering = setTimeout(() => { gathering = null; renew(); }, live.GATHER_MS);
  }
}
document.addEventListener("focusout", () => setTimeout(renew, 0));
document.addEventListener("close", renew, true);
document.addEventListener("toggle", renew, true);

function takeMessage(text) {
  const fields = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
  if (fields.id) live.position = fields.id;
  if (fields.event) take(fields.event);
}

function tellConnection(text) {
  const banner = document.getElementById("connection");
  banner.textContent = text;
  banner.hidden = text === "";
}

function tellLost() {
  const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" }).format(live.seenAt);
  tellConnection(`Connection lost, showing the state of ${time}. Trying again …`);
}

async function read(response, controller) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => controller.abort(), live.HEARTBEAT_LOST_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    live.seenAt = new Date();
    const messages = (rest + value).split("\n\n");
    rest = messages.pop();
    messages.forEach(takeMessage);
  }
}

async function connect() {
  const controller = new AbortController();
  live.controller = controller;
  const headers = { accept: "text/event-stream", "last-event-id": live.position };
  const response = await fetch(document.body.dataset.events, { headers, signal: controller.signal, credentials: "same-origin" });
  if (response.status === 401 || response.status === 403) {
    tellConnection("You are no longer signed in: reload the page.");
    return false;
  }
  if (!response.ok) throw new Error(`status ${response.status}`);
  tellConnection("");
  live.pauseMs = 1000;
  await read(response, controller);
  return true;
}

// A hidden tab gives its connection back: browsers allow few of them to one server.
const isVisible = () => document.visibilityState === "visible";
const becomesVisible = () => new Promise((resolve) => {
  const look = () => {
    if (!isVisible()) return;
    document.removeEventListener("visibilitychange", look);
    resolve();
  };
  document.addEventListener("visibilitychange", look);
});
const leaving = { is: false };
addEventListener("pagehide", () => { leaving.is = true; live.controller?.abort(); });
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => { if (!isVisible()) live.controller?.abort(); });

async function keepUp() {
  for (;;) {
    if (!isVisible()) await becomesVisible();
    try {
      if (!(await connect())) return;
    } catch {
      if (leaving.is) return;
    }
    if (!isVisible()) continue;
    tellLost();
    await new Promise((resolve) => setTimeout(resolve, live.pauseMs));
    live.pauseMs = Math.min(2 * live.pauseMs, live.LONGEST_PAUSE_MS);
  }
}

document.addEventListener("DOMContentLoaded", () => { if (document.querySelector("[data-live]")) keepUp(); });

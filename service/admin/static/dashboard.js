// What every page does: times in the reader's zone, forms, dialogs, menus, failures told. No inline code anywhere:
// the content security policy forbids it.
"use strict";

const momentFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
// Of a line in a log: to the second, the day only where it is not today.
const clockFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function formatOf(element, moment) {
  if (element.dataset.clock === undefined) return momentFormat;
  return moment.toDateString() === new Date().toDateString() ? clockFormat : dayFormat;
}

function localiseTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([title])")) { // the title says that it is done
    element.title = element.dateTime;
    const moment = new Date(element.dateTime);
    element.textContent = formatOf(element, moment).format(moment);
  }
}

function nameTimeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(new Date());
  const short = parts.find((part) => part.type === "timeZoneName").value;
  for (const element of document.querySelectorAll("[data-time-zone]")) element.textContent = zone === short ? zone : `${zone} (${short})`;
}

// A form is sent once: its buttons rest until the answer is there, or the reader comes back to the page.
function restForm(form) {
  form.setAttribute("aria-busy", "true");
  for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = true;
}

function wakeForms() {
  for (const form of document.querySelectorAll("form[aria-busy]")) {
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button")) button.disabled = button.hasAttribute("data-off");
  }
}

document.addEventListener("submit", (event) => {
  if (event.target.method === "dialog") return;
  // After this turn: a button that is off already does not send its value.
  setTimeout(() => { if (!event.defaultPrevented) restForm(event.target); }, 0);
});
addEventListener("pageshow", (event) => { if (event.persisted) wakeForms(); });

// Confirmations: a button names its dialog; where a name must be typed, nothing else opens the way.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
});
document.addEventListener("input", (event) => {
  const expected = event.target.dataset?.mustEqual;
  if (expected === undefined) return;
  event.target.setCustomValidity(event.target.value.trim() === expected ? "" : `Type: ${expected}`);
});

function armConfirmations(root) {
  for (const input of root.querySelectorAll("[data-must-equal]")) input.setCustomValidity(`Type: ${input.dataset.mustEqual}`);
}

// Menus close by Escape and by a click elsewhere.
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.switcher[open], .actions details[open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.activeElement?.closest("details[open]");
  if (!menu || document.activeElement.closest("dialog")) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// A part of the page that could not be renewed is never passed over in silence.
function tellFailure(text) {
  const place = document.getElementById("failure");
  place.textContent = text;
  place.hidden = false;
}
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  tellFailure(status === 401 || status === 403
    ? "You are no longer signed in, or may not see this: reload the page."
    : `A part of this page could not be renewed (status ${status}): reload the page.`);
});

document.addEventListener("DOMContentLoaded", () => {
  localiseTimes(document);
  nameTimeZone();
  armConfirmations(document);
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
});
// At once, before the new part is painted: `htmx:load` comes later, and the times would flicker.
for (const swapped of ["htmx:afterSwap", "htmx:oobAfterSwap"]) document.addEventListener(swapped, () => localiseTimes(document));
document.addEventListener("htmx:load", (event) => {
  armConfirmations(event.target);
});

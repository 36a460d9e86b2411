// What a decision would cost, before it is taken. Without this script the server says the same afterwards.
"use strict";

const form = document.querySelector("form.decide");
const effect = form?.querySelector(".effect");

function picks() {
  return [...document.querySelectorAll('input[name="ids"]')];
}

function amount(value) {
  return `${new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(value).replace("-", "−")} ${form.dataset.currency}`;
}

function duration(hours) {
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

function bySource(chosen) {
  const counts = new Map();
  for (const box of chosen) counts.set(box.dataset.source, (counts.get(box.dataset.source) ?? 0) + 1);
  return [...counts].map(([source, count]) => `${count} × ${source}`).join(", ");
}

function budgetEffect(cost) {
  if (form.dataset.remaining === "") return "No budget was set.";
  const left = Number(form.dataset.remaining) - cost;
  if (left < 0) return `That is ${amount(-left)} more than the ${amount(Number(form.dataset.remaining))} that are left.`;
  return `${amount(left)} of the budget would be left.`;
}

function showEffect() {
  const chosen = picks().filter((box) => box.checked);
  const cost = chosen.reduce((sum, box) => sum + Number(box.dataset.cost), 0);
  const over = form.dataset.remaining !== "" && cost > Number(form.dataset.remaining);
  const hours = Math.max(0, ...chosen.map((box) => Number(box.dataset.hours)));
  const [approve, reject] = form.querySelectorAll("button[name=decision]");
  approve.disabled = chosen.length === 0 || over;
  reject.disabled = chosen.length === 0;
  approve.textContent = chosen.length ? `Approve ${chosen.length} for ${amount(cost)}` : "Approve the selected";
  reject.textContent = chosen.length ? `Reject ${chosen.length}` : "Reject the selected";
  effect.classList.toggle("over", over);
  if (!chosen.length) {
    effect.textContent = "Select designs to approve or reject them together: all, or none if one of them cannot be.";
    return;
  }
  effect.textContent = `${bySource(chosen)}: ${amount(cost)}, the last result after ${duration(hours)}. ${budgetEffect(cost)}`;
}

function showAll() {
  for (const all of document.querySelectorAll("input.all")) {
    const boxes = [...all.closest("table").querySelectorAll('input[name="ids"]')];
    const checked = boxes.filter((box) => box.checked).length;
    all.hidden = false;
    all.checked = checked === boxes.length;
    all.indeterminate = checked > 0 && checked < boxes.length;
  }
}

if (effect) {
  document.addEventListener("change", (event) => {
    if (event.target.classList.contains("all")) {
      for (const box of event.target.closest("table").querySelectorAll('input[name="ids"]')) box.checked = event.target.checked;
    }
    showAll();
    showEffect();
  });
  for (const button of form.querySelectorAll("button[name=decision]")) {
    button.addEventListener("click", () => { form.reason.required = button.value === "reject"; });
  }
  // Enter in the field of the reason must not approve anything.
  form.reason.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    form.querySelector("button[value=reject]").click();
  });
  addEventListener("pageshow", () => {
    showAll();
    showEffect();
  });
}

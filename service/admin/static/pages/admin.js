// Secrets that a click selects, and parts of a form of which there may be one more.
"use strict";
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-select]")) event.target.select();
});

for (const button of document.querySelectorAll("[data-another]")) {
  button.hidden = false; // without this script it could do nothing
  button.addEventListener("click", () => {
    const last = button.previousElementSibling;
    const next = last.cloneNode(true);
    for (const input of next.querySelectorAll("input, textarea")) input.value = "";
    last.after(next);
    next.querySelector("input, textarea").focus();
  });
}

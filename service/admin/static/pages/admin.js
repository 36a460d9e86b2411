// A click into a secret selects all of it.
"use strict";
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-select]")) event.target.select();
});

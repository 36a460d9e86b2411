// While a question is open, its part of the page is not renewed: the answer would be thrown away.
"use strict";
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.querySelector("dialog[open]")) event.preventDefault();
});

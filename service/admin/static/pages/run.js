// The log of a run keeps to its end while it grows, until the reader scrolls up; from there a button leads back.
"use strict";

(() => {
  const NEAR_PX = 24; // of the end
  const MOST_LINES = 3000; // what grew beyond is in the log all the same: the page is loaded anew for it
  const log = document.getElementById("run-log");
  const button = document.getElementById("to-newest");
  let follows = true;
  let anchor = null; // distance from the end while earlier lines come in above

  function toEnd() {
    log.scrollTop = log.scrollHeight;
  }

  function thin() {
    const lines = log.querySelectorAll(".line");
    for (let index = 0; index < lines.length - MOST_LINES; index += 1) lines[index].remove();
  }

  function look() {
    follows = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
    button.hidden = follows;
  }

  log.addEventListener("scroll", look);
  button.addEventListener("click", () => {
    toEnd();
    log.focus();
  });
  log.addEventListener("htmx:beforeSwap", (event) => {
    look(); // the browser may not have told yet that the reader scrolled
    if (event.target.matches(".earlier")) anchor = log.scrollHeight - log.scrollTop;
  });
  new MutationObserver(() => {
    if (anchor !== null) {
      log.scrollTop = log.scrollHeight - anchor;
      anchor = null;
    } else if (follows) {
      thin();
      toEnd();
    }
  }).observe(log, { childList: true });
  document.addEventListener("DOMContentLoaded", toEnd);
})();

// Files dropped or chosen go one by one to the API, each with its progress; without this script the form sends them all.
"use strict";

(() => {
  const form = document.getElementById("upload-form");
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const list = document.getElementById("sending");

  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("is-over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }

  function lineFor(file) {
    const line = document.createElement("li");
    const text = document.createElement("span");
    const bar = document.createElement("progress");
    text.textContent = file.name;
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Sending ${file.name}`);
    line.append(text, bar);
    list.append(line);
    return { text, bar };
  }

  function tell(parts, message, address) {
    parts.bar.remove();
    if (!address) {
      parts.text.textContent = message;
      parts.text.className = "error";
      return;
    }
    const link = document.createElement("a");
    link.href = address;
    link.textContent = message;
    parts.text.replaceChildren(link);
  }

  function answered(request, file) {
    let body = {};
    try { body = JSON.parse(request.responseText); } catch { /* a proxy's page: the status is told */ }
    if (request.status === 202) return [`${file.name}: sent, a worker reads it`, `/uploads/${body.id}`];
    const details = (body.errors ?? []).map((error) => error.message ?? error.detail).join("; ");
    return [`${file.name}: ${[body.detail ?? `status ${request.status}`, details, body.hint].filter(Boolean).join(" ")}`, ""];
  }

  function send(file, fields) {
    const parts = lineFor(file);
    const data = new FormData();
    data.append("file", file);
    data.append("campaign_id", form.dataset.campaign);
    for (const name of ["source", "split", "occupants"]) data.append(name, fields.get(name));
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", form.dataset.api);
      for (const [name, value] of Object.entries(JSON.parse(document.body.getAttribute("hx-headers") ?? "{}"))) request.setRequestHeader(name, value);
      request.setRequestHeader("accept", "application/json");
      request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) parts.bar.value = event.loaded / event.total; });
      request.addEventListener("load", () => { tell(parts, ...answered(request, file)); resolve(); });
      request.addEventListener("error", () => { tell(parts, `${file.name}: the connection was lost; send it again`, ""); resolve(); });
      request.send(data);
    });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const files = [...input.files];
    const fields = new FormData(form);
    const button = form.querySelector("button");
    button.disabled = true;
    for (const file of files) await send(file, fields);
    button.disabled = false;
    input.value = "";
  });
})();

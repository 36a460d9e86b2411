// Files dropped or chosen go one by one to the API, each with its progress; without this script the form sends them all.
"use strict";

(() => {
  const form = document.getElementById("upload-form");
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const list = document.getElementById("sending");

  const button = form.querySelector("button");
  const note = document.getElementById("chosen");
  const MIB = 2 ** 20;

  function tellChosen(problem = "") {
    const files = [...input.files].map((file) => `${file.name} (${(file.size / MIB).toLocaleString(undefined, { maximumFractionDigits: 2 })} MiB)`);
    const text = files.length ? `${files.length === 1 ? "1 file" : `${files.length} files`} to send: ${files.join(", ")}` : "";
    note.textContent = [problem, text].filter(Boolean).join(" ");
    note.classList.toggle("error", problem !== "");
    note.hidden = note.textContent === "";
  }

  // What was dropped, without folders, which a browser hands over as files that cannot be read.
  function dropped(transfer) {
    const items = [...transfer.items].filter((item) => item.kind === "file");
    const isFolder = (item) => item.webkitGetAsEntry()?.isDirectory === true;
    const files = new DataTransfer();
    for (const item of items.filter((one) => !isFolder(one))) files.items.add(item.getAsFile());
    if (!items.length) return { files, problem: "That was no file: drop the files of a test." };
    const folders = items.length - files.files.length;
    return { files, problem: folders ? "A folder cannot be sent: pack it as a zip, or drop the files in it." : "" };
  }

  function take(transfer) {
    if (button.disabled) return tellChosen("Files are being sent: drop more when they are done.");
    const { files, problem } = dropped(transfer);
    if (files.files.length) input.files = files.files;
    return tellChosen(problem);
  }

  drop.addEventListener("dragover", () => drop.classList.add("is-over"));
  drop.addEventListener("dragleave", (event) => { if (!drop.contains(event.relatedTarget)) drop.classList.remove("is-over"); });
  // Anywhere on the page: a file that misses the place would be opened instead of the page, and what was typed be lost.
  const isOurs = (event) => drop.contains(event.target) || event.dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = drop.contains(event.target) ? "copy" : "none";
  });
  document.addEventListener("drop", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    drop.classList.remove("is-over");
    if (drop.contains(event.target)) take(event.dataTransfer);
  });
  input.addEventListener("change", () => tellChosen());

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
    for (const name of ["source", "split", "occupants", "units", "initial_speed_kmh"]) if (fields.get(name)) data.append(name, fields.get(name));
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

  function isTooLarge(file) {
    const most = Number(form.dataset.mostMib);
    if (file.size <= most * MIB) return false;
    tell(lineFor(file), `${file.name} is larger than ${most} MiB: send a part of it, or the curves that are needed`, "");
    return true;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const files = [...input.files];
    const fields = new FormData(form);
    button.disabled = true;
    for (const file of files) if (!isTooLarge(file)) await send(file, fields);
    button.disabled = false;
    input.value = "";
    tellChosen();
  });
})();

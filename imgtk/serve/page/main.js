// Puts the page together: images on the left, the viewer in the middle, pipelines on the right.

import * as api from "./api.js";
import { bytes, element, find } from "./dom.js";
import { Editor } from "./editor.js";
import { Queue } from "./queue.js";
import "./viewer.js";

const KEY = "imgtk-settings";
const saved = JSON.parse(localStorage.getItem(KEY) ?? "{}");
const viewer = find("imgtk-viewer");
let chosen = null;

const queue = new Queue(find("#queue"), (item) => item === chosen && show(item), show);
const editor = new Editor(saved.texts?.length ? saved.texts.slice(0, 4) : [""], () => ({
  size: chosen?.size ?? [1920, 1080],
  name: chosen?.file.name,
  files: queue.items.filter((item) => item !== chosen).map((item) => item.file.name),
}));

function show(item) {
  const other = item !== chosen;
  chosen = item;
  for (const one of queue.items) one.row.classList.toggle("chosen", one === item);
  const images = item?.images() ?? [];
  const key = JSON.stringify(images);
  if (key !== viewer.key) viewer.show(images);
  viewer.key = key;
  find("#info").replaceChildren(...(item ? [...item.runs].map(facts) : []));
  if (other) editor.replan();
}

function facts([letter, run]) {
  const result = run.job?.result;
  if (!result) return "";
  const [width, height] = result.size;
  const lines = [`${letter}: ${width} × ${height}, ${bytes(result.bytes)}`, ...result.notes, ...result.warnings];
  return element("ul", {}, ...lines.map((line) => element("li", {}, line)));
}

function add(files) {
  const images = [...files].filter((file) => file.type.startsWith("image/") || /\.(tiff?|jxl|jp2|avif|heic)$/i.test(file.name));
  const added = queue.add(images);
  const left = files.length - images.length;
  find("#status").textContent = left ? `${left} files are no images and were left out.` : "";
  if (added.length) show(added[0]);
}

/** The files that were dropped, also those in folders. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) files.push(await new Promise((done, fail) => entry.file(done, fail)));
    const reader = entry.isDirectory && entry.createReader();
    for (let some = [1]; reader && some.length; ) {
      some = await new Promise((done, fail) => reader.readEntries(done, fail));
      for (const one of some) await walk(one);
    }
  };
  for (const entry of entries) await walk(entry);
  return files;
}

function remember() {
  const settings = { texts: editor.texts, format: find("#format").value, quality: find("#quality").value };
  localStorage.setItem(KEY, JSON.stringify({ ...settings, mode: viewer.dataset.mode }));
}

function listen() {
  find("#files").addEventListener("change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, async (event) => {
      event.preventDefault();
      document.body.classList.toggle("dragging", name === "dragover");
      if (name === "drop") add(await dropped(event.dataTransfer));
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => clipboardData.files.length && add([...clipboardData.files]));
  find("#run").addEventListener("click", run);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  for (const field of ["#format", "#quality"]) find(field).addEventListener("change", remember);
  viewer.addEventListener("mode", remember);
  editor.addEventListener("change", remember);
}

function run() {
  if (!queue.items.length) {
    find("#status").textContent = "There is no image yet: drop one, paste one, or choose a file.";
    find("#files").focus();
    return;
  }
  find("#status").textContent = "";
  queue.run(queue.items, editor.pipelines, { format: find("#format").value, quality: find("#quality").value });
}

async function begin() {
  const health = await api.get("/health");
  find("#text").readOnly = health.presets_only;
  for (;;) {
    try {
      const [presets, operators] = await Promise.all([api.get("/presets"), api.get("/operators")]);
      editor.offer(presets, operators);
      return;
    } catch (error) {
      if (error.members?.status !== 401) throw error;
      const dialog = find("#token-dialog");
      dialog.showModal();
      await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
      api.setToken(find("#token").value);
    }
  }
}

find("#format").value = saved.format ?? "";
find("#quality").value = saved.quality ?? "";
if (saved.mode) viewer.dataset.mode = saved.mode;
listen();
begin().catch((error) => (find("#status").textContent = error.message));

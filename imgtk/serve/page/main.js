// Puts the page together: images on the left, the viewer in the middle, pipelines on the right.

import * as api from "./api.js";
import { bytes, counted, duration, element, find } from "./dom.js";
import { Editor, LETTERS } from "./editor.js";
import { SHOWN_PIXELS } from "./item.js";
import { Queue } from "./queue.js";
import "./viewer.js";

const KEY = "imgtk-settings";
const saved = remembered();
const viewer = find("imgtk-viewer");
let chosen = null;
let planned;

const changed = (item) => item === chosen && show(item);
const queue = new Queue(find("#queue"), { changed, choose: show, finished });
const editor = new Editor(saved.texts, () => ({
  size: chosen?.size,
  name: chosen?.file.name,
  files: queue.items.filter((item) => item !== chosen).map((item) => item.file.name),
  options: options(),
}));

/** The settings of the last visit, as far as there are any, and they are not damaged. */
function remembered() {
  let settings = {};
  try {
    settings = JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {}
  const texts = Array.isArray(settings.texts) ? settings.texts.filter((text) => typeof text === "string") : [];
  return { ...settings, texts: texts.length ? texts.slice(0, LETTERS.length) : [""] };
}

function options() {
  return { format: find("#format").value, quality: find("#quality").value };
}

function show(item) {
  const images = item?.images() ?? [];
  const key = JSON.stringify([images, item?.size]);
  const replan = item !== chosen || String(item?.size) !== String(planned);
  chosen = item;
  planned = item?.size;
  queue.mark(item);
  document.body.classList.toggle("empty", !item);
  if (key !== viewer.key) viewer.show(images);
  viewer.key = key;
  const lines = item ? [...item.runs].map(facts) : [];
  find("#info").replaceChildren(...lines.flat().map((line) => element("li", {}, line)));
  if (replan) editor.replan();
}

/** Lines about a result. */
function facts([letter, run]) {
  const result = run.job?.result;
  if (!result) return [];
  const [width, height] = result.size;
  const weights = editor.weights(run.text);
  const main = [`${width} × ${height}`, bytes(result.bytes), duration(result.seconds.compute ?? 0)];
  if (weights.length) main.push(`weights ${weights.join(", ")}`);
  const scaled = width * height > SHOWN_PIXELS ? ["Shown scaled; the download is not."] : [];
  return [`${letter}: ${main.join(", ")}`, ...result.notes, ...result.warnings, ...scaled];
}

/** Tell what has come of all runs, for those who do not see the list. */
function finished() {
  const states = queue.items.flatMap((item) => [...item.runs.values()].map((run) => run.state));
  const count = (state) => states.filter((one) => one === state).length;
  const parts = [counted(count("done"), "result")];
  if (count("failed")) parts.push(`${count("failed")} failed`);
  if (count("cancelled")) parts.push(`${count("cancelled")} stopped`);
  find("#status").textContent = parts.join(", ");
}

function add(files) {
  const images = [...files].filter((file) => file.type.startsWith("image/") || /\.(tiff?|jxl|jp2|avif|heic)$/i.test(file.name));
  const added = queue.add(images);
  const left = files.length - images.length;
  find("#status").textContent = left ? `${counted(left, "file is no image and was", "files are no images and were")} left out.` : "";
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
  localStorage.setItem(KEY, JSON.stringify({ texts: editor.texts, ...options(), mode: viewer.dataset.mode }));
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
  addEventListener("pagehide", () => queue.stop());
  for (const field of ["#format", "#quality"]) find(field).addEventListener("change", remember);
  viewer.addEventListener("mode", remember);
  editor.addEventListener("change", remember);
  editor.addEventListener("planned", () => chosen && show(chosen));
}

function run() {
  if (!queue.items.length) {
    find("#status").textContent = "There is no image yet: drop one, paste one, or choose a file.";
    find("#files").focus();
    return;
  }
  find("#status").textContent = "";
  queue.run(queue.items, editor.pipelines, options());
  if (matchMedia("(max-width: 60rem)").matches) find("#images").scrollIntoView();
}

async function begin() {
  const health = await api.get("/health");
  find("#text").readOnly = find("#stages").hidden = health.presets_only;
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

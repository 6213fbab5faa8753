// An image of the list, and its runs through pipelines.

import * as api from "./api.js";
import { element } from "./dom.js";

const SHOWN = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif"];
const ENDED = ["done", "failed", "cancelled"];

/** Images with more pixels are shown scaled, as the server does it with results. */
export const SHOWN_PIXELS = 8_000_000;

let looked = Promise.resolve(); // images are decoded one after the other: a folder of photos would fill the memory

async function scaled(bitmap) {
  const factor = Math.sqrt(SHOWN_PIXELS / (bitmap.width * bitmap.height));
  const canvas = new OffscreenCanvas(Math.floor(bitmap.width * factor), Math.floor(bitmap.height * factor));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob();
}

/** One image of the list, with a run for each pipeline. */
export class Item {
  runs = new Map();
  url = null;
  size = null;

  constructor(file, changed) {
    this.file = file;
    this.changed = changed;
    this.canvas = element("canvas", { width: 112, height: 112 });
    looked = looked.then(() => this.#look());
  }

  async #look() {
    try {
      if (!SHOWN.includes(this.file.type)) throw new Error("browsers do not show it");
      const bitmap = await createImageBitmap(this.file);
      const { width, height } = bitmap;
      const factor = 112 / Math.min(width, height);
      const [x, y] = [width, height].map((side) => (112 - side * factor) / 2);
      this.canvas.getContext("2d").drawImage(bitmap, x, y, width * factor, height * factor);
      this.url = URL.createObjectURL(width * height > SHOWN_PIXELS ? await scaled(bitmap) : this.file);
      this.size = [width, height];
      bitmap.close();
    } catch {
      this.size = null; // the server may know the format
    }
    this.changed(this);
  }

  /** What the viewer shows: the original and the results. */
  images() {
    const results = [...this.runs].filter(([, run]) => run.url);
    const shown = results.map(([letter, run]) => {
      return { label: `${letter}: ${run.text}`, url: run.url, size: run.job.result.size };
    });
    return this.url ? [{ label: "Original", url: this.url, size: this.size }, ...shown] : shown;
  }

  forget() {
    for (const run of this.runs.values()) run.end();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

/** One image in one pipeline. */
export class Run {
  job = null;
  url = null;
  error = null;
  wanted = true;
  #sending = new AbortController();

  constructor(item, text, options, others) {
    Object.assign(this, { item, text, options, others });
  }

  get state() {
    if (this.error) return "failed";
    if (!this.wanted && (!this.job || this.job.state === "done")) return "cancelled"; // the server has forgotten it
    return this.job?.state ?? "sending";
  }

  get ended() {
    return ENDED.includes(this.state);
  }

  async start() {
    if (!this.wanted) return;
    try {
      this.job = await api.submit(this.#form(), this.#sending.signal);
      if (!this.wanted) api.cancel(this.job.id).catch(() => {});
      await api.follow(this.job.id, (job) => {
        this.job = job;
        this.item.changed(this.item);
      });
      if (this.job.state === "failed") throw new api.Problem(this.job.problem);
      if (this.job.state === "done" && this.wanted) await this.#fetch();
    } catch (error) {
      if (this.wanted) this.error = error;
    }
    this.item.changed(this.item);
  }

  #form() {
    const form = new FormData();
    form.set("pipeline", this.text);
    for (const [name, value] of Object.entries(this.options)) if (value) form.set(name, value);
    form.set("image", this.item.file);
    for (const other of this.others) form.set(`other-${other.file.name}`, other.file);
    return form;
  }

  async #fetch() {
    const { id, result } = this.job;
    this.url = await api.image(id, result.shown ? "result" : "preview?of=result");
    if (!this.item.url) {
      this.item.url = await api.image(id, "preview?of=image");
      this.item.size = this.job.image.size;
    }
  }

  async stop() {
    this.wanted = false;
    this.#sending.abort();
    this.item.changed(this.item);
    if (this.job && !this.ended) await api.cancel(this.job.id).catch(() => {}); // what comes of it is an event
  }

  async download() {
    const url = this.job.result.shown ? this.url : await api.image(this.job.id, "result");
    const link = element("a", { href: url, download: this.job.result.name });
    document.body.append(link);
    link.click();
    link.remove();
  }

  /** Stop it, and have the server forget it. */
  end() {
    this.wanted = false;
    this.#sending.abort();
    if (this.job) api.cancel(this.job.id).catch(() => {});
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

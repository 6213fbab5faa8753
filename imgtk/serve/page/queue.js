// The left column: the images, and what becomes of each.

import * as api from "./api.js";
import { duration, element } from "./dom.js";

const AT_ONCE = 4;
const SHOWN = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif"];
const ENDED = ["done", "failed", "cancelled"];

/** One image of the list, with a run for each pipeline. */
export class Item {
  runs = new Map();
  url = null;
  size = null;

  constructor(file, changed) {
    this.file = file;
    this.changed = changed;
    this.canvas = element("canvas", { width: 112, height: 112 });
    this.ready = this.#look();
  }

  async #look() {
    try {
      if (!SHOWN.includes(this.file.type)) throw new Error("browsers do not show it");
      const bitmap = await createImageBitmap(this.file);
      this.size = [bitmap.width, bitmap.height];
      this.url = URL.createObjectURL(this.file);
      const factor = 112 / Math.min(...this.size);
      const [width, height] = this.size.map((side) => side * factor);
      const context = this.canvas.getContext("2d");
      context.drawImage(bitmap, (112 - width) / 2, (112 - height) / 2, width, height);
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
class Run {
  job = null;
  url = null;
  error = null;
  wanted = true;

  constructor(item, text, options, others) {
    Object.assign(this, { item, text, options, others });
  }

  get state() {
    return this.error ? "failed" : (this.job?.state ?? (this.wanted ? "sending" : "cancelled"));
  }

  get ended() {
    return ENDED.includes(this.state);
  }

  async start() {
    if (!this.wanted) return;
    try {
      this.job = await api.submit(this.#form(), () => this.wanted);
      if (!this.wanted) api.cancel(this.job.id);
      await api.follow(this.job.id, (job) => {
        this.job = job;
        this.item.changed(this.item);
      });
      if (this.job.state === "failed") throw new api.Problem(this.job.problem);
      if (this.job.state === "done") await this.#fetch();
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
    if (this.job && !this.ended) this.job = await api.cancel(this.job.id).catch(() => this.job);
    this.item.changed(this.item);
  }

  async download() {
    const url = this.job.result.shown ? this.url : await api.image(this.job.id, "result");
    const link = element("a", { href: url, download: this.job.result.name });
    document.body.append(link);
    link.click();
    link.remove();
  }

  end() {
    this.wanted = false;
    if (this.job) api.cancel(this.job.id).catch(() => {});
    if (this.url) URL.revokeObjectURL(this.url);
  }

  /** State in words. */
  told() {
    const job = this.job;
    if (this.error) return this.error.message;
    if (this.state === "queued") return job.position ? `waits for ${job.position} others` : "waits";
    if (this.state === "running" && job.seconds_left !== null) return `${duration(job.seconds_left)} left`;
    if (this.state === "done") return `done in ${duration(job.result.seconds.compute ?? 0)}`;
    return { sending: "is sent", running: "runs", cancelling: "is stopping", cancelled: "stopped" }[this.state];
  }
}

/** The list. `changed` is called with an item whenever something about it changes. */
export class Queue {
  items = [];
  #waiting = [];
  #working = 0;

  constructor(list, changed, choose) {
    this.list = list;
    this.choose = choose;
    this.changed = (item) => {
      this.#render(item);
      changed(item);
    };
  }

  add(files) {
    const added = [...files].map((file) => new Item(file, this.changed));
    this.items.push(...added);
    for (const item of added) {
      item.row = element("li");
      this.list.append(item.row);
      this.#render(item);
    }
    return added;
  }

  remove(item) {
    item.forget();
    item.row.remove();
    this.items = this.items.filter((other) => other !== item);
    this.choose(this.items[0] ?? null);
  }

  /** Send items through pipelines: [[letter, text]]. Results of the same pipeline are kept. */
  run(items, pipelines, options) {
    for (const item of items) {
      for (const [letter, run] of item.runs) {
        if (!pipelines.some(([other]) => other === letter)) {
          run.end();
          item.runs.delete(letter);
        }
      }
      for (const [letter, text] of pipelines) {
        const old = item.runs.get(letter);
        const same = old?.text === text && JSON.stringify(old.options) === JSON.stringify(options);
        if (same && ["done", "running", "queued", "sending"].includes(old.state)) continue;
        old?.end();
        const others = this.items.filter((other) => other !== item && text.includes(other.file.name));
        const run = new Run(item, text, options, others);
        item.runs.set(letter, run);
        this.#waiting.push(run);
      }
      this.changed(item);
    }
    this.#next();
  }

  #next() {
    while (this.#working < AT_ONCE && this.#waiting.length) {
      this.#working += 1;
      this.#waiting.shift().start().finally(() => {
        this.#working -= 1;
        this.#next();
      });
    }
  }

  #render(item) {
    if (!item.row) return;
    const { name } = item.file;
    const size = item.size ? `${item.size.join(" × ")}` : "";
    const focused = item.row.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const rows = [...item.runs].map(([letter, run]) => this.#job(letter, run, name));
    const pick = { type: "button", className: "thumb", "aria-label": `Show ${name}`, onclick: () => this.choose(item) };
    const remove = { type: "button", "aria-label": `Remove ${name}`, onclick: () => this.remove(item) };
    item.row.replaceChildren(
      element("button", { ...pick, dataset: { key: "thumb" } }, item.canvas),
      element("div", { className: "name", title: name }, name),
      element("div", { className: "row soft" }, size, element("button", { ...remove, dataset: { key: "x" } }, "Remove")),
      element("div", { className: "jobs" }, ...rows),
    );
    if (focused) item.row.querySelector(`[data-key="${focused}"]`)?.focus();
  }

  #job(letter, run, name) {
    const state = { failed: "bad", done: "good" }[run.state] ?? "soft";
    const act = run.state === "done" ? () => run.download() : () => run.stop();
    const word = run.state === "done" ? "Download" : "Stop";
    const key = `${word} ${letter}`;
    const button = { type: "button", dataset: { key }, "aria-label": `${word} ${letter} of ${name}`, onclick: act };
    const { share = 0 } = run.job?.progress ?? {};
    const running = run.state === "running" || run.state === "cancelling";
    const bar = element("progress", { max: 1, "aria-label": `Progress of ${letter} of ${name}` });
    if (share) bar.value = share;
    return element(
      "div",
      { className: "job", dataset: { state: run.state } },
      element("span", { className: "letter" }, letter),
      element("span", { className: state }, run.told()),
      run.state === "done" || !run.ended ? element("button", button, word) : null,
      running ? bar : null,
    );
  }
}

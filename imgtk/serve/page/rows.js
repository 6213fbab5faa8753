// Rows of the list of images. They are made once and then updated: an element that is replaced while a button of it is
// held down loses the press.

import { duration, element } from "./dom.js";

const WORDS = { sending: "is sent", running: "runs", cancelling: "is stopping", cancelled: "stopped" };

/** The state of a run in words. */
function told({ job, error, state }) {
  if (error) return error.message;
  if (state === "queued") return job.position ? `waits for ${job.position} more` : "waits";
  if (state === "running" && job.seconds_left !== null) return `${duration(job.seconds_left)} left`;
  if (state === "done") return `done in ${duration(job.result.seconds.compute ?? 0)}`;
  return WORDS[state];
}

/** One pipeline of an image: its letter, its state, and a button to stop it or to download the result. */
class JobRow {
  #text = element("span");
  #button = element("button", { type: "button" });
  #bar;

  constructor(letter, name) {
    this.letter = letter;
    this.name = name;
    this.#bar = element("progress", { max: 1, "aria-label": `Progress of ${letter} of ${name}` });
    const shown = element("span", { className: "letter" }, letter);
    this.element = element("div", { className: "job" }, shown, this.#text, this.#button, this.#bar);
  }

  update(run) {
    const { state } = run;
    const done = state === "done";
    const word = done ? "Download" : "Stop";
    this.element.dataset.state = state;
    this.#text.className = { failed: "bad", done: "good" }[state] ?? "soft";
    this.#text.textContent = told(run);
    this.#button.onclick = () => (done ? run.download() : run.stop());
    this.#button.textContent = word;
    this.#button.setAttribute("aria-label", `${word} ${this.letter} of ${this.name}`);
    this.#button.hidden = !done && run.ended;
    const share = run.job?.progress.share;
    this.#bar.hidden = !["running", "cancelling"].includes(state);
    if (share) this.#bar.value = share;
    else this.#bar.removeAttribute("value");
  }
}

/** One image: thumbnail, name, size, and a row for each pipeline. */
export class ItemRow {
  #rows = new Map();
  #size = element("span");
  #jobs = element("div", { className: "jobs" });

  constructor(item, choose, remove) {
    const { name } = item.file;
    this.item = item;
    this.show = element("button", { type: "button", className: "thumb", "aria-label": `Show ${name}`, onclick: choose }, item.canvas);
    this.element = element(
      "li",
      {},
      this.show,
      element("div", { className: "name", title: name }, name),
      element(
        "div",
        { className: "row soft" },
        this.#size,
        element("button", { type: "button", "aria-label": `Remove ${name}`, onclick: remove }, "Remove"),
      ),
      this.#jobs,
    );
  }

  set chosen(chosen) {
    this.element.classList.toggle("chosen", chosen);
    this.show.setAttribute("aria-pressed", chosen);
  }

  update() {
    const { item } = this;
    const held = this.element.contains(document.activeElement);
    this.#size.textContent = item.size ? item.size.join(" × ") : "";
    for (const [letter, row] of this.#rows) {
      if (item.runs.has(letter)) continue;
      row.element.remove();
      this.#rows.delete(letter);
    }
    for (const [letter, run] of item.runs) {
      if (!this.#rows.has(letter)) {
        const row = new JobRow(letter, item.file.name);
        this.#rows.set(letter, row);
        this.#jobs.append(row.element);
      }
      this.#rows.get(letter).update(run);
    }
    if (held && !this.element.contains(document.activeElement)) this.show.focus();
  }
}

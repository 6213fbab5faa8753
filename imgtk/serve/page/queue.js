// The left column: the images, and what becomes of each.

import { Item, Run } from "./item.js";
import { ItemRow } from "./rows.js";

const AT_ONCE = 4;
const KEPT = ["done", "running", "queued", "sending"];

/** The list. Tells of: an item that has `changed`, one to `choose`, and that all runs are `finished`. */
export class Queue {
  items = [];
  #rows = new Map();
  #waiting = [];
  #working = 0;

  constructor(list, { changed, choose, finished }) {
    this.list = list;
    this.choose = choose;
    this.finished = finished;
    this.changed = (item) => {
      this.#rows.get(item)?.update();
      changed(item);
    };
  }

  add(files) {
    const added = [...files].map((file) => new Item(file, this.changed));
    this.items.push(...added);
    for (const item of added) {
      const row = new ItemRow(item, () => this.choose(item), () => this.remove(item));
      this.#rows.set(item, row);
      this.list.append(row.element);
      row.update();
    }
    return added;
  }

  /** Mark an item as the one that is shown. */
  mark(item) {
    for (const [other, row] of this.#rows) row.chosen = other === item;
  }

  /** Remove an item. The next one is shown, and has the focus. */
  remove(item) {
    const place = this.items.indexOf(item);
    item.forget();
    this.#rows.get(item).element.remove();
    this.#rows.delete(item);
    this.items.splice(place, 1);
    const next = this.items[Math.min(place, this.items.length - 1)] ?? null;
    this.choose(next);
    if (next) this.#rows.get(next).show.focus();
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
        if (same && KEPT.includes(old.state)) continue;
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

  /** Stop what is not finished: the page goes. */
  stop() {
    for (const item of this.items) for (const run of item.runs.values()) if (!run.ended) run.end();
  }

  #next() {
    while (this.#working < AT_ONCE && this.#waiting.length) {
      this.#working += 1;
      this.#waiting.shift().start().finally(() => {
        this.#working -= 1;
        this.#next();
        if (!this.#working) this.finished();
      });
    }
  }
}

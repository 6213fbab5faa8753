// The right column: up to four pipelines, each as text and as cards in step, planned while you type.

import * as api from "./api.js";
import { cards, refill } from "./cards.js";
import { bytes, duration, element, find } from "./dom.js";
import { COPIES, textOf } from "./text.js";

export const LETTERS = ["A", "B", "C", "D"];
const EXAMPLE = [1920, 1080];

const names = (chain) => chain?.map((stage) => stage.op);

export class Editor extends EventTarget {
  texts;
  #active = 0;
  #operators = new Map();
  #planning = new AbortController();
  #timer = 0;
  #chain = null;
  #weights = new Map();
  #context;

  /** `context` tells the name and size of the chosen image, if there is one, the names of all others, and the options
   * that results are written with. */
  constructor(texts, context) {
    super();
    this.texts = texts;
    this.#context = context;
    find("#text").addEventListener("input", () => this.#typed(find("#text").value));
    find("#presets").addEventListener("change", ({ target }) => target.value && this.#write(target.value));
    find("#add").addEventListener("change", ({ target }) => this.#add(target));
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => this.#copy(button));
    }
    this.#showTabs();
  }

  /** Fill in what the server offers. */
  offer(presets, operators) {
    find("#presets").append(...presets.map((preset) => new Option(preset.summary || preset.name, preset.pipeline)));
    this.#operators = new Map(operators.map((operator) => [operator.name, operator]));
    const tasks = Map.groupBy ? Map.groupBy(operators, (one) => one.name.split(":")[0]) : new Map([["all", operators]]);
    for (const [task, members] of tasks) {
      const options = members.map((one) => new Option(`${one.name}: ${one.summary}`, one.name));
      find("#add").append(element("optgroup", { label: task }, ...options));
    }
    if (!this.texts[0]) this.texts[0] = presets[0]?.pipeline ?? operators[0]?.name ?? "";
    this.#choose(0);
  }

  /** Names of the weights that a pipeline uses, as far as it has been planned. */
  weights(text) {
    return this.#weights.get(text) ?? [];
  }

  /** The pipelines that are not empty, with their letters. */
  get pipelines() {
    return this.texts.map((text, index) => [LETTERS[index], text.trim()]).filter(([, text]) => text);
  }

  #showTabs() {
    const buttons = this.texts.map((text, index) =>
      element(
        "button",
        { type: "button", "aria-pressed": index === this.#active, title: text, onclick: () => this.#choose(index) },
        LETTERS[index],
      ),
    );
    const more = { type: "button", disabled: this.texts.length === LETTERS.length, onclick: () => this.#more() };
    const less = { type: "button", hidden: this.texts.length === 1, onclick: () => this.#less() };
    const letter = LETTERS[this.#active];
    find("#tabs").replaceChildren(
      ...buttons,
      element("button", more, "Compare with another"),
      element("button", less, `Remove ${letter}`),
    );
  }

  #more() {
    this.texts.push(this.texts[this.#active]);
    this.#choose(this.texts.length - 1);
    find("#text").focus();
  }

  #less() {
    this.texts.splice(this.#active, 1);
    this.#choose(Math.min(this.#active, this.texts.length - 1));
  }

  #choose(index) {
    this.#active = index;
    find("#presets").value = "";
    this.#write(this.texts[index]);
  }

  #write(text) {
    find("#text").value = text;
    this.#typed(text, 0);
  }

  #typed(text, delay = 250) {
    this.texts[this.#active] = text;
    this.#showTabs();
    this.dispatchEvent(new Event("change"));
    this.replan(delay);
  }

  /** Ask for a plan, soon. */
  replan(delay = 0) {
    find("#plan").setAttribute("aria-busy", true);
    this.#planning.abort();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#plan(), delay);
  }

  async #plan() {
    const { signal } = (this.#planning = new AbortController());
    const { size } = this.#context();
    try {
      const told = await this.#ask(find("#text").value, signal);
      this.#showError(null);
      this.#showPlan(told.plan, size);
      this.#showCards(told.chain);
    } catch (error) {
      if (signal.aborted) return; // a newer plan is on its way
      if (error.members?.retry) return this.replan(1000 * error.members.retry);
      this.#showError(error);
      find("#plan").textContent = "";
    }
    find("#plan").setAttribute("aria-busy", false);
    await this.#learn(signal);
  }

  /** Plan the pipelines that have not been shown yet, for the names of their weights. */
  async #learn(signal) {
    for (const [, text] of this.pipelines) {
      if (signal.aborted || this.#weights.has(text)) continue;
      await this.#ask(text, signal).catch(({ members }) => members?.status === 422 && this.#weights.set(text, []));
    }
    this.dispatchEvent(new Event("planned"));
  }

  /** The plan of a pipeline for the chosen image. */
  async #ask(text, signal) {
    const { size, files } = this.#context();
    const needed = files.filter((name) => text.includes(name));
    const told = await api.plan(text, size ?? EXAMPLE, needed, signal);
    const used = told.plan?.stages.filter((stage) => this.#operators.get(stage.op)?.weights.length) ?? [];
    this.#weights.set(text.trim(), used.map((stage) => stage.weights.split(",")[0]));
    return told;
  }

  #showError(error) {
    const shown = find("#error");
    shown.hidden = !error;
    find("#text").setAttribute("aria-invalid", Boolean(error));
    const { caret, hint } = error?.members ?? {};
    shown.textContent = error ? [caret, error.message, hint].filter(Boolean).join("\n") : "";
  }

  #showPlan(plan, known) {
    if (!plan) {
      find("#plan").textContent = "It reads other images of the list; there is no plan for that.";
      return;
    }
    const size = `${known ? "" : "For example, "}${plan.input.join(" × ")} → ${plan.output.join(" × ")}`;
    const time = plan.seconds ? `, about ${duration(plan.seconds)}` : "";
    const memory = plan.peak_bytes ? `, ${bytes(plan.peak_bytes)} of memory` : "";
    find("#plan").textContent = size + time + memory;
  }

  #showCards(chain) {
    find("#branches").hidden = chain !== null;
    find("#add").disabled = chain === null;
    const same = JSON.stringify(names(chain)) === JSON.stringify(names(this.#chain));
    this.#chain = chain;
    if (same) return refill(find("#cards"), chain ?? []);
    const focused = find("#cards").contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const changed = (change, focus) => this.#changed(change, focus);
    find("#cards").replaceChildren(...cards(chain ?? [], this.#operators, changed));
    if (focused) this.#focus(focused);
  }

  /** Take a change that is made in the cards. */
  #changed(change, focus) {
    const chain = structuredClone(this.#chain);
    change(chain);
    this.#showCards(chain);
    if (focus) this.#focus(focus);
    this.#write(textOf(chain));
  }

  #focus(key) {
    (document.querySelector(`#cards [data-key="${key}"]`) ?? find("#add")).focus();
  }

  #add(select) {
    const text = find("#text").value.trim();
    if (select.value) this.#write(text ? `${text} | ${select.value}` : select.value);
    select.value = "";
  }

  async #copy(button) {
    const { name = "in.jpg", files, options } = this.#context();
    const pipeline = find("#text").value.trim();
    const text = COPIES[button.dataset.copy](pipeline, name, options, files.filter((other) => pipeline.includes(other)));
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    find("#status").textContent = copied ? `Copied: ${text}` : text;
  }
}

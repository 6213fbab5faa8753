// The stages of a pipeline as cards: a form for each, made from the JSON Schema of its operator's parameters.

import { element } from "./dom.js";

/** Cards of a chain. `changed` is called with a function that changes a chain, and the name of the control that then has
 * the focus: controls are named by their place in the chain (`data-key`). */
export function cards(chain, operators, changed) {
  return chain.map((stage, index) => card(stage, index, chain.length, operators.get(stage.op), changed));
}

/** Show the values of a chain of the same operators in cards that are there. The field that has the focus is left alone:
 * somebody may be typing in it. */
export function refill(list, chain) {
  for (const [index, { params }] of chain.entries()) {
    for (const control of list.children[index].querySelectorAll("input, select")) {
      if (control !== document.activeElement) control.value = params[control.name] ?? "";
    }
  }
}

function card(stage, index, count, operator, changed) {
  const button = (label, text, disabled, change, focus) =>
    element(
      "button",
      {
        type: "button",
        disabled,
        dataset: { key: `${index} ${text}` },
        "aria-label": `${label} ${stage.op}`,
        onclick: () => changed(change, focus),
      },
      text,
    );
  const swap = (other) => (chain) => ([chain[index], chain[other]] = [chain[other], chain[index]]);
  const head = element(
    "div",
    { className: "head" },
    element("strong", { title: operator?.summary ?? "" }, stage.op),
    button("Earlier:", "↑", index === 0, swap(index - 1), `${index - 1} ${index === 1 ? "↓" : "↑"}`),
    button("Later:", "↓", index === count - 1, swap(index + 1), `${index + 1} ${index === count - 2 ? "↑" : "↓"}`),
    button("Remove", "×", false, (chain) => chain.splice(index, 1), `${Math.max(0, index - 1)} ×`),
  );
  const own = (operator?.parameters ?? []).filter(({ schema }) => schema.format !== "image"); // branches: in the text only
  const fields = own.map((parameter) => field(parameter, stage, index, changed));
  return element("li", {}, head, ...fields);
}

function field(parameter, stage, index, changed) {
  const { name, schema } = parameter;
  const set = (value) =>
    changed((chain) => {
      if (value === "") delete chain[index].params[name];
      else chain[index].params[name] = value;
    });
  const id = `parameter-${index}-${name}`;
  const { words, ...plain } = simple(schema);
  const input = control(parameter, plain, words, stage.params[name] ?? "", set);
  Object.assign(input, { id, name, title: parameter.help });
  input.dataset.key = `${index} ${name}`;
  const label = element("label", { for: id, title: parameter.help }, name);
  if (!words.length || input.localName === "select") return element("div", { className: "field" }, label, input);
  input.setAttribute("list", `${id}-words`);
  const offered = element("datalist", { id: `${id}-words` }, ...words.map((word) => new Option(word)));
  return element("div", { className: "field" }, label, input, offered);
}

/** A schema apart from the words that may stand for a value: "auto" of {anyOf: [{const: "auto"}, {type: "number"}]}. */
function simple(schema) {
  const [words, others] = [[], []];
  for (const one of schema.anyOf ?? [schema]) "const" in one ? words.push(String(one.const)) : others.push(one);
  return { ...(others.length === 1 ? others[0] : {}), words };
}

function control(parameter, schema, words, value, set) {
  const usual = parameter.default ?? "";
  const options = schema.type === "boolean" ? ["yes", "no"] : schema.enum;
  if (options) {
    const select = element(
      "select",
      { onchange: () => set(select.value) },
      new Option(usual ? `${usual} (default)` : "–", ""),
      ...[...words, ...options].map((option) => new Option(option, option)),
    );
    select.value = value;
    return select;
  }
  const input = element("input", { placeholder: usual || parameter.takes, onchange: () => set(input.value.trim()) });
  if (["number", "integer"].includes(schema.type) && !words.length) {
    Object.assign(input, { type: "number", step: schema.type === "integer" ? 1 : "any" });
    if ("minimum" in schema) input.min = schema.minimum;
    if ("maximum" in schema) input.max = schema.maximum;
  }
  input.value = value;
  return input;
}

// The stages of a pipeline as cards: a form for each, made from the JSON Schema of its operator's parameters.

import { element } from "./dom.js";

let ids = 0;

/** Cards of a chain. `onChange` is called with the changed chain. */
export function cards(chain, operators, onChange) {
  const changed = (change) => {
    const copy = structuredClone(chain);
    change(copy);
    onChange(copy);
  };
  return chain.map((stage, index) => card(stage, index, chain.length, operators.get(stage.op), changed));
}

function card(stage, index, count, operator, changed) {
  const button = (label, text, disabled, change) =>
    element("button", { type: "button", disabled, "aria-label": `${label} ${stage.op}`, onclick: () => changed(change) }, text);
  const swap = (other) => (chain) => ([chain[index], chain[other]] = [chain[other], chain[index]]);
  const head = element(
    "div",
    { className: "head" },
    element("strong", { title: operator?.summary ?? "" }, stage.op),
    button("Earlier:", "↑", index === 0, swap(index - 1)),
    button("Later:", "↓", index === count - 1, swap(index + 1)),
    button("Remove", "×", false, (chain) => chain.splice(index, 1)),
  );
  const fields = (operator?.parameters ?? []).map((parameter) => field(parameter, stage, index, changed));
  return element("li", {}, head, ...fields);
}

function field(parameter, stage, index, changed) {
  const { name, schema } = parameter;
  const set = (value) =>
    changed((chain) => {
      if (value === "") delete chain[index].params[name];
      else chain[index].params[name] = value;
    });
  const id = `parameter-${++ids}`;
  const input = control(parameter, schema, stage.params[name] ?? "", set);
  input.id = id;
  input.title = parameter.help;
  return element("div", { className: "field" }, element("label", { for: id, title: parameter.help }, name), input);
}

function control(parameter, schema, value, set) {
  const usual = parameter.default ?? "";
  const options = schema.type === "boolean" ? ["yes", "no"] : schema.enum;
  if (options) {
    const select = element(
      "select",
      { onchange: () => set(select.value) },
      new Option(usual ? `${usual} (default)` : "–", ""),
      ...options.map((option) => new Option(option, option)),
    );
    select.value = value;
    return select;
  }
  const input = element("input", { value, placeholder: usual || parameter.takes, onchange: () => set(input.value.trim()) });
  if (schema.type === "number" || schema.type === "integer") {
    Object.assign(input, { type: "number", step: schema.type === "integer" ? 1 : "any" });
    if ("minimum" in schema) input.min = schema.minimum;
    if ("maximum" in schema) input.max = schema.maximum;
    input.value = value;
  }
  return input;
}

// Pipelines as text: made of stages, and quoted for shells and programs.

import { hasToken } from "./api.js";

const PLAIN = /^[^\s|;()'"@#=][^\s|;()'"]*$/;

function quote(word) {
  if (PLAIN.test(word) && word !== "as" && !/^[A-Za-z][A-Za-z0-9_-]*=/.test(word)) return word;
  return word.includes("'") ? `"${word.replaceAll('"', `"'"'"`)}"` : `'${word}'`;
}

/** The text of a chain of stages: [{op, params: {name: value}}]. */
export function textOf(chain) {
  return chain
    .map(({ op, params }) => [op, ...Object.entries(params).map(([name, value]) => `${name}=${quote(value)}`)].join(" "))
    .join(" | ");
}

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A file for curl, which takes names with commas and semicolons only in quotes of its own. */
const form = (key, name) => ` -F ${shell(`${key}=@${/[,;"\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name}`)}`;

const token = () => (hasToken() ? ` -H "Authorization: Bearer $IMGTK_TOKEN"` : "");

const result = (name, format) => name.replace(/(\.[^.]*)?$/, (suffix) => `.imgtk${format ? `.${format}` : suffix}`);

/** Ways to run a pipeline elsewhere: from its text, the image's name, options of the result, and names of more images. */
export const COPIES = {
  shell: (text, name, { format, quality }) =>
    `imgtk run ${shell(text)} ${shell(name)}${format && ` --format ${format}`}${quality && ` --quality ${quality}`}`,
  python: (text, name, { format, quality }) =>
    `from imgtk import Pipeline\n\nresult = Pipeline(${JSON.stringify(text)})(${JSON.stringify(name)})\n` +
    `result.save("out.${format || "png"}"${quality && `, quality=${quality}`})\n`,
  curl: (text, name, options, others) =>
    `curl${token()} -H 'Prefer: wait=300' -F ${shell(`pipeline=${text}`)}` +
    Object.entries(options).map(([key, value]) => value && ` -F ${key}=${value}`).join("") +
    `${form("image", name)}${others.map((other) => form(`other-${other}`, other)).join("")}` +
    ` ${location.origin}/api/v1/run -o ${shell(result(name, options.format))}`,
};

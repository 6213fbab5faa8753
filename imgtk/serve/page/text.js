// Pipelines as text: made of stages, and quoted for shells and programs.

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

export const COPIES = {
  shell: (text, name) => `imgtk run ${shell(text)} ${shell(name)}`,
  python: (text, name) =>
    `from imgtk import Pipeline\n\nPipeline(${JSON.stringify(text)})(${JSON.stringify(name)}).save("out.png")\n`,
  curl: (text, name) =>
    `curl -F pipeline=${shell(text)} -F image=@${shell(name)} -H 'Prefer: wait=300' ${location.origin}/api/v1/run -o out.png`,
};

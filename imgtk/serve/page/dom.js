// Making elements: element("button", { type: "button", onclick }, "Stop").

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "dataset") Object.assign(made.dataset, value);
    else if (key.startsWith("aria-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const find = (selector) => document.querySelector(selector);

/** Text of a duration in seconds: "40 ms", "0.4 s", "12 s", "3 min", with spaces at which no line breaks. */
export function duration(seconds) {
  if (seconds < 0.1) return `${Math.ceil(1000 * seconds)}\u00a0ms`;
  if (seconds < 10) return `${Number(seconds.toPrecision(2))}\u00a0s`;
  return seconds < 100 ? `${Math.round(seconds)}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`;
}

/** "1 image", "2 images". */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export function bytes(count) {
  if (count < 1e6) return `${Math.max(1, Math.round(count / 1e3))} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}

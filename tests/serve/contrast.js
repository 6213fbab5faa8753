// Contrast of all that is visible on the page, after WCAG 2.2 (1.4.3, 1.4.11): [what, ratio, least] of what has too little.

const parse = (text) => {
  const found = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
  const scale = text.startsWith("color(") ? 255 : 1;
  return [...found.slice(0, 3).map((one) => one * scale), found[3] ?? 1];
};
const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
const linear = (one) => (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ratio = (x, y) => {
  const [low, high] = [luminance(x), luminance(y)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

/** What lies behind an element; images are taken for white ones, the worst below the viewer's white labels. */
function behind(element) {
  if (!element) return [255, 255, 255, 1];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, element.matches(".pane") ? [255, 255, 255, 1] : behind(element.parentElement));
}

for (const animation of document.getAnimations()) animation.finish(); // of borders, when the scheme has just changed

const poor = [];
const check = (what, colour, background, least) => {
  const found = ratio(over(parse(colour), background), background);
  if (found < least) poor.push([what, found.toFixed(2), least]);
};
for (const element of document.querySelectorAll("body, body *")) {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.matches(":disabled, option, script, style, [type=file]")) continue;
  const style = getComputedStyle(element);
  const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const name = `${element.localName} ${element.id || element.className} ${element.textContent.trim().slice(0, 30)}`;
  if (text || element.matches("input, textarea, select")) check(name, style.color, behind(element), 4.5);
  if (element.placeholder) check(`placeholder of ${name}`, getComputedStyle(element, "::placeholder").color, behind(element), 4.5);
  if (element.matches("input:not([type=range]), textarea, select, button:not(.thumb)")) {
    const around = behind(element.parentElement);
    const fill = ratio(behind(element), around);
    if (fill < 3) check(`border of ${name}`, style.borderTopColor, around, 3);
  }
}
const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent");
const probe = document.body.appendChild(document.createElement("i"));
probe.style.color = accent;
for (const element of document.querySelectorAll("body, section, .pane")) {
  if (element.checkVisibility()) check(`focus in ${element.localName}`, getComputedStyle(probe).color, behind(element), 3);
}
probe.remove();
return poor;

// The optimizers' colours, as the library's figures have them, on light and on dark paper.

const dark = matchMedia("(prefers-color-scheme: dark)");

let known;
dark.addEventListener("change", () => (known = undefined));

/** The colours of the page at this moment. */
export function inks() {
  if (known) return known;
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  known = { ink: of("--ink"), quiet: of("--ink-soft"), line: of("--line"), paper: of("--paper") };
  return known;
}

/** An optimizer's colour: the charts' own, which is a colour or the theme's word for one. */
export const readable = (colour) => inks()[colour] ?? colour;

/** Of a contour line: the lower its loss, the more it stands out. */
export function contourColour(share) {
  const [low, high] = dark.matches ? [[62, 118, 164], [44, 52, 62]] : [[122, 173, 216], [222, 226, 231]];
  return `rgb(${low.map((a, i) => Math.round(a + (high[i] - a) * Math.sqrt(share))).join(" ")})`;
}

/** A canvas that fits its element at the screen's own pixels; gives its context in px of the page. */
export function fitted(canvas, width, height) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

/** Round numbers between two, about `count` of them. */
export function ticks(from, to, count) {
  const raw = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= raw);
  const made = [];
  for (let value = Math.ceil(from / step) * step; value <= to + step * 1e-9; value += step) made.push(Number(value.toPrecision(12)));
  return made;
}

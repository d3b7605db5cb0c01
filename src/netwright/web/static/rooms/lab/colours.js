// The optimizers' colours, as the library's figures have them, on light and on dark paper.

const dark = matchMedia("(prefers-color-scheme: dark)");

/** The colours of the page at this moment. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--ink"), soft: of("--ink-soft"), line: of("--line"), paper: of("--paper"), accent: of("--accent") };
}

/** A colour that stands out from the paper: dark ones are lightened on dark paper. */
export function readable(colour) {
  if (!dark.matches) return colour;
  const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const light = (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
  const share = light < 0.05 ? 0.88 : light < 0.4 ? 0.45 : 0;
  return `rgb(${parts.map((part) => Math.round(part + (255 - part) * share)).join(" ")})`;
}

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

// Elements without innerHTML: text from files, pictures and classes is only ever text.

/** An element: make("button", { class: "x", onclick: f, "aria-label": "y" }, "text", other). */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Three significant digits with a prefix, as the library writes counts: 25.6 M. */
export function short(count, unit = "") {
  if (count == null) return "–";
  let value = count;
  for (const prefix of ["", "K", "M", "G", "T"]) {
    if (value < 999.5 || prefix === "T") {
      const digits = !prefix || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
      return `${value.toFixed(digits)} ${prefix}${unit}`.trim();
    }
    value /= 1000;
  }
}

let made = 0;
/** A name that no other element has. */
export const unique = (word) => `${word}-${++made}`;

/** A labelled control: the label stands above it; gives the wrapping element. */
export function labelled(text, control, note) {
  control.id ||= unique("control");
  const label = make("label", { for: control.id }, text);
  return make("div", { class: "field" }, label, control, note ?? null);
}

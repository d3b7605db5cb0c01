// The lab's controls: what the active panel is made of, which optimizers walk there, and how long.

import { labelled, make, unique } from "../../dom.js";
import { readable } from "./colours.js";
import { PANELS } from "./state.js";

const RANGES = {
  rotate: ["rotation (degrees)", -90, 90, 1],
  condition: ["condition number", 1, 300, 1],
  noise: ["gradient noise (deviation)", 0, 5, 0.05],
  batch: ["batch size (of 128)", 1, 128, 1],
  wide: ["wide basin's width", 0.4, 3, 0.05],
  narrow: ["narrow basin's width", 0.1, 1.2, 0.05],
};
const BY_TENTHS = new Set(["lr"]);

/** A slider with its value beside its name; `set(value)` is called while it moves. */
export function slider(text, [least, most, step], value, set) {
  const output = make("output", {}, `${value}`);
  const input = make("input", { type: "range", min: least, max: most, step, value, id: unique("slider"), "data-name": text });
  input.addEventListener("input", () => {
    output.textContent = input.value;
    set(Number(input.value));
  });
  output.setAttribute("for", input.id);
  return make("div", { class: "field" }, make("label", { for: input.id }, text, " ", output), input);
}

/** A field for one number or several with commas; `set` gets what is well-formed, what is not is marked. */
export function numbers(text, value, count, set, { tenths = false } = {}) {
  const shown = (values) => [values].flat().map((one) => Number(one.toPrecision(4))).join(", ");
  const input = make("input", { inputmode: "decimal", value: shown(value), autocomplete: "off", "aria-label": text, "data-name": text });
  const read = () => input.value.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const take = () => {
    const values = read();
    const good = values.length === count && values.every(Number.isFinite);
    input.setAttribute("aria-invalid", good ? "false" : "true");
    if (good) set(count === 1 ? values[0] : values);
  };
  input.addEventListener("input", take);
  input.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key], [value] = read();
    if (!tenths || !way || !(value > 0)) return;
    event.preventDefault();
    input.value = `${Number((value * 10 ** (way / 10)).toPrecision(2))}`;
    take();
  });
  return input;
}

export function landscapeCard(lab) {
  const { state, about } = lab, panel = state.panels[state.active];
  const place = about.landscapes.find((one) => one.name === panel.landscape);
  const choice = make("select", { "data-name": "landscape", onchange: () => lab.chooseLandscape(choice.value) });
  for (const { name } of about.landscapes) choice.append(make("option", { value: name, selected: name === panel.landscape }, name));
  const sliders = Object.entries(place.settings).map(([name, usual]) => {
    const [text, ...range] = RANGES[name];
    return slider(text, range, panel.values[name] ?? usual, (value) => lab.setValue(name, value));
  });
  const [text, ...range] = RANGES.noise;
  sliders.push(slider(text, range, panel.noise, (value) => lab.setNoise(value)));
  const start = numbers("Start: w1, w2", panel.start ?? panel.scene?.start ?? [0, 0], 2, (value) => lab.setStart(panel, value, true));
  start.classList.add("start");
  const usual = make("button", { type: "button", onclick: () => lab.setStart(panel, null, true) }, "Usual start");
  const title = state.panels.length > 1 ? `Landscape ${state.active + 1} of ${state.panels.length}` : "Landscape";
  const add = make("button", { type: "button", "data-name": "add", onclick: () => lab.addPanel(), disabled: state.panels.length >= PANELS }, "Add a landscape");
  const remove = state.panels.length > 1 ? make("button", { type: "button", "data-name": "remove", onclick: () => lab.removePanel() }, "Remove this one") : null;
  return card(title, labelled("kind", choice), sliders, labelled("start: w1, w2", start), make("div", { class: "row" }, usual, add, remove));
}

export function optimizersCard(lab) {
  const { state, about } = lab, panel = state.panels[state.active];
  const rows = about.optimizers.map((one) => optimizerRow(lab, panel, one));
  const form = make("select", { "data-name": "form", onchange: () => lab.set({ form: form.value }) });
  for (const [value, text] of [["torch", "as in torch"], ["notes", "as in the lecture notes"]]) {
    form.append(make("option", { value, selected: state.form === value }, text));
  }
  const tune = make("button", { type: "button", class: "main", "data-name": "tune", onclick: () => lab.tune(), disabled: !state.chosen.length }, "Tune on this landscape");
  const usual = make("button", { type: "button", "data-name": "starting", onclick: () => lab.resetSettings() }, "Starting values");
  const told = panel.tuned ? "Tuned from this start." : "lr by a rule of thumb or as you set it; not tuned. Up and down change an lr by a quarter.";
  return card(
    "Optimizers",
    make("div", { class: "optimizers", role: "group", "aria-label": "Optimizers that walk" }, rows),
    make("p", { class: "note" }, told),
    make("div", { class: "row" }, tune, usual),
    lab.tuning.element,
    labelled("formulas", form),
  );
}

function optimizerRow(lab, panel, one) {
  const { state } = lab, chosen = state.chosen.includes(one.name);
  const box = make("input", { type: "checkbox", id: unique("optimizer"), "data-name": `walks ${one.name}`, checked: chosen, onchange: () => lab.choose(one.name, box.checked) });
  const swatch = make("span", { class: "swatch" });
  swatch.style.background = readable(one.colour);
  const row = make("div", { class: "optimizer" }, box, make("label", { for: box.id }, swatch, one.name));
  if (!chosen) return row;
  const given = panel.settings[one.name] ?? {};
  for (const [name, usual] of Object.entries(one.settings)) {
    if (name === "form") continue;
    const value = given[name] ?? usual, count = Array.isArray(usual) ? usual.length : 1;
    const input = numbers(`${name} of ${one.name}`, value, count, (made) => lab.setSetting(one.name, name, made), { tenths: BY_TENTHS.has(name) });
    input.size = 8;
    row.append(make("span", { class: "setting" }, make("span", { class: "note", "aria-hidden": "true" }, name), input));
  }
  return row;
}

export function runCard(lab) {
  const { state, about } = lab;
  const starts = slider("starts", [1, about.most.starts, 1], state.starts, (value) => lab.set({ starts: value }));
  const spread = slider("spread of the starts", [0, 3, 0.05], state.spread, (value) => lab.set({ spread: value }));
  const budget = slider("budget (evaluations each)", [10, about.most.budget, 10], state.budget, (value) => lab.set({ budget: value }));
  const seed = numbers("seed", state.seed, 1, (value) => Number.isInteger(value) && value >= 0 && lab.set({ seed: value }));
  const forms = ["svg", "png", "html", "json", "csv"].map((form) =>
    make("button", { type: "button", onclick: () => lab.exportAs(form), "aria-label": `Export as ${form.toUpperCase()}` }, form.toUpperCase()),
  );
  const link = make("button", { type: "button", onclick: () => lab.copyLink() }, "Copy link");
  return card(
    "Run",
    budget,
    starts,
    spread,
    labelled("seed (noise, mini-batches)", seed),
    make("h2", {}, "Export"),
    make("div", { class: "row" }, forms, link),
    lab.exporting.element,
  );
}

export function card(title, ...children) {
  return make("section", { class: "card" }, make("h2", {}, title), ...children);
}

// What the lab shows, as one plain value, and as the words of an address that shows it again.

export const PANELS = 4;
const NUMBERS = { budget: 100, starts: 1, spread: 0.6, seed: 0 };
const FIRST = ["sgd", "momentum", "adam"];

/** A panel: a landscape with its settings, a start (null: its usual one), a window (null: around it), optimizers' settings. */
export function newPanel(landscape, values = {}) {
  return { landscape, values, noise: 0, start: null, window: null, settings: {}, tuned: false };
}

export function newState() {
  return { panels: [newPanel("canyon")], active: 0, chosen: [...FIRST], follow: "momentum", form: "torch", ...NUMBERS };
}

/** The words of an address: a `p` for each panel, `canyon;rotate:30;start:-4,1.2;sgd.lr:0.06`, and the rest by name. */
export function written(state) {
  const words = new URLSearchParams();
  for (const panel of state.panels) {
    const parts = [panel.landscape];
    for (const [name, value] of Object.entries(panel.values)) parts.push(`${name}:${value}`);
    if (panel.noise) parts.push(`noise:${panel.noise}`);
    if (panel.start) parts.push(`start:${panel.start.map(brief)}`);
    if (panel.window) parts.push(`window:${panel.window.map(brief)}`);
    for (const name of state.chosen) {
      for (const [key, value] of Object.entries(panel.settings[name] ?? {})) parts.push(`${name}.${key}:${value}`);
    }
    words.append("p", parts.join(";"));
  }
  words.set("o", state.chosen.join(","));
  words.set("follow", state.follow);
  if (state.form !== "torch") words.set("form", state.form);
  if (state.active) words.set("active", state.active);
  for (const [name, usual] of Object.entries(NUMBERS)) if (state[name] !== usual) words.set(name, state[name]);
  return words.toString().replaceAll("%3B", ";").replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** The state of such words; what is not understood is left as it usually is. `about` is what the server offers. */
export function readState(words, about) {
  const state = newState();
  const known = new Set(about.optimizers.map((one) => one.name));
  const panels = words.getAll("p").slice(0, PANELS).map((text) => readPanel(text, about, known)).filter(Boolean);
  if (panels.length) state.panels = panels;
  const asked = words.get("o")?.split(",");
  if (asked) state.chosen = [...known].filter((name) => asked.includes(name));
  state.follow = [words.get("follow"), state.follow, state.chosen[0]].find((name) => state.chosen.includes(name)) ?? "";
  if (words.get("form") === "notes") state.form = "notes";
  state.active = Math.min(number(words.get("active"), 0), state.panels.length - 1);
  for (const [name, usual] of Object.entries(NUMBERS)) state[name] = number(words.get(name), usual);
  state.budget = within(Math.round(state.budget), 1, about.most.budget);
  state.starts = within(Math.round(state.starts), 1, about.most.starts);
  state.seed = within(Math.round(state.seed), 0, 1e6);
  return state;
}

function readPanel(text, about, known) {
  const [name, ...parts] = text.split(";");
  const place = about.landscapes.find((one) => one.name === name);
  if (!place) return null;
  const panel = newPanel(name);
  for (const part of parts) {
    const [key, value] = part.split(":");
    const values = (value ?? "").split(",").map(Number);
    if (!values.every(Number.isFinite) || value === "") continue;
    const [optimizer, setting] = key.split(".");
    if (key === "noise") panel.noise = within(values[0], 0, 100);
    else if (key === "start" && values.length === 2) panel.start = values;
    else if (key === "window" && values.length === 4) panel.window = values;
    else if (Object.hasOwn(place.settings, key)) panel.values[key] = values[0];
    else if (setting && known.has(optimizer) && about.settings.includes(setting)) {
      (panel.settings[optimizer] ??= {})[setting] = values.length > 1 ? values : values[0];
    }
  }
  return panel;
}

/** What the server is asked about a panel. */
export function question(state, panel, about) {
  const optimizers = state.chosen.map((name) => {
    const offered = about.optimizers.find((one) => one.name === name).settings;
    const form = state.form !== "torch" && "form" in offered ? { form: state.form } : {};
    return { name, settings: { ...panel.settings[name], ...form } };
  });
  return { ...place(panel), start: panel.start, optimizers, budget: state.budget, starts: state.starts, spread: state.spread, seed: state.seed };
}

/** The landscape of a panel, and the noise on it. */
export function place(panel) {
  return { landscape: panel.landscape, settings: panel.values, noise: panel.noise, window: panel.window };
}

const brief = (value) => Number(value.toPrecision(5));
const within = (value, least, most) => Math.min(Math.max(value, least), most);

function number(text, usual) {
  const value = Number(text);
  return text !== null && text !== "" && Number.isFinite(value) && value >= 0 ? value : usual;
}

// The Lab: optimizers on landscapes of two parameters, side by side. The server runs the optimizers; here they are watched.

import { make } from "../dom.js";
import { Update, whereTable } from "./lab/beside.js";
import { landscapeCard, optimizersCard, runCard } from "./lab/controls.js";
import { save } from "./lab/files.js";
import { figures } from "./lab/figures.js";
import { Losses } from "./lab/losses.js";
import { newPanel, question, readState, written } from "./lab/state.js";
import { View } from "./lab/view.js";
import { waiting } from "../waiting.js";

const SPEEDS = [2, 5, 10, 20, 50, 100, 200]; // evaluations a second
const WRITE = 400; // ms until the address follows
const TELL = 200; // ms between two changes of the table while playing

export function mount(element, { api, announce, link }) {
  const lab = new Lab(element, api, announce, link);
  lab.begin();
  return () => lab.stop();
}

class Lab {
  constructor(element, api, announce, link) {
    Object.assign(this, { element, api, announce, link });
    this.time = 0;
    this.speed = 20;
    this.playing = false;
    this.views = new Map(); // panel -> View
    this.tuning = waiting(announce);
    this.exporting = waiting(announce);
    this.losses = new Losses();
    this.ended = false;
  }

  async begin() {
    this.element.append(make("h1", {}, "Lab"), make("p", { class: "note" }, "The optimizers that train networks, on losses whose minima are known."));
    this.say = make("p", { class: "wrong", role: "alert" });
    const loading = make("p", { class: "note" }, "Loading the optimizers …");
    this.element.append(loading);
    try {
      this.about = await this.api.get("/lab/about");
    } catch (error) {
      loading.replaceWith(make("p", { class: "wrong", role: "alert" }, error.message));
      return;
    }
    loading.remove();
    if (this.ended) return;
    this.colours = Object.fromEntries(this.about.optimizers.map((one) => [one.name, one.colour]));
    this.state = readState(this.link.read(), this.about);
    this.time = this.state.budget;
    this.build();
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => (this.showAll(true), this.showControls());
    this.dark.addEventListener("change", this.repaint);
    this.returned = () => this.state.panels.forEach((panel) => this.redrawn(panel));
    addEventListener("netwright-back", this.returned);
    this.linked = () => this.openLink();
    addEventListener("hashchange", this.linked);
    for (const panel of this.state.panels) this.addView(panel);
    this.showControls();
  }

  /** Another link in the same tab; one without words leaves everything as it is. */
  openLink() {
    const words = this.link.read();
    if (!location.hash.startsWith("#lab")) return;
    if (!words.size) return this.remember(true);
    for (const panel of [...this.views.keys()]) this.dropView(panel);
    this.state = readState(words, this.about);
    this.goTo(this.state.budget);
    for (const panel of this.state.panels) this.addView(panel);
    this.showControls();
  }

  stop() {
    this.ended = true;
    this.playing = false;
    clearTimeout(this.writing);
    this.dark?.removeEventListener("change", this.repaint);
    for (const panel of this.views.keys()) this.dropView(panel);
    this.losses.stop();
    this.tuning.stop();
    this.exporting.stop();
    removeEventListener("netwright-back", this.returned);
    removeEventListener("hashchange", this.linked);
    this.figures?.stop();
  }

  build() {
    this.controls = make("div", { class: "controls" });
    this.cards = {};
    this.planes = make("div", { class: "planes" });
    this.table = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Where each optimizer is" });
    this.figures = figures(this);
    this.update = new Update((name) => {
      this.state.follow = name;
      this.changedRun(this.panel);
    });
    const losses = make("section", { class: "card" }, make("h2", {}, "Loss above the lowest minimum"), this.losses.element);
    const where = make("section", { class: "card where" }, make("h2", {}, "Where each optimizer is"), this.table);
    const below = make("div", { class: "below" }, losses, this.update.element, where);
    const stage = make("div", { class: "stage" }, this.say, this.planes, this.transport(), below, this.figures.element);
    this.element.append(make("div", { class: "bench" }, stage, this.controls));
  }

  transport() {
    const button = (text, name, act) => make("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
    this.playButton = make("button", { type: "button", class: "main play", onclick: () => this.toggle() }, "Play");
    this.seek = make("input", { type: "range", min: 0, step: 1, "aria-label": "Evaluations spent", oninput: () => this.goTo(Number(this.seek.value)) });
    this.clock = make("output", { class: "clock" });
    const speed = make("select", { "aria-label": "Speed", onchange: () => (this.speed = Number(speed.value)) });
    for (const one of SPEEDS) speed.append(make("option", { value: one, selected: one === this.speed }, `${one} evaluations/s`));
    const steps = [button("|◀", "To the start", () => this.goTo(0)), button("◀", "One step back", () => this.goTo(Math.ceil(this.time) - 1))];
    steps.push(this.playButton, button("▶", "One step on", () => this.goTo(Math.floor(this.time) + 1)), button("▶|", "To the end", () => this.goTo(this.state.budget)));
    return make("div", { class: "card transport", role: "group", "aria-label": "Playing" }, steps, this.seek, this.clock, speed);
  }

  // ---------------------------------------------------------------- panels

  get panel() {
    return this.state.panels[this.state.active];
  }

  addView(panel) {
    const view = new View(this, panel);
    this.views.set(panel, view);
    this.planes.append(view.element);
    this.changedPlace(panel);
  }

  dropView(panel) {
    this.views.get(panel).stop();
    this.views.delete(panel);
  }

  /** A view has shown what the server answered about its panel. */
  answered(panel) {
    this.say.textContent = "";
    if (panel === this.panel) this.showPanel();
    this.remember();
  }

  failed(error) {
    this.say.textContent = error.message;
  }

  changedPlace(panel) {
    panel.tuned = false;
    this.redrawn(panel);
  }

  /** The landscape itself is to be drawn anew. */
  redrawn(panel) {
    panel.stale = true;
    this.changedRun(panel);
  }

  changedRun(panel, follow = true) {
    this.views.get(panel)?.changed(follow);
  }

  changedAll() {
    for (const panel of this.state.panels) this.changedRun(panel);
  }

  activate(panel) {
    if (panel === this.panel) return;
    this.state.active = this.state.panels.indexOf(panel);
    this.showControls();
    this.showPanel();
    this.changedRun(panel);
  }

  // ---------------------------------------------------------------- what the controls do

  chooseLandscape(name) {
    Object.assign(this.panel, newPanel(name), { scene: undefined, walked: undefined, updates: null });
    this.changedPlace(this.panel);
  }

  setValue(name, value) {
    this.panel.values[name] = value;
    Object.assign(this.panel, { window: null, start: name === "rotate" ? null : this.panel.start, settings: {} });
    this.changedPlace(this.panel);
    this.settingsChanged = true;
  }

  setNoise(value) {
    this.panel.noise = value;
    this.panel.tuned = false;
    this.changedRun(this.panel);
  }

  setStart(panel, start, done) {
    panel.start = start;
    panel.tuned = false;
    this.changedRun(panel, done);
    const field = this.controls.querySelector("input.start");
    const shown = start ?? panel.scene?.start ?? [0, 0];
    if (field && panel === this.panel && document.activeElement !== field) field.value = shown.map((value) => Number(value.toPrecision(4))).join(", ");
  }

  setSetting(optimizer, name, value) {
    (this.panel.settings[optimizer] ??= {})[name] = value;
    this.panel.tuned = false;
    this.changedRun(this.panel);
  }

  choose(name, chosen) {
    const order = this.about.optimizers.map((one) => one.name);
    const names = new Set(this.state.chosen);
    names[chosen ? "add" : "delete"](name);
    this.state.chosen = order.filter((one) => names.has(one));
    if (!names.has(this.state.follow) && this.state.chosen.length) this.state.follow = this.state.chosen[0];
    for (const panel of this.state.panels) {
      panel.tuned = false;
      if (panel.scene && chosen) panel.settings[name] ??= { ...panel.scene.starting[name] };
    }
    this.showControls("optimizers");
    this.changedAll();
  }

  set(values) {
    const atEnd = this.time >= this.state.budget;
    Object.assign(this.state, values);
    if ("budget" in values) this.time = atEnd ? this.state.budget : Math.min(this.time, this.state.budget);
    for (const panel of this.state.panels) panel.tuned = false;
    this.changedAll();
  }

  resetSettings() {
    this.panel.settings = {};
    this.panel.tuned = false;
    this.settingsChanged = true;
    this.changedRun(this.panel);
  }

  addPanel() {
    const names = this.about.landscapes.map((one) => one.name), used = new Set(this.state.panels.map((one) => one.landscape));
    const panel = newPanel(names.find((name) => !used.has(name)) ?? "canyon");
    this.state.panels.push(panel);
    this.state.active = this.state.panels.length - 1;
    this.addView(panel);
    this.showControls();
  }

  removePanel() {
    const panel = this.panel;
    this.dropView(panel);
    this.state.panels.splice(this.state.active, 1);
    this.state.active = Math.max(0, this.state.active - 1);
    this.showControls();
    this.changedRun(this.panel);
  }

  async tune() {
    const panel = this.panel, asked = question(this.state, panel, this.about);
    const found = await this.tuning.run("Tuning", (how) => this.api.run("/lab/tune", asked, how));
    if (!found || !this.views.has(panel)) return;
    for (const [name, { settings }] of Object.entries(found)) panel.settings[name] = { ...panel.settings[name], ...settings };
    panel.tuned = true;
    this.announce(`Tuned: ${Object.entries(found).map(([name, { settings }]) => `${name} lr ${settings.lr}`).join(", ")}.`);
    this.showControls("optimizers");
    this.changedRun(panel);
  }

  async exportAs(form) {
    const races = this.state.panels.map((panel) => question(this.state, panel, this.about));
    const tune = this.state.panels.every((panel) => panel.tuned);
    const file = await this.exporting.run(`Export as ${form.toUpperCase()}`, (how) => this.api.run("/lab/export", { races, form, tune }, how));
    if (!file) return;
    save(file);
    this.announce(`Saved ${file.name}.`);
  }

  async copyLink() {
    this.remember(true);
    try {
      await navigator.clipboard.writeText(this.link.address());
      this.announce("The link is copied: it opens the lab as it is now, in a page that has the token.");
    } catch {
      this.announce("The browser does not let the page copy: the link stands in its address bar.");
    }
  }

  // ---------------------------------------------------------------- playing

  toggle() {
    this.playing ? this.pause() : this.play();
  }

  play() {
    if (this.time >= this.state.budget) this.goTo(0);
    this.playing = true;
    this.playButton.textContent = "Pause";
    let last = performance.now();
    const frame = (now) => {
      if (!this.playing) return;
      this.time = Math.min(this.time + (Math.max(now - last, 0) / 1000) * this.speed, this.state.budget);
      last = now;
      this.showAll(false, now);
      if (this.time >= this.state.budget) this.pause();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    this.playing = false;
    this.playButton.textContent = "Play";
    this.showAll();
    this.announce(`${Math.floor(this.time)} of ${this.state.budget} evaluations.`);
  }

  goTo(time) {
    this.playing = false;
    this.playButton.textContent = "Play";
    this.time = Math.min(Math.max(time, 0), this.state.budget);
    this.showAll();
  }

  /** Everything at the present time; while it plays, words and numbers follow a few times a second. */
  showAll(anew = false, now = Infinity) {
    for (const { plane } of this.views.values()) anew ? plane.layout() : plane.show(this.time);
    anew ? this.losses.layout() : this.losses.show(this.time);
    if (now - (this.told ?? 0) < TELL && now !== Infinity) return;
    this.told = now === Infinity ? 0 : now;
    this.tell();
  }

  // ---------------------------------------------------------------- what is shown beside the planes

  /** The cards anew, by name, or all of them; the focus stays where it was. */
  showControls(...names) {
    const makers = { landscape: landscapeCard, optimizers: optimizersCard, run: runCard };
    const focused = this.controls.contains(document.activeElement) ? document.activeElement.dataset.name : "";
    for (const name of names.length ? names : Object.keys(makers)) {
      const made = makers[name](this), card = this.cards[name];
      if (card) card.replaceChildren(...made.childNodes);
      else this.controls.append((this.cards[name] = made));
    }
    const same = [...this.controls.querySelectorAll("[data-name]")].find((one) => one.dataset.name === focused);
    if (focused && same !== document.activeElement) same?.focus();
    for (const [panel, view] of this.views) {
      const active = panel === this.panel, alone = this.views.size === 1;
      view.choose.hidden = alone;
      view.choose.setAttribute("aria-pressed", String(active));
      view.element.classList.toggle("active", active && !alone);
    }
  }

  showPanel() {
    const panel = this.panel;
    this.seek.max = this.state.budget;
    if (this.settingsChanged) this.showControls("optimizers");
    this.settingsChanged = false;
    if (panel.walked) this.losses.setTracks(panel.walked.tracks, this.colours, this.state.budget);
    this.showAll();
  }

  tell() {
    this.seek.max = this.state.budget;
    this.seek.value = Math.floor(this.time);
    this.seek.setAttribute("aria-valuetext", `${Math.floor(this.time)} of ${this.state.budget} evaluations`);
    this.clock.textContent = `${Math.floor(this.time)} / ${this.state.budget}`;
    if (!this.panel?.walked) return;
    const { walked, scene, updates } = this.panel, { starts, chosen, follow } = this.state;
    const caption = `${scene.told}${starts > 1 ? ", the first of " + starts + " starts" : ""}`;
    this.table.replaceChildren(whereTable(walked, this.time, this.colours, caption));
    this.update.show(walked, updates, this.time, chosen, follow);
  }

  /** Let the address say what is shown. */
  remember(now = false) {
    clearTimeout(this.writing);
    const write = () => this.link.write(written(this.state));
    if (now) write();
    else this.writing = setTimeout(write, WRITE);
  }
}

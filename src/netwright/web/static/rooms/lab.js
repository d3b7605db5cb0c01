// The Lab: optimizers on landscapes of two parameters, side by side. The server runs the optimizers; here they are watched.

import { latest } from "../api.js";
import { make } from "../dom.js";
import { readable } from "./lab/colours.js";
import { landscapeCard, optimizersCard, runCard } from "./lab/controls.js";
import { save } from "./lab/files.js";
import { figures } from "./lab/figures.js";
import { Losses } from "./lab/losses.js";
import { Plane, stepsAt } from "./lab/plane.js";
import { newPanel, place, question, readState, written } from "./lab/state.js";
import { waiting } from "../waiting.js";

const SPEEDS = [2, 5, 10, 20, 50, 100, 200]; // evaluations a second
const WRITE = 400; // ms until the address follows
const TELL = 200; // ms between two changes of the table while playing
const PATIENCE = 200; // ms after which a race that nobody waits for any more is given up

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
    this.views = new Map(); // panel -> {plane, element, title, ask, racing, wanted}
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
    this.formula = make("section", { class: "card formula" });
    this.table = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Where each optimizer is" });
    this.figures = figures(this);
    const losses = make("section", { class: "card" }, make("h2", {}, "Loss above the lowest minimum"), this.losses.element);
    const where = make("section", { class: "card where" }, make("h2", {}, "Where each optimizer is"), this.table);
    const below = make("div", { class: "below" }, losses, this.formula, where);
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
    const title = make("h2", {}, panel.landscape);
    const plane = new Plane((start, done) => {
      this.activate(panel);
      this.setStart(panel, start, done);
    });
    const zoom = (times) => () => this.zoom(panel, times);
    const buttons = [["+", "Closer", zoom(0.6)], ["−", "Farther", zoom(1 / 0.6)], ["Fit", "All of the tracks", () => this.fit(panel)]].map(
      ([text, name, act]) => make("button", { type: "button", "aria-label": name, title: name, onclick: act }, text),
    );
    const view = { plane, title, racing: waiting(this.announce), wanted: 0 };
    view.choose = make("button", { type: "button", onclick: () => this.activate(panel) }, "Edit");
    view.element = make("section", { class: "card view" }, make("div", { class: "row head" }, title, buttons, view.choose), plane.element, view.racing.element);
    view.ask = latest(
      (signal, follow) => this.ask(panel, follow, signal),
      (answer) => this.answered(panel, answer),
      (error) => this.failed(error),
    );
    this.views.set(panel, view);
    this.planes.append(view.element);
    this.changedPlace(panel);
  }

  dropView(panel) {
    const view = this.views.get(panel);
    view.ask.stop();
    view.racing.stop();
    view.plane.stop();
    view.element.remove();
    this.views.delete(panel);
  }

  async ask(panel, follow, signal) {
    const anew = panel.stale;
    panel.stale = false; // until it changes once more
    try {
      return await this.asked(panel, anew, follow, signal);
    } catch (error) {
      panel.stale ||= anew;
      throw error;
    }
  }

  async asked(panel, anew, follow, signal) {
    const options = { signal }, view = this.views.get(panel), wanted = view.wanted;
    const scene = anew ? await this.api.post("/lab/scene", place(panel), options) : undefined;
    if (panel.stale) return {}; // the next question is about another place
    const { starting } = scene ?? panel.scene;
    for (const name of this.state.chosen) panel.settings[name] = { ...starting[name], ...panel.settings[name] };
    const what = question(this.state, panel, this.about);
    if (follow && panel === this.panel) what.follow = this.state.follow;
    const answer = await this.api.post("/lab/tracks", what, options);
    if (!answer.id) return { scene, walked: answer, follow: what.follow };
    if (scene && !panel.stale && !signal.aborted) {
      this.showScene(panel, scene); // at once: the race takes longer
      view.plane.setTracks([], panel.start ?? scene.start);
    }
    return { scene, walked: await this.raced(view, wanted, answer, signal), follow: what.follow };
  }

  showScene(panel, scene) {
    const { plane, title } = this.views.get(panel), first = !panel.scene;
    panel.scene = scene;
    title.textContent = scene.told;
    plane.setScene(scene, this.colours, scene.told);
    if (first && panel === this.panel) this.showControls("landscape", "optimizers");
  }

  /** The result of a race that takes longer, unless it is cancelled, or something newer is wanted. */
  raced(view, wanted, job, signal) {
    const begun = performance.now();
    return view.racing.run("The race", (how) => {
      const progress = (now) => (view.wanted !== wanted && performance.now() - begun > PATIENCE ? view.racing.stop() : how.progress(now));
      return this.api.follow(job, { progress, signal: AbortSignal.any([how.signal, signal]) });
    });
  }

  answered(panel, { scene, walked, follow }) {
    if (!this.views.has(panel) || panel.stale) return;
    const { plane } = this.views.get(panel);
    this.say.textContent = "";
    if (scene) this.showScene(panel, scene);
    if (walked) {
      panel.updates = walked.formulas.length ? { of: follow, formulas: walked.formulas } : null;
      panel.walked = walked;
      plane.time = this.time;
      plane.setTracks(walked.tracks, panel.start ?? panel.scene.start);
    }
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
    const view = this.views.get(panel);
    if (!view) return;
    view.wanted += 1;
    view.ask(follow);
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

  zoom(panel, times) {
    if (!panel.scene) return;
    const [x0, x1, y0, y1] = panel.scene.window, x = (x0 + x1) / 2, y = (y0 + y1) / 2;
    const wide = ((x1 - x0) / 2) * times, high = ((y1 - y0) / 2) * times;
    panel.window = [x - wide, x + wide, y - high, y + high];
    this.redrawn(panel);
  }

  /** A window of the same shape around all that was walked and the minima, but not around what diverged. */
  fit(panel) {
    if (!panel.walked) return;
    const tracks = panel.walked.tracks.filter((track) => track.ended === "budget");
    const places = [...panel.scene.minima.flat(), ...(panel.start ?? panel.scene.start), ...tracks.flatMap((track) => track.places)];
    const [xs, ys] = [0, 1].map((axis) => places.filter((_, i) => i % 2 === axis));
    const ends = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    const [x0, x1, y0, y1] = [...ends(xs), ...ends(ys)];
    const [wx0, wx1, wy0, wy1] = panel.scene.window, shape = (wy1 - wy0) / (wx1 - wx0);
    const wide = 0.6 * Math.max(x1 - x0, (y1 - y0) / shape, 1e-3);
    panel.window = [(x0 + x1) / 2 - wide, (x0 + x1) / 2 + wide, (y0 + y1) / 2 - wide * shape, (y0 + y1) / 2 + wide * shape];
    this.redrawn(panel);
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
      this.announce("The link is copied: it opens the lab as it is now, with the address's own token.");
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
    this.tellTable();
    this.tellFormula();
  }

  tellTable() {
    const { walked, scene } = this.panel;
    const first = walked.tracks.filter((track) => track.start === 0);
    const head = ["optimizer", "settings", "evaluations", "w1", "w2", "loss above the lowest", "state"];
    const rows = first.map((track) => {
      const step = stepsAt(track, this.time), done = step === track.evaluations.length - 1;
      const told = track.ended === "budget" ? (done ? "done" : "walks") : done ? track.ended : "walks";
      const numbers = [track.evaluations[step], track.places[2 * step], track.places[2 * step + 1], track.losses[step]];
      const row = walked.rows.find((one) => one.optimizer === track.name);
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = readable(this.colours[track.name]);
      const cells = [row.settings, ...numbers.map((value) => (value == null ? "∞" : String(Number(value.toPrecision(4))))), told];
      return make("tr", {}, make("th", { scope: "row", class: "words" }, swatch, track.name), cells.map((cell, i) => make("td", { class: i === 0 || i === 5 ? "words" : "" }, cell)));
    });
    const caption = make("caption", {}, `${scene.told}${this.state.starts > 1 ? ", the first of " + this.state.starts + " starts" : ""}`);
    this.table.replaceChildren(make("table", {}, caption, make("thead", {}, make("tr", {}, head.map((name, i) => make("th", { scope: "col", class: i === 1 || i === 6 ? "words" : "" }, name)))), make("tbody", {}, rows)));
  }

  tellFormula() {
    const { walked, updates } = this.panel;
    if (!this.followChoice) {
      this.followChoice = make("select", { "aria-label": "Optimizer whose update is shown", onchange: () => {
        this.state.follow = this.followChoice.value;
        this.changedRun(this.panel);
      } });
      this.formulaText = make("div", { class: "update" });
      this.formula.append(make("div", { class: "row head" }, make("h2", {}, "The update, with its numbers"), this.followChoice), this.formulaText);
    }
    const names = this.state.chosen.join();
    if (this.followNames !== names) {
      this.followNames = names;
      this.followChoice.replaceChildren(...this.state.chosen.map((name) => make("option", { value: name }, name)));
    }
    this.followChoice.value = this.state.follow;
    const track = walked.tracks.find((one) => one.name === this.state.follow && one.start === 0);
    if (!track || updates?.of !== this.state.follow) {
      this.formulaText.replaceChildren(make("p", { class: "note" }, track ? "Being computed, or waiting for the start to be let go." : "Choose an optimizer."));
      return;
    }
    const last = updates.formulas.length - 1, step = Math.min(stepsAt(track, this.time), last), formula = updates.formulas[step];
    const lines = formula ? formula.split("; ").map((line) => make("code", {}, line)) : [make("p", { class: "note" }, "The start: no step has been taken.")];
    this.formulaText.replaceChildren(make("p", {}, `Step ${step} of ${last}`), ...lines);
  }

  /** Let the address say what is shown. */
  remember(now = false) {
    clearTimeout(this.writing);
    const write = () => this.link.write(written(this.state));
    if (now) write();
    else this.writing = setTimeout(write, WRITE);
  }
}

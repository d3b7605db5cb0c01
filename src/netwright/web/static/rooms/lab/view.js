// A panel as it is seen: its landscape's plane under its name, and what the server is asked about it.

import { latest } from "../../api.js";
import { make } from "../../dom.js";
import { Plane } from "./plane.js";
import { place, question } from "./state.js";
import { waiting } from "../../waiting.js";

const PATIENCE = 200; // ms after which a race that nobody waits for any more is given up

export class View {
  /** Of a panel of the lab; nothing is asked before `changed`. */
  constructor(lab, panel) {
    Object.assign(this, { lab, panel, wanted: 0 });
    this.title = make("h2", {}, panel.landscape);
    this.plane = new Plane((start, done) => {
      lab.activate(panel);
      lab.setStart(panel, start, done);
    });
    this.racing = waiting(lab.announce);
    this.choose = make("button", { type: "button", onclick: () => lab.activate(panel) }, "Edit");
    const head = make("div", { class: "row head" }, this.title, this.buttons(), this.choose);
    this.element = make("section", { class: "card view" }, head, this.plane.element, this.racing.element);
    this.ask = latest(
      (signal, follow) => this.answer(follow, signal),
      (answer) => this.answered(answer),
      (error) => lab.failed(error),
    );
  }

  buttons() {
    const zoom = (times) => () => this.zoom(times);
    return [["+", "Closer", zoom(0.6)], ["−", "Farther", zoom(1 / 0.6)], ["Fit", "All of the tracks", () => this.fit()]].map(
      ([text, name, act]) => make("button", { type: "button", "aria-label": name, title: name, onclick: act }, text),
    );
  }

  stop() {
    this.ask.stop();
    this.racing.stop();
    this.plane.stop();
    this.element.remove();
  }

  /** The panel is another; with `follow`, the numbers of an update are wanted too. */
  changed(follow) {
    this.wanted += 1;
    this.ask(follow);
  }

  async answer(follow, signal) {
    const { panel } = this, anew = panel.stale;
    panel.stale = false; // until it changes once more
    try {
      return await this.asked(anew, follow, signal);
    } catch (error) {
      panel.stale ||= anew;
      throw error;
    }
  }

  async asked(anew, follow, signal) {
    const { lab, panel, wanted } = this, options = { signal };
    const scene = anew ? await lab.api.post("/lab/scene", place(panel), options) : undefined;
    if (panel.stale) return {}; // the next question is about another place
    const { starting } = scene ?? panel.scene;
    for (const name of lab.state.chosen) panel.settings[name] = { ...starting[name], ...panel.settings[name] };
    const what = question(lab.state, panel, lab.about);
    if (follow && panel === lab.panel) what.follow = lab.state.follow;
    const answer = await lab.api.post("/lab/tracks", what, options);
    if (!answer.id) return { scene, walked: answer, follow: what.follow };
    if (scene && !panel.stale && !signal.aborted) {
      this.showScene(scene); // at once: the race takes longer
      this.plane.setTracks([], panel.start ?? scene.start);
    }
    return { scene, walked: await this.raced(wanted, answer, signal), follow: what.follow };
  }

  /** The result of a race that takes longer, unless it is cancelled, or something newer is wanted. */
  raced(wanted, job, signal) {
    const begun = performance.now();
    return this.racing.run("The race", (how) => {
      const progress = (now) => (this.wanted !== wanted && performance.now() - begun > PATIENCE ? this.racing.stop() : how.progress(now));
      return this.lab.api.follow(job, { progress, signal: AbortSignal.any([how.signal, signal]) });
    });
  }

  showScene(scene) {
    const { lab, panel } = this, first = !panel.scene;
    panel.scene = scene;
    this.title.textContent = scene.told;
    this.plane.setScene(scene, lab.colours, scene.told);
    if (first && panel === lab.panel) lab.showControls("landscape", "optimizers");
  }

  answered({ scene, walked, follow }) {
    const { lab, panel, plane } = this;
    if (!lab.views.has(panel) || panel.stale) return;
    if (scene) this.showScene(scene);
    if (walked) {
      panel.updates = walked.formulas.length ? { of: follow, formulas: walked.formulas } : null;
      panel.walked = walked;
      plane.time = lab.time;
      plane.setTracks(walked.tracks, panel.start ?? panel.scene.start);
    }
    lab.answered(panel);
  }

  zoom(times) {
    const { panel } = this;
    if (!panel.scene) return;
    const [x0, x1, y0, y1] = panel.scene.window, x = (x0 + x1) / 2, y = (y0 + y1) / 2;
    const wide = ((x1 - x0) / 2) * times, high = ((y1 - y0) / 2) * times;
    panel.window = [x - wide, x + wide, y - high, y + high];
    this.lab.redrawn(panel);
  }

  /** A window of the same shape around all that was walked and the minima, but not around what diverged. */
  fit() {
    const { panel } = this;
    if (!panel.walked) return;
    const tracks = panel.walked.tracks.filter((track) => track.ended === "budget");
    const places = [...panel.scene.minima.flat(), ...(panel.start ?? panel.scene.start), ...tracks.flatMap((track) => track.places)];
    const [xs, ys] = [0, 1].map((axis) => places.filter((_, i) => i % 2 === axis));
    const ends = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    const [x0, x1, y0, y1] = [...ends(xs), ...ends(ys)];
    const [wx0, wx1, wy0, wy1] = panel.scene.window, shape = (wy1 - wy0) / (wx1 - wx0);
    const wide = 0.6 * Math.max(x1 - x0, (y1 - y0) / shape, 1e-3);
    panel.window = [(x0 + x1) / 2 - wide, (x0 + x1) / 2 + wide, (y0 + y1) / 2 - wide * shape, (y0 + y1) / 2 + wide * shape];
    this.lab.redrawn(panel);
  }
}

// What is shown beside the planes: where each optimizer is, and an update with its numbers.

import { make } from "../../dom.js";
import { readable } from "./colours.js";
import { stepsAt } from "./plane.js";

/** The first tracks of a race once so many evaluations are spent; `caption` says where they are. */
export function whereTable(walked, time, colours, caption) {
  const first = walked.tracks.filter((track) => track.start === 0);
  const head = ["optimizer", "settings", "evaluations", "w1", "w2", "loss above the lowest", "state"];
  const rows = first.map((track) => {
    const step = stepsAt(track, time), done = step === track.evaluations.length - 1;
    const told = track.ended === "budget" ? (done ? "done" : "walks") : done ? track.ended : "walks";
    const numbers = [track.evaluations[step], track.places[2 * step], track.places[2 * step + 1], track.losses[step]];
    const row = walked.rows.find((one) => one.optimizer === track.name);
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = readable(colours[track.name]);
    const cells = [row.settings, ...numbers.map((value) => (value == null ? "∞" : String(Number(value.toPrecision(4))))), told];
    return make("tr", {}, make("th", { scope: "row", class: "words" }, swatch, track.name), cells.map((cell, i) => make("td", { class: i === 0 || i === 5 ? "words" : "" }, cell)));
  });
  const titles = head.map((name, i) => make("th", { scope: "col", class: i === 1 || i === 6 ? "words" : "" }, name));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, titles)), make("tbody", {}, rows));
}

export class Update {
  /** `follow(name)` is called when another optimizer's update is wanted. */
  constructor(follow) {
    this.element = make("section", { class: "card formula" });
    this.follow = follow;
  }

  build() {
    this.choice = make("select", { "aria-label": "Optimizer whose update is shown", onchange: () => this.follow(this.choice.value) });
    this.text = make("div", { class: "update" });
    this.element.append(make("div", { class: "row head" }, make("h2", {}, "The update, with its numbers"), this.choice), this.text);
  }

  /** That of the optimizer `followed`, of those `chosen`; `updates` may be another's still, or none. */
  show(walked, updates, time, chosen, followed) {
    if (!this.choice) this.build();
    const names = chosen.join();
    if (this.names !== names) {
      this.names = names;
      this.choice.replaceChildren(...chosen.map((name) => make("option", { value: name }, name)));
    }
    this.choice.value = followed;
    const track = walked.tracks.find((one) => one.name === followed && one.start === 0);
    if (!track || updates?.of !== followed) {
      this.text.replaceChildren(make("p", { class: "note" }, track ? "Being computed, or waiting for the start to be let go." : "Choose an optimizer."));
      return;
    }
    const last = updates.formulas.length - 1, step = Math.min(stepsAt(track, time), last), formula = updates.formulas[step];
    const lines = formula ? formula.split("; ").map((line) => make("code", {}, line)) : [make("p", { class: "note" }, "The start: no step has been taken.")];
    this.text.replaceChildren(make("p", {}, `Step ${step} of ${last}`), ...lines);
  }
}

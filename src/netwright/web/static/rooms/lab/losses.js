// The loss above the lowest minimum over evaluations, on a log scale: all of it faint, what has been walked in full.

import { make } from "../../dom.js";
import { fitted, inks, readable, ticks } from "./colours.js";
import { stepsAt } from "./plane.js";

const LEFT = 48, BOTTOM = 34, EDGE = 14, HEIGHT = 230; // px
const DEEPEST = 1e-12; // of the first loss: less is drawn at it

export class Losses {
  constructor() {
    this.canvases = ["base", "trails"].map((name) => make("canvas", { class: name, "aria-hidden": "true" }));
    this.element = make("div", { class: "losses" }, this.canvases);
    this.tracks = [];
    this.time = 0;
    this.watch = new ResizeObserver(() => this.layout());
    this.watch.observe(this.element);
  }

  stop() {
    this.watch.disconnect();
  }

  setTracks(tracks, colours, budget) {
    this.tracks = tracks.map((track) => ({ ...track, drawn: 0 }));
    Object.assign(this, { colours, budget });
    const losses = tracks.flatMap((track) => track.losses.filter((loss) => loss > 0));
    const first = Math.max(...tracks.map((track) => track.losses[0] || 0), 1e-9);
    this.high = Math.ceil(Math.log10(3 * first));
    this.low = Math.floor(Math.log10(Math.max(losses.reduce((a, b) => Math.min(a, b), first), DEEPEST * first)));
    this.low = Math.min(this.low, this.high - 1);
    this.layout();
  }

  layout() {
    this.width = this.element.clientWidth;
    if (!this.width) return;
    [this.base, this.trails] = this.canvases.map((canvas) => fitted(canvas, this.width, HEIGHT));
    if (!this.tracks.length) return;
    this.drawBase();
    this.redraw();
  }

  at(evaluations, loss) {
    const inner = this.width - LEFT - EDGE, high = HEIGHT - BOTTOM - EDGE;
    const level = loss == null ? this.high + 2 : Math.log10(Math.max(loss, 10 ** this.low));
    return [LEFT + (inner * evaluations) / this.budget, EDGE + (high * (this.high - level)) / (this.high - this.low)];
  }

  clip(context) {
    context.beginPath();
    context.rect(LEFT, EDGE - 2, this.width - LEFT - EDGE + 2, HEIGHT - BOTTOM - EDGE + 4);
    context.clip();
  }

  drawBase() {
    const context = this.base, { quiet, line } = inks();
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = quiet;
    context.strokeStyle = line;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const every = Math.ceil((this.high - this.low) / 6);
    for (let power = this.high; power >= this.low; power -= every) {
      const [, top] = this.at(0, 10 ** power);
      context.beginPath();
      context.moveTo(LEFT, Math.round(top) + 0.5);
      context.lineTo(this.width - EDGE, Math.round(top) + 0.5);
      context.stroke();
      context.fillText(`1e${power}`, LEFT - 5, top);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const spent of ticks(0, this.budget, this.width / 80)) context.fillText(`${spent}`, this.at(spent, 1)[0], HEIGHT - BOTTOM + 4);
    context.fillText("evaluations", (LEFT + this.width - EDGE) / 2, HEIGHT - BOTTOM + 18);
    context.save();
    this.clip(context);
    context.globalAlpha = this.tracks.length > 12 ? 0.12 : 0.28;
    for (const track of this.tracks) this.line(context, track, 0, track.losses.length - 1);
    context.restore();
  }

  line(context, track, from, to) {
    context.strokeStyle = readable(this.colours[track.name]);
    context.lineWidth = this.tracks.length > 12 ? 1 : 1.6;
    context.beginPath();
    for (let i = from; i <= to; i++) context.lineTo(...this.at(track.evaluations[i], track.losses[i]));
    context.stroke();
  }

  redraw() {
    this.trails.clearRect(0, 0, this.width, HEIGHT);
    for (const track of this.tracks) track.drawn = 0;
    this.show(this.time, true);
  }

  show(time, anew = false) {
    const back = time < this.time && !anew;
    this.time = time;
    if (!this.trails || !this.tracks.length) return;
    if (back) return this.redraw();
    this.trails.save();
    this.clip(this.trails);
    this.trails.globalAlpha = this.tracks.length > 12 ? 0.6 : 1;
    for (const track of this.tracks) {
      const end = stepsAt(track, time);
      if (end > track.drawn) this.line(this.trails, track, track.drawn, end);
      track.drawn = Math.max(track.drawn, end);
    }
    this.trails.restore();
  }
}

// A landscape with what walks on it: contours below, trails that grow, a start that can be dragged.

import { make } from "../../dom.js";
import { contourColour, fitted, inks, readable, ticks } from "./colours.js";

const LEFT = 40, BOTTOM = 34, EDGE = 8; // px around the plane
const TALLEST = 600; // px

/** How many steps of a track are done once so many evaluations are spent. */
export function stepsAt(track, time) {
  const spent = track.evaluations;
  let low = 0, high = spent.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (spent[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

export class Plane {
  /** `moved(start, done)` is called while the start is dragged, and with `done` when it is let go. */
  constructor(moved) {
    this.moved = moved;
    this.canvases = ["base", "trails", "heads"].map((name) => make("canvas", { class: name, "aria-hidden": "true" }));
    this.handle = make("button", { class: "handle", type: "button", hidden: true });
    this.element = make("div", { class: "plane" }, this.canvases, this.handle);
    this.tracks = [];
    this.time = 0;
    this.watch = new ResizeObserver(() => this.layout());
    this.watch.observe(this.element);
    this.listen();
  }

  stop() {
    this.watch.disconnect();
  }

  /** The landscape and the colours of the optimizers by their names. */
  setScene(scene, colours, name) {
    Object.assign(this, { scene, colours, name });
    this.layout();
  }

  setTracks(tracks, start) {
    this.tracks = tracks.map((track) => ({ ...track, drawn: 0 }));
    this.setStart(start);
    this.redraw();
  }

  setStart(start) {
    this.start = start;
    if (!this.scene) return;
    const [left, top] = this.at(...start);
    this.handle.style.left = `${left}px`;
    this.handle.style.top = `${top}px`;
    this.handle.hidden = left < LEFT || left > this.width - EDGE || top < EDGE || top > this.height - BOTTOM;
    const said = start.map((value) => Number(value.toPrecision(3))).join(", ");
    this.handle.setAttribute("aria-label", `Start on ${this.name}: ${said}. Arrow keys move it.`);
  }

  layout() {
    if (!this.scene || !this.element.clientWidth) return;
    const [x0, x1, y0, y1] = this.scene.window;
    this.element.style.maxWidth = `${Math.round((TALLEST * (x1 - x0)) / (y1 - y0))}px`;
    this.width = this.element.clientWidth;
    const inner = this.width - LEFT - EDGE;
    this.height = Math.round((inner * (y1 - y0)) / (x1 - x0)) + BOTTOM + EDGE;
    this.element.style.height = `${this.height}px`;
    this.scale = inner / (x1 - x0);
    [this.base, this.trails, this.heads] = this.canvases.map((canvas) => fitted(canvas, this.width, this.height));
    this.drawBase();
    if (this.start) this.setStart(this.start);
    this.redraw();
  }

  at(x, y) {
    const [x0, , , y1] = this.scene.window;
    return [LEFT + (x - x0) * this.scale, EDGE + (y1 - y) * this.scale];
  }

  from(left, top) {
    const [x0, , , y1] = this.scene.window;
    return [x0 + (left - LEFT) / this.scale, y1 - (top - EDGE) / this.scale];
  }

  clip(context) {
    context.beginPath();
    context.rect(LEFT, EDGE, this.width - LEFT - EDGE, this.height - BOTTOM - EDGE);
    context.clip();
  }

  drawBase() {
    const context = this.base, { quiet, line, ink, paper } = inks();
    context.save();
    this.clip(context);
    context.lineWidth = 1;
    for (const { share, points } of [...this.scene.contours].reverse()) {
      context.strokeStyle = contourColour(share);
      context.beginPath();
      for (let i = 0; i < points.length; i += 2) context.lineTo(...this.at(points[i], points[i + 1]));
      context.stroke();
    }
    for (const minimum of this.scene.minima) cross(context, ...this.at(...minimum), ink, paper);
    context.restore();
    context.strokeStyle = line;
    context.strokeRect(LEFT + 0.5, EDGE + 0.5, this.width - LEFT - EDGE - 1, this.height - BOTTOM - EDGE - 1);
    this.drawAxes(context, quiet);
  }

  drawAxes(context, colour) {
    const [x0, x1, y0, y1] = this.scene.window;
    context.fillStyle = colour;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "top";
    const bottom = this.height - BOTTOM;
    for (const x of ticks(x0, x1, this.width / 70)) context.fillText(`${x}`, this.at(x, y0)[0], bottom + 4);
    context.fillText("w1", (LEFT + this.width - EDGE) / 2, bottom + 18);
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const y of ticks(y0, y1, this.height / 50)) context.fillText(`${y}`, LEFT - 5, this.at(x0, y)[1]);
    context.save();
    context.translate(9, (EDGE + bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText("w2", 0, 0);
    context.restore();
  }

  redraw() {
    if (!this.trails) return;
    this.trails.clearRect(0, 0, this.width, this.height);
    for (const track of this.tracks) track.drawn = 0;
    this.show(this.time, true);
  }

  /** What was walked until `time` evaluations were spent; going on from an earlier time draws the new steps only. */
  show(time, anew = false) {
    if (time < this.time && !anew) {
      this.time = time;
      this.redraw();
      return;
    }
    this.time = time;
    if (!this.trails) return;
    const many = this.tracks.length > 12;
    this.trails.save();
    this.clip(this.trails);
    this.trails.lineJoin = "round";
    this.trails.globalAlpha = many ? 0.65 : 1;
    for (const track of this.tracks) this.grow(track, stepsAt(track, time), many);
    this.trails.restore();
    this.drawHeads(many);
  }

  grow(track, end, many) {
    if (end <= track.drawn) return;
    const context = this.trails, places = track.places;
    const colour = readable(this.colours[track.name]);
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = many ? 1 : 1.6;
    context.beginPath();
    for (let i = track.drawn; i <= end; i++) context.lineTo(...this.near(places[2 * i], places[2 * i + 1]));
    context.stroke();
    if (!many) {
      context.beginPath();
      for (let i = track.drawn + 1; i <= end; i++) {
        const [left, top] = this.near(places[2 * i], places[2 * i + 1]);
        context.moveTo(left + 2, top);
        context.arc(left, top, 2, 0, 7);
      }
      context.fill();
    }
    track.drawn = end;
  }

  /** A place in px; far ones stay where a canvas can draw them. */
  near(x, y) {
    const [left, top] = this.at(x, y), far = 20 * this.width;
    return [Math.min(Math.max(left, -far), far), Math.min(Math.max(top, -far), far)];
  }

  drawHeads(many) {
    const context = this.heads, { paper } = inks();
    context.clearRect(0, 0, this.width, this.height);
    context.save();
    this.clip(context);
    context.font = "600 11px system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.lineJoin = "round";
    const taken = [];
    for (const track of this.tracks) {
      const [left, top] = this.near(track.places[2 * track.drawn], track.places[2 * track.drawn + 1]);
      const colour = readable(this.colours[track.name]), size = many ? 3 : 5;
      context.beginPath();
      for (const [x, y] of [[0, -size], [size, 0], [0, size], [-size, 0]]) context.lineTo(left + x, top + y);
      context.closePath();
      context.lineWidth = 2;
      context.strokeStyle = paper;
      context.stroke();
      context.fillStyle = colour;
      context.fill();
      if (track.start === 0) this.label(context, track.name, left + 7, top - 4, colour, paper, taken);
    }
    context.restore();
  }

  /** A name beside its head, moved up where another one stands. */
  label(context, text, left, top, colour, paper, taken) {
    const width = context.measureText(text).width;
    left = Math.min(left, this.width - EDGE - width - 2);
    top = Math.max(top, EDGE + 14);
    const way = top > this.height / 2 ? -12 : 12;
    for (let tries = 0; tries < 14; tries++) {
      if (!taken.some((one) => Math.abs(one.top - top) < 12 && left < one.left + one.width && one.left < left + width)) break;
      top += way;
    }
    taken.push({ left, top, width });
    context.lineWidth = 3;
    context.strokeStyle = paper;
    context.strokeText(text, left, top);
    context.fillStyle = colour;
    context.fillText(text, left, top);
  }

  listen() {
    const place = (event) => {
      const box = this.element.getBoundingClientRect();
      const [x0, x1, y0, y1] = this.scene.window;
      const [x, y] = this.from(event.clientX - box.left, event.clientY - box.top);
      return [Math.min(Math.max(x, x0), x1), Math.min(Math.max(y, y0), y1)];
    };
    const move = (start, done) => {
      this.setStart(start);
      this.moved(start, done);
    };
    let held = null;
    this.handle.addEventListener("pointerdown", (event) => {
      held = event.pointerId;
      this.handle.setPointerCapture(held);
      this.handle.focus();
      event.preventDefault();
    });
    this.handle.addEventListener("pointermove", (event) => event.pointerId === held && move(place(event), false));
    for (const end of ["pointerup", "pointercancel"]) {
      this.handle.addEventListener(end, (event) => {
        if (event.pointerId !== held) return;
        held = null;
        move(this.start, true);
      });
    }
    this.canvases[2].addEventListener("click", (event) => this.scene && move(place(event), true));
    this.handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const [x0, x1] = this.scene.window, far = ((x1 - x0) / 100) * (event.shiftKey ? 5 : 1);
      move([this.start[0] + way[0] * far, this.start[1] + way[1] * far], true);
    });
  }
}

function cross(context, left, top, ink, paper) {
  for (const [colour, width] of [[paper, 5], [ink, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [x, y] of [[1, 1], [1, -1]]) {
      context.moveTo(left - 5 * x, top - 5 * y);
      context.lineTo(left + 5 * x, top + 5 * y);
    }
    context.stroke();
  }
}

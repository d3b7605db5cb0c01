// Predict: a picture on a trained run; what it takes it for, how the picture was read, and where on it that is seen.

import { labelled, make } from "../dom.js";
import { waiting } from "../waiting.js";

const MOST = 20_000_000; // bytes; the server refuses more
const MAPS = [["grad-cam", "Grad-CAM"], ["occlusion", "Occlusion"]];

export function mount(element, { api, announce, link }) {
  const room = new Predict(element, api, announce, link);
  room.begin();
  return () => room.stop();
}

class Predict {
  constructor(element, api, announce, link) {
    Object.assign(this, { element, api, announce, link });
    this.wait = waiting(announce);
    this.mapping = waiting(announce);
    this.maps = new Map(); // kind and class -> map
    this.opacity = 70; // %
  }

  stop() {
    this.ended = true;
    this.wait.stop();
    this.mapping.stop();
    removeEventListener("paste", this.pasted);
  }

  async begin() {
    this.element.append(make("h1", {}, "Predict"));
    let runs;
    try {
      runs = await this.api.get("/predict/runs");
    } catch (error) {
      this.element.append(make("p", { class: "wrong", role: "alert" }, error.message));
      return;
    }
    if (this.ended) return;
    if (!runs.length) {
      const told = "There is no trained run below the server's folder. Train one (netwright train, netwright design), or start the page with --root FOLDER.";
      this.element.append(make("p", {}, told));
      return;
    }
    this.build(runs);
    const asked = this.link.read().get("run");
    if (runs.some((run) => run.id === asked)) this.run.value = asked;
    this.chooseRun();
  }

  build(runs) {
    this.run = make("select", { onchange: () => this.chooseRun() }, runs.map((run) => make("option", { value: run.id }, run.name)));
    this.told = make("p", { class: "note" });
    this.file = make("input", { type: "file", accept: "image/*,.tif,.tiff,.pgm,.ppm,.jp2,.avif", onchange: () => this.file.files[0] && this.look(this.file.files[0]) });
    const drop = make("div", { class: "drop" }, make("p", {}, "Drop a picture here, paste one, or choose a file."), labelled("picture", this.file));
    for (const name of ["dragenter", "dragover"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.add("over");
      });
    }
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer);
    });
    this.pasted = (event) => this.take(event.clipboardData, event);
    addEventListener("paste", this.pasted);
    this.answer = make("div", { class: "answer" });
    const choosing = make("section", { class: "card choosing" }, labelled("trained run", this.run), this.told, drop, this.wait.element);
    this.element.append(make("div", { class: "bench" }, choosing, this.answer));
  }

  take(transfer, event) {
    const file = transfer?.files?.[0];
    if (!file) {
      if (!event) this.announce("That is no picture's file.");
      return;
    }
    event?.preventDefault();
    this.look(file);
  }

  async chooseRun() {
    this.link.write(new URLSearchParams({ run: this.run.value }));
    this.told.textContent = "";
    const run = this.run.value;
    const about = await this.wait.run("Loading the network", () => this.api.get(`/predict/runs/${run}`));
    if (!about || this.run.value !== run) return;
    const size = `${about.image} × ${about.image} px, ${about.channels === 1 ? "grey" : "colour"}`;
    this.told.textContent = `${about.design}: ${about.classes.length} classes, pictures of ${size}.`;
    if (this.last) this.look(this.last);
  }

  async look(file) {
    this.last = file;
    if (file.size > MOST) return this.refuse(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB: at most 20 MB`);
    const path = `/predict/runs/${this.run.value}/look?${new URLSearchParams({ name: file.name })}`;
    const found = await this.wait.run("Looking", ({ signal }) => this.api.send(path, file, { signal }));
    if (!found || found.bad) return this.refuse(found?.bad);
    this.found = found;
    this.maps.clear();
    this.shown = { kind: "grad-cam", name: found.classes[0].name };
    this.showAnswer();
    this.announce(`${found.classes[0].name}, ${percent(found.classes[0].probability)}`);
    this.showMap();
  }

  /** What was shown before is no answer to this picture. */
  refuse(reason) {
    this.answer.replaceChildren(reason ? make("p", { class: "wrong", role: "alert" }, reason) : "");
  }

  showAnswer() {
    const { found } = this;
    this.picture = make("img", { class: "seen", src: found.seen, alt: `${found.name || "the picture"} as the network sees it` });
    this.cover = make("img", { class: "cover", alt: "", hidden: true });
    this.frame = make("div", { class: "frame" }, this.picture, this.cover);
    this.legend = make("p", { class: "note" });
    const kinds = [["none", "no map"], ...MAPS].map(([kind, text]) => {
      const press = () => this.choose({ kind });
      return make("button", { type: "button", "data-kind": kind, onclick: press }, text);
    });
    const opacity = make("input", { type: "range", min: 0, max: 100, value: this.opacity });
    opacity.addEventListener("input", () => this.fade(Number(opacity.value)));
    this.kinds = make("div", { class: "row", role: "group", "aria-label": "Map" }, kinds);
    const where = make("section", { class: "card" }, make("h2", {}, "Where it is seen"), this.kinds, this.frame, labelled("map's opacity", opacity), this.legend, this.mapping.element);
    this.answer.replaceChildren(where, make("div", { class: "words" }, this.classes(), this.reading()));
    this.fade(this.opacity);
    this.press();
  }

  classes() {
    const rows = this.found.classes.map(({ name, probability }) => {
      const bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span", { class: "fill" }));
      bar.firstChild.style.width = `${100 * probability}%`;
      const press = () => this.choose({ name });
      const label = `${name}, ${percent(probability)}: show where`;
      return make(
        "li",
        {},
        make("button", { type: "button", class: "class", onclick: press, "aria-label": label }, make("span", { class: "name" }, name), bar, make("span", { class: "share" }, percent(probability))),
      );
    });
    this.list = make("ol", {}, rows);
    return make("section", { class: "card" }, make("h2", {}, "What it is taken for"), this.list, make("p", { class: "note" }, "Probabilities of the network, not calibrated. Choose a class to see where it is seen."));
  }

  reading() {
    const { found } = this;
    const facts = [["file", found.name], ["format", `${found.format}, ${found.mode}`], ["size", `${found.size[0]} × ${found.size[1]} px as stored`], ["seen", `${found.image} × ${found.image} px`]];
    const list = make("dl", {}, facts.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    const notes = found.notes.length ? make("ul", {}, found.notes.map((note) => make("li", {}, note))) : make("p", { class: "note" }, "Nothing had to be converted.");
    return make("section", { class: "card" }, make("h2", {}, "How it was read"), list, notes);
  }

  choose(change) {
    Object.assign(this.shown, change);
    if (change.name && this.shown.kind === "none") this.shown.kind = "grad-cam";
    this.press();
    this.showMap();
  }

  press() {
    for (const button of this.kinds.children) button.setAttribute("aria-pressed", String(button.dataset.kind === this.shown.kind));
    [...this.list.children].forEach((item, i) => item.firstChild.setAttribute("aria-pressed", String(this.found.classes[i].name === this.shown.name)));
  }

  fade(percentage) {
    this.opacity = percentage;
    this.cover.style.opacity = percentage / 100;
  }

  async showMap() {
    const { kind, name } = this.shown, { picture } = this.found;
    this.lift();
    this.legend.textContent = "";
    this.mapping.stop();
    if (kind === "none") return;
    const key = JSON.stringify([picture, kind, name]);
    if (!this.maps.has(key)) {
      const made = await this.mapping.run(`${titleOf(kind)} of ${name}`, async (how) => {
        const answer = await this.api.post("/predict/map", { picture, kind, class: name }); // not aborted: its id is needed to cancel it
        return answer.id ? this.api.follow(answer, how) : answer;
      });
      if (!made) return;
      this.maps.set(key, made);
    }
    if (key !== JSON.stringify([this.found.picture, this.shown.kind, this.shown.name])) return;
    this.lay(this.maps.get(key));
  }

  lift() {
    this.cover.hidden = true;
    this.frame.classList.remove("mapped");
  }

  /** A map on the picture, which is grey below it. */
  lay(map) {
    this.frame.classList.add("mapped");
    this.cover.src = map.overlay;
    this.cover.alt = `${titleOf(map.kind)} map of ${map.class}`;
    this.cover.hidden = false;
    const points = (share) => `${(100 * share).toFixed(1)} points`;
    const told =
      map.kind === "occlusion"
        ? `Orange: covering it lowers the probability of ${map.class}, by ${points(map.most)} at most. Blue: covering it raises it, by ${points(Math.max(0, -map.least))} at most.`
        : map.most > 0
          ? `Orange: what raises the score of ${map.class} in the last feature map (${map.shape[0]} × ${map.shape[1]}), resized to the picture.`
          : `Nothing in the last feature map raises the score of ${map.class}.`;
    const href = `data:text/csv;charset=utf-8,${encodeURIComponent(map.csv)}`;
    this.legend.replaceChildren(`${told} `, make("a", { href, download: `netwright-${map.kind}.csv` }, "Numbers (CSV)"));
  }
}

const titleOf = (kind) => MAPS.find(([name]) => name === kind)[1];
const percent = (share) => `${(100 * share).toFixed(1)} %`;

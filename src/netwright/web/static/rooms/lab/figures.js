// The figures of the lecture notes and of the lab, computed when they are asked for.

import { labelled, make } from "../../dom.js";
import { save } from "./files.js";
import { waiting } from "../../waiting.js";

export function figures({ api, announce, about }) {
  const choice = make("select");
  for (const { name, told } of about.figures) choice.append(make("option", { value: name }, `${name}: ${told}`));
  const wait = waiting(announce);
  const place = make("div", { class: "figure" });
  let addresses = [];

  const forget = () => addresses.forEach((address) => URL.revokeObjectURL(address));

  async function draw() {
    const name = choice.value;
    const made = await wait.run(`Figure ${name}`, (how) => api.run("/lab/figure", { name }, how));
    if (!made) return;
    forget();
    addresses = [made.shown.dark, made.shown.light].map((svg) => URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" })));
    const dark = make("source", { srcset: addresses[0], media: "(prefers-color-scheme: dark)" });
    const image = make("picture", {}, dark, make("img", { src: addresses[1], alt: `${made.title}. ${made.caption}` }));
    const buttons = made.files.map((file) => {
      const form = file.name.split(".").pop().toUpperCase();
      return make("button", { type: "button", onclick: () => save(file), "aria-label": `Save the figure as ${form}` }, form);
    });
    const scroll = make("div", { class: "scroll drawn", tabindex: "0", role: "group", "aria-label": made.title }, image);
    place.replaceChildren(make("figure", {}, scroll, make("figcaption", {}, make("div", { class: "row" }, made.title, buttons), make("p", { class: "note" }, made.caption))));
    announce(`${made.title} is drawn.`);
  }

  const button = make("button", { type: "button", onclick: draw }, "Draw");
  const chosen = make("div", { class: "row figures" }, labelled("figure", choice), button);
  const element = make("section", { class: "card" }, make("h2", {}, "Figures of the lecture notes"), chosen, wait.element, place);
  return { element, stop: () => (wait.stop(), forget()) };
}

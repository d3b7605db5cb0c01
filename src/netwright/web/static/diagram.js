// The library's diagrams as a part of the page: no box but what the library drew, each with its words.

import { make } from "./dom.js";

/** The SVG text of a diagram as an element that says what it shows (`told`). */
export function picture(svg, told) {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const element = document.importNode(parsed, true);
  for (const name of ["width", "height", "aria-labelledby"]) element.removeAttribute(name);
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", told);
  return element;
}

/**
 * A diagram whose boxes can be pointed at and walked through. `on` is told {point(places), open(places)}: the places of the
 * layers that a box stands for, none when the pointer leaves. Gives {element, show(svg, told), mark(test)}.
 */
export function linkedDiagram(on) {
  const element = make("div", { class: "drawing" }, make("p", { class: "note" }, "drawing …"));
  let boxes = [];

  function show(svg, told) {
    const drawn = picture(svg, told);
    drawn.setAttribute("role", "group");
    boxes = [...drawn.querySelectorAll("[data-rows]")];
    boxes.forEach((box, i) => {
      box.places = box.dataset.rows.split(" ").map(Number);
      box.setAttribute("tabindex", i ? -1 : 0);
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", box.querySelector("title")?.textContent ?? "layer");
      box.addEventListener("mouseenter", () => on.point(box.places));
      box.addEventListener("mouseleave", () => on.point([]));
      box.addEventListener("focus", () => on.open(box.places));
      box.addEventListener("click", () => on.open(box.places));
      box.addEventListener("keydown", (event) => step(event, i));
    });
    element.replaceChildren(drawn);
  }

  function step(event, i) {
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -boxes.length, End: boxes.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = boxes[Math.max(0, Math.min(boxes.length - 1, i + steps[event.key]))];
    boxes[i].setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  }

  const mark = (test) => boxes.forEach((box) => box.classList.toggle("hot", box.places.some(test)));
  return { element, show, mark };
}

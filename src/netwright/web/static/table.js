// A table of any length of which only the lines in sight are drawn, walked through with the keyboard.

import { make } from "./dom.js";

const HEIGHT = 26; // px of a line
const AROUND = 12; // lines that are drawn beyond those that are seen
const ROOM = 460; // px that the table is high at most: before it has lines nobody knows how high it is

/**
 * Gives {element, show(lines, columns), mark(test), goTo(i), reveal(i)}. A column is {name, cell(line), words?, sort?}: `words`
 * stand left, `sort(line)` makes its head a button that orders by it. `on` is told {focus(line), enter(line), leave(),
 * open(line)}; with `open` lines answer to Enter and to a click.
 */
export function table(label, on = {}) {
  const head = make("tr", { "aria-rowindex": 1 });
  const body = make("tbody", {});
  const grid = make("table", { role: "grid", "aria-label": label }, make("thead", {}, head), body);
  const element = make("div", { class: "scroll lines", onscroll: () => requestAnimationFrame(draw) }, grid);

  let given = [];
  let lines = [];
  let columns = [];
  let active = 0; // the line that the keyboard is on
  let marked = () => false;
  let order = null; // {column, down}

  function show(fresh, shape) {
    given = fresh;
    columns = shape;
    head.replaceChildren(...columns.map(heading));
    sort();
  }

  function heading(column) {
    const mine = order?.column === column.name;
    const turn = () => {
      order = { column: column.name, down: mine ? !order.down : true };
      head.replaceChildren(...columns.map(heading));
      sort();
    };
    const arrow = mine ? (order.down ? " ↓" : " ↑") : "";
    const text = column.sort ? make("button", { type: "button", class: "sort", onclick: turn }, column.name + arrow) : column.name;
    const direction = mine ? (order.down ? "descending" : "ascending") : null;
    return make("th", { scope: "col", class: column.words ? "words" : "", "aria-sort": direction }, text);
  }

  function sort() {
    const by = columns.find((column) => column.name === order?.column)?.sort;
    const value = (line) => by(line) ?? -Infinity;
    const less = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    lines = by ? [...given].sort((a, b) => (order.down ? less(b, a) : less(a, b))) : given;
    active = Math.max(0, Math.min(active, lines.length - 1));
    grid.setAttribute("aria-rowcount", lines.length + 1);
    draw();
  }

  /** The lines that are seen, and room for those above and below. */
  function draw() {
    const first = Math.max(0, Math.floor(element.scrollTop / HEIGHT) - AROUND);
    const last = Math.min(lines.length, Math.ceil((element.scrollTop + Math.max(element.clientHeight, ROOM)) / HEIGHT) + AROUND);
    const focused = body.contains(document.activeElement);
    body.replaceChildren(room(first), ...lines.slice(first, last).map((line, i) => row(line, first + i)), room(lines.length - last));
    if (!body.querySelector('[tabindex="0"]')) body.querySelector("[data-line]")?.setAttribute("tabindex", 0);
    if (focused) body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  }

  function room(count) {
    const cell = make("td", { colspan: columns.length });
    cell.style.height = `${count * HEIGHT}px`;
    return make("tr", { class: "room-for", "aria-hidden": "true", hidden: count <= 0 }, cell);
  }

  function row(line, i) {
    const cells = columns.map((column, at) =>
      make(at ? "td" : "th", { scope: at ? null : "row", class: column.words ? "words" : "" }, column.cell(line)),
    );
    const properties = { "aria-rowindex": i + 2, "data-line": i, tabindex: i === active ? 0 : -1, class: marked(line) ? "hot" : "" };
    const focus = () => {
      active = i;
      on.focus?.(line);
    };
    const ways = { onmouseenter: () => on.enter?.(line), onmouseleave: () => on.leave?.(), onfocus: focus, onkeydown: key };
    if (on.open) ways.onclick = () => on.open(line);
    return make("tr", { ...properties, ...ways }, cells);
  }

  function key(event) {
    const page = Math.max(1, Math.floor(element.clientHeight / HEIGHT) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -lines.length, End: lines.length };
    if (event.key in steps) {
      event.preventDefault();
      goTo(Math.max(0, Math.min(lines.length - 1, active + steps[event.key])));
    } else if (event.key === "Enter" && on.open) {
      event.preventDefault();
      on.open(lines[active]);
    }
  }

  function goTo(i) {
    active = i;
    const top = i * HEIGHT;
    const seen = element.clientHeight - 2 * HEIGHT;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top > element.scrollTop + seen) element.scrollTop = top - seen;
    draw();
    body.querySelector(`[data-line="${i}"]`)?.focus({ preventScroll: true });
  }

  /** Bring a line into sight, and let the keyboard begin there. */
  function reveal(line) {
    const i = lines.indexOf(line);
    if (i < 0) return;
    active = i;
    element.scrollTop = Math.max(0, i * HEIGHT - element.clientHeight / 3);
    draw();
  }

  /** Mark the lines of which `test(line)` is true. */
  function mark(test) {
    marked = test;
    for (const one of body.querySelectorAll("[data-line]")) one.classList.toggle("hot", test(lines[one.dataset.line]));
  }

  return { element, show, mark, goTo, reveal };
}

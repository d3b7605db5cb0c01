// The layer table and the diagram, linked: what is pointed at or focused in one is marked in the other.

import { linkedDiagram } from "../../diagram.js";
import { short } from "../../dom.js";
import { table } from "../../table.js";

const COLUMNS = [
  { name: "name", cell: (line) => line.name, words: true },
  { name: "kind", cell: (line) => line.kind, words: true },
  { name: "output", cell: (line) => line.shape.join(" × "), words: true },
  { name: "field (px)", cell: (line) => (line.field ? [...new Set(line.field)].join(" × ") : "–") },
  { name: "params", cell: (line) => line.params.toLocaleString("en") },
  { name: "macs", cell: (line) => line.macs.toLocaleString("en") },
  { name: "macs (%)", cell: (line) => (100 * line.share).toFixed(1) },
  { name: "acts", cell: (line) => line.acts.toLocaleString("en") },
  { name: "saved", cell: (line) => short(line.saved, "B") },
];
const TIME = { name: "time (ms)", cell: (line) => line.milliseconds.toFixed(3) };

/** Both, empty at first. Gives {diagram, table, show({lines, svg, told})}: two elements, and what fills them. */
export function layers() {
  let lineOf = new Map(); // place of a layer -> its line

  const lines = table("Layers", { focus: (line) => mark(line.rows), enter: (line) => mark(line.rows), leave: () => mark([]) });
  const diagram = linkedDiagram({
    point: mark,
    open: (places) => {
      lines.reveal(lineOf.get(Math.min(...places.filter((place) => lineOf.has(place)))));
      mark(places);
    },
  });

  /** Mark the layers at these places in both. */
  function mark(places) {
    const marked = new Set(places);
    lines.mark((line) => line.rows.some((place) => marked.has(place)));
    diagram.mark((place) => marked.has(place));
  }

  function show(answer) {
    lineOf = new Map(answer.lines.flatMap((line) => line.rows.map((row) => [row, line])));
    mark([]);
    lines.show(answer.lines, answer.lines[0]?.milliseconds == null ? COLUMNS : [...COLUMNS, TIME]);
    diagram.show(answer.svg, answer.told);
  }

  return { diagram: diagram.element, table: lines.element, show };
}

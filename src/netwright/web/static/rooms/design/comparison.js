// Up to four networks side by side, the first one as the measure.

import { latest } from "../../api.js";
import { make, short } from "../../dom.js";
import { besides } from "./question.js";

const MOST = 4;
const ROWS = [
  ["image", (row) => `${[...new Set(row.image.slice(1))].join(" × ")} px`],
  ["params", (row) => short(row.params), "params_ratio"],
  ["macs", (row) => short(row.macs), "macs_ratio"],
  ["acts", (row) => short(row.acts), "acts_ratio"],
  ["training", (row) => short(row.training_bytes, "B"), "training_bytes_ratio"],
  ["inference", (row) => short(row.inference_bytes, "B"), "inference_bytes_ratio"],
  ["bytes for", (row) => `batch ${row.batch}, ${row.precision}, ${row.optimizer}`],
];
const TIME = ["predicted", (row) => (row.milliseconds == null ? "–" : `${row.milliseconds.toPrecision(3)} ms`)];

/** Gives {element, add(question), kept(), restore(words)}; `show(question)` opens one again, `changed()` is told of changes. */
export function comparison(api, announce, show, changed) {
  let kept = [];
  const body = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Networks side by side" });
  const element = make("section", { class: "card", "aria-label": "Comparison", hidden: true }, make("h2", {}, "Side by side"), body);
  const ask = latest((signal, networks) => api.post("/design/compare", { networks }, { signal }), draw, (error) => announce(error.message));

  function refresh() {
    element.hidden = !kept.length;
    if (kept.length) ask(kept);
    changed();
  }

  function draw({ faults, rows }) {
    if (faults.length) return announce(faults.map((fault) => fault.told).join("; "));
    if (rows.length !== kept.length) return;
    const names = rows.map((row, i) => {
      const open = make("button", { type: "button", onclick: () => show(kept[i]) }, row.network);
      const away = make("button", { type: "button", "aria-label": `Remove ${row.network}`, onclick: () => remove(i) }, "×");
      return make("th", { scope: "col" }, make("div", { class: "row" }, open, away));
    });
    const lines = rows.some((row) => row.milliseconds != null) ? [...ROWS, TIME] : ROWS;
    const told = lines.map(([name, cell, ratio]) => {
      const cells = rows.map((row, i) => make("td", {}, cell(row), ratio && i ? make("span", { class: "times" }, ` × ${row[ratio]?.toFixed(2) ?? "–"}`) : null));
      return make("tr", {}, make("th", { scope: "row" }, name), cells);
    });
    body.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "network"), names)), make("tbody", {}, told)));
  }

  function remove(i) {
    kept = kept.filter((_, at) => at !== i);
    refresh();
  }

  /** A button that puts the present question beside the others. */
  function add(question) {
    const put = () => {
      if (kept.length === MOST) return announce(`${MOST} networks stand side by side already: remove one.`);
      kept = [...kept, structuredClone(question())];
      announce(`${kept.length} of ${MOST} networks side by side.`);
      refresh();
    };
    return make("button", { type: "button", onclick: put }, "Put side by side");
  }

  function restore(words) {
    kept = besides(words);
    if (kept.length) refresh();
  }

  return { element, add, kept: () => kept, restore };
}

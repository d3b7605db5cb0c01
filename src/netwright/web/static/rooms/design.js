// The Design room: a network is chosen, changed and scaled; what it costs follows at once.

import { latest } from "../api.js";
import { labelled, make, short, unique } from "../dom.js";
import { chooser } from "./design/chooser.js";
import { comparison } from "./design/comparison.js";
import { fieldsOf, showFaults } from "./design/fields.js";
import { layers } from "./design/layers.js";
import { asWords, fromWords, START } from "./design/question.js";
import { totals } from "./design/totals.js";

const SLIDERS = [
  ["phi", "Compound scaling φ", -3, 7, 0.1],
  ["width", "Width ×", 0.25, 4, 0.05],
  ["depth", "Depth ×", 0.25, 4, 0.05],
  ["resolution", "Resolution ×", 0.25, 4, 0.05],
];

export function mount(element, { api, announce, link }) {
  let asked = fromWords(link.read());
  let answer = null; // to what was asked last without a fault
  let gone = false;

  const shown = totals();
  const linked = layers();
  const sliders = Object.fromEntries(SLIDERS.map((one) => [one[0], slider(...one)]));
  const fields = make("div", {});
  const scalingWrong = make("p", { class: "wrong", "data-at": "scaling", hidden: true });
  const otherWrong = make("p", { class: "wrong", role: "alert", hidden: true });
  const select = chooser(
    api.get("/design/networks").then((told) => told.networks, () => []),
    (net) => ask({ ...START, batch: asked.batch, precision: asked.precision, optimizer: asked.optimizer, net }, true),
  );
  const beside = comparison(api, announce, (one) => ask(one, true), () => writeLink());

  const cost = latest((signal, what) => api.post("/design/cost", what, { signal }).then((told) => ({ told, what })), costed, failed);
  const table = latest((signal, what, by) => api.post("/design/table", { ...what, by }, { signal }), tabled, failed, 200);
  const form = latest((signal, what) => api.post("/design/form", what, { signal }), formed, failed);

  // ------------------------------------------------------------ controls

  function slider(name, text, least, most, step) {
    const value = make("output", { class: "value" });
    const input = make("input", { type: "range", min: least, max: most, step, id: unique(name), oninput: () => ask({ [name]: Number(input.value) }) });
    value.setAttribute("for", input.id);
    const label = make("label", { for: input.id }, text);
    const set = (number) => {
      input.value = number;
      value.textContent = Number(number).toFixed(2).replace(/0$/, "");
    };
    return { element: make("div", { class: "field slider" }, label, value, input), set };
  }

  const batch = make("input", { type: "number", min: 1, step: 1, oninput: () => ask({ batch: batch.value === "" ? "" : Number(batch.value) }) });
  const batchWrong = make("span", { class: "wrong", "data-at": "batch", id: unique("wrong"), hidden: true });
  batch.setAttribute("aria-describedby", batchWrong.id);
  const precision = make("select", { onchange: () => ask({ precision: precision.value }) });
  const optimizer = make("select", { onchange: () => ask({ optimizer: optimizer.value }) });
  const by = make("select", { onchange: () => table(asked, by.value) }, ["layer", "block", "stage"].map((one) => make("option", {}, one)));
  const original = () => ask({ phi: 0, width: 1, depth: 1, resolution: 1, changes: {} }, true);
  const zoom = make("button", { type: "button", "aria-pressed": "false", onclick: enlarge }, "Larger");

  api.get("/design/choices").then(
    (told) => {
      const fill = (control, names, value) => control.replaceChildren(...names.map((one) => make("option", { selected: one === value }, one)));
      fill(precision, told.precisions, asked.precision);
      fill(optimizer, told.optimizers, asked.optimizer);
      shown.calibrated(told);
    },
    failed,
  );

  function enlarge() {
    const large = linked.diagram.classList.toggle("large");
    zoom.setAttribute("aria-pressed", String(large));
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      announce(`${what} is copied.`);
    } catch {
      announce("The browser did not allow copying: select the text below the buttons.");
    }
  }

  const copied = (name, what) => make("button", { type: "button", onclick: () => answer && copy(answer[name], what) }, `Copy as ${what}`);
  const permalink = make("button", { type: "button", onclick: () => copy(link.address(), "The link") }, "Copy link");
  const python = make("pre", { tabindex: 0, "aria-label": "The network as Python" });
  const command = make("pre", { tabindex: 0, "aria-label": "The network's cost as a command" });

  const heading = make("h2", {}, asked.net || "The network");
  const controls = make(
    "section",
    { class: "card controls", "aria-label": "Network" },
    select.element,
    make("h2", {}, "Scale"),
    ...SLIDERS.map(([name]) => sliders[name].element),
    scalingWrong,
    make("div", { class: "row use" }, labelled("Batch", batch, batchWrong), labelled("Precision", precision), labelled("Optimizer", optimizer)),
    make("div", { class: "row" }, make("button", { type: "button", onclick: original }, "As published")),
    otherWrong,
    make("details", { open: matchMedia("(min-width: 801px)").matches }, make("summary", {}, "Fields of the design"), fields),
  );
  const results = make(
    "div",
    { class: "results" },
    make("section", { class: "card", "aria-label": "Cost" }, heading, shown.element),
    make(
      "section",
      { class: "card", "aria-label": "Take it along" },
      make("div", { class: "row" }, copied("python", "Python"), copied("command", "command"), permalink, beside.add(() => asked)),
      make("details", {}, make("summary", {}, "Python and command"), python, command),
    ),
    beside.element,
    make("section", { class: "card", "aria-label": "Diagram" }, make("div", { class: "row spread" }, make("h2", {}, "Diagram"), zoom), linked.diagram),
    make("section", { class: "card", "aria-label": "Layers" }, make("div", { class: "row spread" }, make("h2", {}, "Layers"), labelled("A line for each", by)), linked.table),
  );
  element.append(make("h1", {}, "Design"), make("div", { class: "columns" }, controls, results));

  // ------------------------------------------------------------ asking and showing

  /** Change what is asked, and ask; `anew` where the fields have to be drawn again. */
  function ask(changes, anew = false) {
    asked = { ...asked, ...changes };
    if (anew) {
      select.set(asked.net || "");
      batch.value = asked.batch;
      precision.value = asked.precision;
      optimizer.value = asked.optimizer;
      form({ net: asked.net, design: asked.design, changes: asked.changes });
    }
    for (const [name] of SLIDERS) sliders[name].set(asked[name]);
    cost(asked);
  }

  function costed({ told, what }) {
    const elsewhere = showFaults(controls, told.faults);
    otherWrong.hidden = !elsewhere.length;
    otherWrong.textContent = elsewhere.map((fault) => fault.told).join("; ");
    results.classList.toggle("stale", told.faults.length > 0);
    if (told.faults.length) return;
    answer = told;
    heading.textContent = told.name;
    shown.show(told.cost, told.unscaled);
    python.textContent = told.python;
    command.textContent = told.command;
    writeLink();
    table(what, by.value);
  }

  function tabled(told) {
    if (!told.faults.length) linked.show(told);
  }

  function formed({ faults, design, types }) {
    if (faults.length) return;
    fields.replaceChildren(
      ...fieldsOf(types, design, (name, value) => ask({ changes: { ...asked.changes, [name]: value } })),
    );
  }

  function writeLink() {
    if (!gone) link.write(asWords(asked, beside.kept()));
  }

  function failed(error) {
    if (error.status !== 0) announce(error.message);
  }

  const again = () => ask({}, true);
  addEventListener("netwright-back", again);
  beside.restore(link.read());
  ask({}, true);

  return () => {
    gone = true;
    removeEventListener("netwright-back", again);
    for (const one of [cost, table, form]) one.stop();
  };
}

// A study: how far it is, its front, the distribution of its errors, its curves, and every trial.

import { picture } from "../../diagram.js";
import { make, short } from "../../dom.js";
import { table } from "../../table.js";
import { charts } from "./charts.js";
import { facts, percent, seconds } from "./words.js";

const TITLES = { front: "Accuracy against cost", errors: "Distribution of errors", curves: "Learning curves of the trials" };
const COLUMNS = [
  { name: "trial", cell: (one) => (one.front ? `${one.number} ★` : String(one.number)), sort: (one) => one.number },
  { name: "status", cell: (one) => one.status, words: true },
  { name: "accuracy", cell: (one) => (one.accuracy == null ? "–" : percent(one.accuracy)), sort: (one) => one.accuracy },
  { name: "macs", cell: (one) => short(one.macs), sort: (one) => one.macs },
  { name: "params", cell: (one) => short(one.params), sort: (one) => one.params },
  { name: "time", cell: (one) => (one.seconds ? seconds(one.seconds) : "–"), sort: (one) => one.seconds },
  { name: "choices", cell: (one) => one.reason || one.chosen, words: true },
];

export function studyView(item, { api, draw, announce, link, reportOf }) {
  const drawn = charts(draw, TITLES);
  const lines = table("Trials", { open: (one) => open(one.number) });
  const progress = make("progress", { "aria-label": "Trials that have ended" });
  const lead = make("p", {});
  const asked = make("div", {});
  const report = make("div", { class: "row" });
  const trial = make("section", { class: "card trial", "aria-label": "Trial", tabindex: -1, hidden: true });
  const heading = make("h2", {}, item.name);
  const element = make(
    "div",
    { class: "view" },
    make("section", { class: "card", "aria-label": "Study" }, heading, lead, progress, report, make("details", {}, make("summary", {}, "What was asked"), asked)),
    trial,
    drawn.element,
    make("section", { class: "card", "aria-label": "Trials" }, make("h2", {}, "Trials"), make("p", { class: "note" }, "★: on the front. Open a trial with a click or Enter."), lines.element),
  );
  let curve = null;

  async function show(told) {
    if (told.told) return lead.replaceChildren(told.told);
    const { counts } = told;
    const ended = counts.complete + counts["stopped early"] + counts.failed;
    const words = Object.entries(counts).filter(([, count]) => count).map(([status, count]) => `${count.toLocaleString("en")} ${status}`);
    progress.max = told.wanted;
    progress.value = ended;
    progress.hidden = told.state === "finished";
    lead.replaceChildren(make("span", { class: `state ${told.state}` }, told.state), ` ${ended.toLocaleString("en")} of ${told.wanted.toLocaleString("en")} trials: ${words.join(", ") || "none yet"}; ${seconds(told.seconds)} of computing.`);
    asked.replaceChildren(facts(told.asked));
    report.replaceChildren(...(told.report ? [reportOf(item)] : []));
    lines.show(told.trials, COLUMNS);
    await drawn.show(told.charts);
    const wanted = link.read().get("trial");
    if (wanted && trial.hidden) open(Number(wanted), false);
  }

  async function open(number, focus = true) {
    try {
      const told = await api.get(`/studies/study/${item.id}/trials/${number}`);
      fill(told);
      link.write(new URLSearchParams({ id: item.id, trial: number }));
      if (focus) trial.focus();
    } catch (error) {
      announce(error.message);
    }
  }

  function fill(told) {
    const shut = () => {
      trial.hidden = true;
      curve?.finalize();
      curve = null;
      link.write(new URLSearchParams({ id: item.id }));
      lines.element.querySelector('[tabindex="0"]')?.focus();
    };
    const close = make("button", { type: "button", onclick: shut }, "Close");
    trial.onkeydown = (event) => event.key === "Escape" && shut();
    trial.setAttribute("aria-label", `Trial ${told.number}`);
    const known = {
      status: told.reason ? `${told.status}: ${told.reason}` : told.status,
      accuracy: told.accuracy == null ? "–" : percent(told.accuracy),
      macs: told.macs.toLocaleString("en"),
      params: told.params.toLocaleString("en"),
      acts: told.acts.toLocaleString("en"),
      time: seconds(told.seconds),
      seed: String(told.seed),
      host: told.host,
      choices: Object.entries(told.chosen).map(([name, value]) => `${name} ${value}`).join(", "),
    };
    const parts = [make("div", { class: "row spread" }, make("h2", {}, `Trial ${told.number}`), close), facts(known)];
    const chart = make("div", { class: "chart" });
    if (told.problem) parts.push(make("p", { class: "note" }, `Its design cannot be shown: ${told.problem}`));
    else parts.push(...designOf(told));
    if (told.chart) parts.push(make("h3", {}, "Learning curve"), chart);
    trial.replaceChildren(...parts);
    trial.hidden = false;
    if (told.chart) draw(chart, told.chart.spec, told.chart.label).then((view) => (curve = view));
  }

  return { element, show, close: () => { drawn.close(); curve?.finalize(); } };
}

function designOf(told) {
  const words = new URLSearchParams({ design: JSON.stringify(told.link) });
  const rows = told.stages.map((stage) =>
    make("tr", {}, make("th", { scope: "row" }, stage.name), [stage.shape.join(" × "), short(stage.params), short(stage.macs), `${(100 * stage.share).toFixed(1)} %`].map((cell) => make("td", {}, cell))),
  );
  const head = make("tr", {}, ["stage", "output", "params", "macs", "of all macs"].map((name) => make("th", { scope: "col" }, name)));
  return [
    make("p", {}, make("a", { href: `#design?${words}` }, "Open in the Design room")),
    make("pre", { tabindex: 0, "aria-label": "The design" }, told.python),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Cost of each stage" }, make("table", {}, make("thead", {}, head), make("tbody", {}, rows))),
    make("div", { class: "drawing", tabindex: 0, role: "region", "aria-label": "Diagram" }, picture(told.svg, `Diagram of trial ${told.number}`)),
  ];
}

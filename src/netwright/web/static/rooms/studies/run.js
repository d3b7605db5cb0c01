// A run: how its training goes, what came of it, what was tried on the way.

import { make, short } from "../../dom.js";
import { charts } from "./charts.js";
import { counted, facts, percent, seconds } from "./words.js";

const TITLES = { accuracy: "Accuracy", candidates: "What was tried", loss: "Training loss", rate: "Learning rate" };

export function runView(item, { draw, reportOf }) {
  const drawn = charts(draw, TITLES);
  const lead = make("p", {});
  const progress = make("progress", { "aria-label": "Steps of the training that are done" });
  const now = make("p", { class: "note" });
  const known = make("div", {});
  const row = make("div", { class: "row" });
  const element = make("div", { class: "view" }, make("section", { class: "card", "aria-label": "Run" }, make("h2", {}, item.name), lead, progress, now, row, known), drawn.element);

  async function show(told) {
    const { result, step } = told;
    const state = make("span", { class: `state ${told.state}` }, told.state);
    lead.replaceChildren(state, " ", ...headline(told));
    progress.hidden = told.state === "finished" || !step;
    now.hidden = progress.hidden;
    if (step) {
      progress.max = step.of;
      progress.value = step.step;
      now.textContent = `epoch ${step.epoch}, step ${step.step.toLocaleString("en")} of ${step.of.toLocaleString("en")}, loss ${step.loss.toFixed(3)}, ${Math.round(step.images_per_second ?? 0).toLocaleString("en")} images per second`;
    }
    known.replaceChildren(result?.accuracy ? facts(figures(result)) : "");
    const link = told.design && make("a", { href: `#design?${new URLSearchParams({ design: JSON.stringify(told.design) })}` }, "Open in the Design room");
    row.replaceChildren(...(told.report ? [reportOf(item)] : []), ...(link ? [link] : []));
    await drawn.show(told.charts);
  }

  return { element, show, close: drawn.close };
}

function headline({ result, command, candidates, epochs }) {
  if (result?.spread) return [`${percent(result.spread.mean)} of the held-out pictures right, on average over the seeds.`];
  if (!result) return [`${command ? `netwright ${command}` : "a run"}: ${candidates.length ? `${counted(candidates.length, "candidate")} tried, ` : ""}${counted(epochs.length, "epoch")} done.`];
  const [low, high] = result.accuracy.interval_95 ?? [];
  const interval = low == null ? "" : ` (95 % interval ${percent(low)} to ${percent(high)})`;
  return [make("strong", {}, percent(result.accuracy.top1)), ` of ${result.accuracy.of.toLocaleString("en")} held-out pictures right${interval}.`];
}

function figures({ network, cost, data, training_seconds, finished, accuracy }) {
  const pictures = Object.entries(data.pictures ?? {}).map(([part, count]) => `${count.toLocaleString("en")} ${part}`);
  return {
    network,
    macs: cost && `${short(cost.macs)} at ${cost.image} px`,
    params: cost && short(cost.params),
    "top 5": accuracy.top5 == null ? null : percent(accuracy.top5),
    pictures: data.source && `${data.source}: ${pictures.join(", ")}`,
    "trained for": training_seconds == null ? null : seconds(training_seconds),
    finished,
  };
}

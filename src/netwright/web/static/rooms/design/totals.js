// What a network costs in all: counts, bytes with their parts, predicted time; beside them how much scaling changed.

import { make, short } from "../../dom.js";

const TRAINING = [["parameters", "weights"], ["gradients", "gradients"], ["state", "optimizer"], ["saved", "saved for backward"]];
const INFERENCE = [["weights", "weights"], ["maps", "largest live maps"]];

/** Gives {element, show(cost, unscaled), calibrated(choices)}. */
export function totals() {
  const element = make("dl", { class: "totals" });
  let machine = { profile: null, profile_precision: null };

  function show(cost, unscaled) {
    const times = (name) => (unscaled[name] && cost[name] !== unscaled[name] ? `× ${(cost[name] / unscaled[name]).toFixed(2)}` : "");
    const count = (name, told) => one(told ?? name, short(cost[name]), cost[name].toLocaleString("en"), times(name));
    const bytes = (name, told, parts) => one(told, short(cost[name], "B"), bar(parts, cost.memory), times(name));
    element.replaceChildren(
      count("params"),
      count("macs"),
      count("acts"),
      one("image", `${[...new Set(cost.image.slice(1))].join(" × ")} px`, `${cost.layers.toLocaleString("en")} layers`, ""),
      bytes("training_bytes", "memory in training", TRAINING),
      bytes("inference_bytes", "memory in inference", INFERENCE),
      time(cost, times("milliseconds")),
    );
  }

  function time(cost, times) {
    if (cost.milliseconds != null) return one("latency, predicted", `${cost.milliseconds.toPrecision(3)} ms`, `batch ${cost.batch} on ${cost.profile}`, times);
    const how = machine.profile
      ? `this machine was calibrated in ${machine.profile_precision}, not in ${cost.precision}`
      : ["calibrate this machine once: ", make("code", {}, "netwright calibrate")];
    return one("latency, predicted", "–", make("span", { class: "note" }, how), "");
  }

  return { element, show, calibrated: (told) => (machine = told) };
}

function one(name, value, exact, times) {
  const small = typeof exact === "string" ? make("span", { class: "note" }, exact) : exact;
  return make("div", {}, make("dt", {}, name), make("dd", {}, make("strong", {}, value), make("span", { class: "times" }, times), small));
}

/** The parts of a sum as a bar, told in words below it. */
function bar(parts, memory) {
  const sum = parts.reduce((all, [name]) => all + memory[name], 0) || 1;
  const pieces = parts.map(([name], i) => {
    const piece = make("span", { class: `part part-${i}` });
    piece.style.flexGrow = memory[name] / sum;
    return piece;
  });
  const words = parts.map(([name, told], i) => make("span", {}, make("span", { class: `key part-${i}` }), `${told} ${short(memory[name], "B")}`));
  return make("div", { class: "note" }, make("div", { class: "bar", "aria-hidden": "true" }, pieces), make("div", { class: "keys" }, words));
}

// How the Studies room writes things.

import { make } from "../../dom.js";

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** 1 epoch, 1,200 epochs. */
export const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

export function seconds(count) {
  if (count < 59.95) return `${count.toFixed(1)} s`;
  const minutes = Math.floor(Math.round(count) / 60);
  return minutes < 60 ? `${minutes} min ${String(Math.round(count) % 60).padStart(2, "0")} s` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** Words and what they are; what is not known is left out. */
export function facts(known) {
  const pairs = Object.entries(known).filter(([, value]) => value != null && value !== "");
  return make("dl", { class: "facts" }, pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
}

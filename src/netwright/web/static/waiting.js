// A long action where it was started: how far it is, and a button that stops it.

import { make } from "./dom.js";

/**
 * An element that stays empty until `run(title, work)`: `work({progress, signal})` is what takes long. Gives its result, or
 * undefined where it was cancelled or failed, which is then told. A newer `run` ends the one before, as `stop` does.
 */
export function waiting(announce) {
  const element = make("div", { class: "waiting" });
  let controller;
  const show = (...children) => element.replaceChildren(...children);

  async function run(title, work) {
    controller?.abort();
    const mine = (controller = new AbortController());
    const bar = make("progress", { "aria-label": title });
    const word = make("span", { class: "note" }, title);
    show(word, bar, make("button", { type: "button", onclick: () => mine.abort() }, "Cancel"));
    const progress = (job) => {
      word.textContent = job.word ? `${title}: ${job.word}` : title;
      if (job.total) Object.assign(bar, { max: job.total, value: job.done });
    };
    try {
      const result = await Promise.race([work({ progress, signal: mine.signal }), aborted(mine.signal)]);
      show();
      return result;
    } catch (error) {
      if (mine !== controller) return undefined;
      const stopped = error.name === "AbortError";
      show(stopped ? "" : make("p", { class: "wrong", role: "alert" }, error.message));
      if (stopped) announce(`${title}: cancelled`);
      return undefined;
    }
  }

  function stop() {
    controller?.abort();
    controller = undefined;
    show();
  }

  return { element, run, stop };
}

/** Never fulfilled; fails as soon as the signal says so, though the work may take a while to hear of it. */
function aborted(signal) {
  return new Promise((_, fail) => {
    signal.addEventListener("abort", () => fail(new DOMException("cancelled", "AbortError")), { once: true });
  });
}

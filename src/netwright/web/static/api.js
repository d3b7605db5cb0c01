// Questions to the server. Every one carries the token; a lost server is noticed here, and its return.

const KEY = "netwright-token";
const POLL = 250; // ms between two looks at a long action

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status; // 0: the server did not answer
  }
}

/** Take the token out of the address, where it would be copied along, and keep it for this tab. */
export function takeToken() {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (!token) return;
  sessionStorage.setItem(KEY, token);
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

/** Keep the token of an address that was pasted, or the token itself. */
export function giveToken(text) {
  const found = text.match(/[?&]token=([^&#\s]+)/);
  sessionStorage.setItem(KEY, found ? found[1] : text.trim());
}

/**
 * The wrapper that every room gets as `api`. All answers are plain values; failures are ApiErrors whose message is the
 * library's own line. `options.signal` aborts. `watch` is told "lost", "back" and "refused" (no token).
 */
export function makeApi(watch) {
  let lost = false;

  async function ask(method, path, options = {}) {
    const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}`, ...options.headers };
    let answer;
    try {
      answer = await fetch(`/api${path}`, { method, headers, body: options.body, signal: options.signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (!lost) reconnect();
      throw new ApiError("the server does not answer", 0);
    }
    if (answer.status === 401) watch("refused");
    const told = await answer.json();
    if (!answer.ok) throw new ApiError(told.error ?? `the server said ${answer.status}`, answer.status);
    if (told?.refused) throw new ApiError(told.refused, answer.status); // an answer, which the browser's console takes for no error
    return told;
  }

  async function reconnect() {
    lost = true;
    watch("lost");
    while (lost) {
      await new Promise((done) => setTimeout(done, 1000));
      try {
        const answer = await fetch("/api/alive", { headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` } });
        lost = false;
        watch(answer.ok ? "back" : "refused");
      } catch {
        // not yet
      }
    }
  }

  const get = (path, options) => ask("GET", path, options);
  const post = (path, value, options = {}) =>
    ask("POST", path, { ...options, body: JSON.stringify(value), headers: { "Content-Type": "application/json" } });
  const send = (path, blob, options = {}) =>
    ask("POST", path, { ...options, body: blob, headers: { "Content-Type": "application/octet-stream" } });

  /** Start a long action with a question, follow it, and give its result; aborting `options.signal` cancels it. */
  async function run(path, value, options = {}) {
    return follow(await post(path, value), options);
  }

  /** Follow a long action that was started (by any answer with its `id`). `options.progress` gets {done, total, word}. */
  async function follow(job, { progress = () => {}, signal } = {}) {
    const cancel = () => post(`/jobs/${job.id}/cancel`, {}).catch(() => {});
    if (signal?.aborted) cancel(); // while the answer with the job's id was on its way
    else signal?.addEventListener("abort", cancel, { once: true });
    try {
      for (;;) {
        if (job.state === "done") return job.result;
        if (job.state === "failed") throw new ApiError(job.error, 400);
        if (job.state === "cancelled") throw new DOMException("cancelled", "AbortError");
        progress(job);
        await new Promise((done) => setTimeout(done, POLL));
        job = await get(`/jobs/${job.id}`);
      }
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  return { get, post, send, run, follow };
}

/**
 * Wrap a question of which only the newest counts: `ask(signal, ...values)` runs for the last values as soon as the question
 * before it is answered, and `show(answer)` gets what it says; `fail(error)` what went wrong. With `wait` it first lets so
 * many ms pass without a call. What it gives is called with the values; its `stop()` ends it.
 */
export function latest(ask, show, fail, wait = 0) {
  let next, called = 0, busy = false;
  const controller = new AbortController();
  async function work() {
    busy = true;
    while (next && !controller.signal.aborted) {
      const left = called + wait - performance.now();
      if (left > 0) {
        await new Promise((done) => setTimeout(done, left));
        continue;
      }
      const values = next;
      next = undefined;
      try {
        const answer = await ask(controller.signal, ...values);
        if (!controller.signal.aborted && (!next || !wait)) show(answer);
      } catch (error) {
        if (error.name !== "AbortError" && !next) fail(error);
      }
    }
    busy = false;
  }
  const call = (...values) => {
    next = values;
    called = performance.now();
    if (!busy) work();
  };
  call.stop = () => controller.abort();
  return call;
}

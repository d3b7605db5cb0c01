// The Studies room: what runs and has run below the server's folder, looked at again every few seconds.

import { make, unique } from "../dom.js";
import { runView } from "./studies/run.js";
import { studyView } from "./studies/study.js";

const EVERY = 2000; // ms

export function mount(element, tools) {
  const { api, announce, link } = tools;
  let chosen = link.read().get("id") ?? "";
  let view = null; // of what is chosen
  let version = "";
  let gone = false;
  let timer;
  let turn = 0; // of looking: an answer that comes after a newer question is not for us

  const filterId = unique("filter");
  const filter = make("input", { type: "search", id: filterId, oninput: () => list(items) });
  const names = make("ul", { class: "found" });
  const below = make("p", { class: "note" });
  const detail = make("div", { class: "detail" }, make("p", { class: "note" }, "Choose a study or a run."));
  let items = [];
  let listed = ""; // what the list shows
  element.append(
    make("h1", {}, "Studies and runs"),
    make(
      "div",
      { class: "columns" },
      make("section", { class: "card", "aria-label": "Found" }, make("div", { class: "field" }, make("label", { for: filterId }, "Filter by name"), filter), names, below),
      detail,
    ),
  );

  function list(found) {
    items = found;
    const shown = items.filter((item) => item.name.toLowerCase().includes(filter.value.toLowerCase()));
    const words = JSON.stringify([chosen, ...shown.map((item) => [item.id, item.state, item.changed && ago(item.changed)])]);
    if (words === listed) return; // a button that is replaced cannot be clicked, nor read to its end
    listed = words;
    const focused = names.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    names.replaceChildren(...shown.map(entry));
    if (focused) names.querySelector(`[data-id="${focused}"]`)?.focus();
  }

  function entry(item) {
    const facts = make("span", { class: "note" }, item.place ? `${item.kind} in ${item.place}` : `${item.kind}, changed ${ago(item.changed)}`);
    const state = item.state ? make("span", { class: `state ${item.state}` }, item.state) : make("span", {});
    const current = item.id === chosen ? "true" : null;
    const button = make("button", { type: "button", "data-id": item.id, "aria-current": current, onclick: () => choose(item.id) }, make("span", { class: "name" }, item.name), state, facts);
    return make("li", {}, button);
  }

  function choose(id) {
    if (id === chosen && view) return;
    chosen = id;
    link.write(new URLSearchParams({ id }));
    close();
    list(items);
    look();
  }

  function close() {
    view?.close();
    view = null;
    version = "";
  }

  /** Ask what there is, and what has become of what is chosen. */
  async function look() {
    clearTimeout(timer);
    const mine = ++turn;
    const old = () => gone || mine !== turn;
    try {
      const told = await api.get("/studies/list");
      if (old()) return;
      below.textContent = told.items.length
        ? `Looking below ${told.root}.`
        : `Nothing below ${told.root} yet. Start netwright ui with --root FOLDER to look elsewhere, or begin: netwright search, design or train.`;
      if (told.problems.length) below.textContent += ` Cannot be asked now: ${told.problems.join("; ")}.`;
      list(told.items);
      const item = told.items.find((one) => one.id === chosen);
      if (item) await follow(item, old);
    } catch (error) {
      if (error.status !== 0 && !old()) detail.replaceChildren(make("p", { class: "wrong", role: "alert" }, error.message));
    }
    if (!old()) timer = setTimeout(look, document.hidden ? 5 * EVERY : EVERY);
  }

  async function follow(item, old) {
    if (!view) detail.replaceChildren(make("p", { class: "note" }, `reading ${item.name} …`));
    const seen = version ? `?seen=${encodeURIComponent(version)}` : "";
    const told = await api.get(`/studies/${item.kind}/${item.id}${seen}`);
    if (old() || told.same) return;
    version = told.version;
    if (!view) {
      view = (item.kind === "study" ? studyView : runView)(item, { ...tools, reportOf });
      detail.replaceChildren(view.element);
    }
    await view.show(told);
  }

  /** A button that shows a report in a frame that can do nothing but be read. */
  function reportOf(item) {
    const show = async () => {
      try {
        const { address } = await api.post(`/studies/report/${item.id}`, {});
        const frame = make("iframe", { src: address, title: `Report of ${item.name}`, sandbox: "allow-downloads" });
        const shut = make("button", { type: "button", onclick: () => dialog.close() }, "Close");
        const apart = make("a", { href: address, target: "_blank", rel: "noopener" }, "in a tab of its own");
        const dialog = make("dialog", { class: "report", "aria-label": `Report of ${item.name}`, onclose: () => dialog.remove() }, make("div", { class: "row spread" }, apart, shut), frame);
        element.append(dialog);
        dialog.showModal();
      } catch (error) {
        announce(error.message);
      }
    };
    return make("button", { type: "button", onclick: show }, "Open the report");
  }

  addEventListener("netwright-back", look);
  look();
  return () => {
    gone = true;
    clearTimeout(timer);
    removeEventListener("netwright-back", look);
    close();
  };
}

function ago(seconds) {
  const past = Math.max(0, Date.now() / 1000 - seconds);
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

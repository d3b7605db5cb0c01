// A searchable list of the zoo: a combobox whose options show params and macs.

import { make, short, unique } from "../../dom.js";

/**
 * The list as a field. `networks` is a promise of [{name, params, macs, image}], `choose(name)` is told a choice.
 * Gives {element, set(name)}.
 */
export function chooser(networks, choose) {
  const [inputId, listId] = [unique("network"), unique("networks")];
  let all = [];
  let shown = [];
  let active = -1;
  let chosen = "";

  const list = make("ul", { id: listId, role: "listbox", class: "options", "aria-label": "Networks of the zoo", hidden: true });
  const input = make("input", {
    id: inputId,
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-expanded": "false",
    "aria-controls": listId,
    "aria-autocomplete": "list",
    oninput: () => open(input.value),
    onfocus: () => input.select(),
    onclick: () => list.hidden && open(""),
    onblur: () => close(),
    onkeydown: key,
  });
  const element = make("div", { class: "field chooser" }, make("label", { for: inputId }, "Network"), input, list);

  networks.then((found) => {
    all = found;
    if (!list.hidden) open(input.value);
  });

  function open(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter((one) => words.every((word) => one.name.includes(word)));
    const first = shown.findIndex((one) => one.name === chosen);
    list.replaceChildren(...shown.map(option));
    if (!shown.length) list.append(make("li", { class: "note", role: "option", "aria-disabled": "true", "aria-selected": "false" }, all.length ? "no network is called so" : "reading the zoo"));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    activate(Math.max(first, 0));
  }

  function option(one, place) {
    const parts = [make("span", {}, one.name), make("span", {}, `${short(one.params)} params`), make("span", {}, `${short(one.macs)} macs`)];
    const pick = (event) => {
      event.preventDefault();
      take(place);
    };
    return make("li", { id: `${listId}-${place}`, role: "option", "aria-selected": "false", onmousedown: pick }, parts);
  }

  function activate(place) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = Math.min(place, shown.length - 1);
    const now = shown.length ? list.children[active] : null;
    now?.setAttribute("aria-selected", "true");
    now?.scrollIntoView({ block: "nearest" });
    if (now) input.setAttribute("aria-activedescendant", now.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) {
      event.preventDefault();
      if (list.hidden) open("");
      else activate(Math.max(0, active + steps[event.key]));
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault();
      take(active);
    } else if (event.key === "Escape") close();
  }

  function take(place) {
    const one = shown[place];
    if (!one) return;
    set(one.name);
    close();
    choose(one.name);
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.value = chosen;
  }

  function set(name) {
    chosen = name;
    input.value = name;
  }

  return { element, set };
}

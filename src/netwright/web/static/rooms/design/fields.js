// A form out of a design's own fields: what may stand in each comes from its annotation, what is wrong from the library.

import { make, unique } from "../../dom.js";

const copy = (value) => structuredClone(value);

/**
 * The fields of `design` (plain values with a `type`), described by `types`. `change(name, value)` is told the new value of a
 * field of the design itself, however deep in it the change was. Gives the elements.
 */
export function fieldsOf(types, design, change) {
  const plain = copy(design);

  function fields(holder, path, changed) {
    return types[holder.type].map((field) => {
      const set = (value) => {
        holder[field.name] = value;
        changed(field.name);
      };
      return control(field.name, field.form, holder[field.name], set, [...path, field.name]);
    });
  }

  function control(name, form, value, set, path) {
    const options = form.kind === "either" ? form.of : [form];
    const held = options.find((one) => one.kind === "value");
    if (held) return nested(name, held.types, options.some((one) => one.kind === "none"), value, set, path);
    if (form.kind === "several" && form.of.kind === "value") return several(name, form.of.types, value, set, path);
    return simple(name, form, value, set, path);
  }

  /** A number, a word, yes or no, several numbers. */
  function simple(name, form, value, set, path) {
    const id = unique("field");
    const wrong = make("span", { class: "wrong", id: `${id}-wrong`, "data-at": ["design", ...path].join("."), hidden: true });
    const shared = { id, "aria-describedby": wrong.id };
    let input;
    if (form.kind === "yes_no") {
      input = make("input", { ...shared, type: "checkbox", checked: value, onchange: () => set(input.checked) });
      return make("div", { class: "field check" }, input, make("label", { for: id }, name), wrong);
    }
    if (form.kind === "word") {
      const choices = form.choices.map((one, i) => make("option", { value: i, selected: one === value }, String(one)));
      input = make("select", { ...shared, onchange: () => set(form.choices[input.value]) }, choices);
    } else if (form.kind === "whole" || form.kind === "number") {
      const step = form.kind === "whole" ? 1 : "any";
      input = make("input", { ...shared, type: "number", step, value, oninput: () => set(number(input.value)) });
    } else {
      input = make("input", { ...shared, value: written(value), spellcheck: "false", oninput: () => set(read(input.value, form)) });
    }
    return make("div", { class: "field" }, make("label", { for: id }, name), input, wrong);
  }

  /** A block in a field: its class is chosen, its fields stand below. */
  function nested(name, kinds, optional, value, set, path) {
    const body = make("div", {});
    const place = make("fieldset", { class: "nested" }, make("legend", {}, name));
    const wrong = make("span", { class: "wrong", "data-at": ["design", ...path].join("."), hidden: true });
    const names = optional ? ["none", ...kinds] : kinds;
    if (names.length > 1) {
      const id = unique("kind");
      const now = value?.type ?? "none";
      const pick = () => {
        value = select.value === "none" ? null : fresh(select.value);
        fill();
        set(value);
      };
      const select = make("select", { id, onchange: pick }, names.map((one) => make("option", { selected: one === now }, one)));
      place.append(make("div", { class: "field" }, make("label", { for: id }, `${name} is`), select));
    }
    const fill = () => body.replaceChildren(...(value ? fields(value, path, () => set(value)) : []));
    fill();
    place.append(wrong, body);
    return place;
  }

  /** Several blocks, such as stages: each can be opened, copied and removed. */
  function several(name, kinds, value, set, path) {
    const body = make("div", {});
    const wrong = make("span", { class: "wrong", "data-at": ["design", ...path].join("."), hidden: true });
    const place = make("fieldset", { class: "nested" }, make("legend", {}, name), wrong, body);
    const whole = (change) => {
      change();
      fill();
      set(value);
    };
    function item(one, i) {
      const inner = fields(one, [...path, i], () => {
        label.textContent = told(one, i);
        set(value);
      });
      const label = make("summary", {}, told(one, i));
      const more = make("button", { type: "button", onclick: () => whole(() => value.splice(i, 0, copy(one))) }, "One more like it");
      const away = make("button", { type: "button", disabled: value.length < 2, onclick: () => whole(() => value.splice(i, 1)) }, "Remove");
      return make("details", {}, label, ...inner, make("div", { class: "row" }, more, away));
    }
    const fill = () => body.replaceChildren(...value.map(item));
    fill();
    return place;
  }

  /** A block of another class, with its defaults. */
  function fresh(kind) {
    const made = { type: kind };
    for (const field of types[kind]) made[field.name] = copy(field.default ?? null);
    return made;
  }

  return fields(plain, [], (name) => change(name, copy(plain[name])));
}

function told(one, i) {
  const facts = Object.entries(one).filter(([, value]) => typeof value === "number");
  return `${i + 1}: ${facts.map(([name, value]) => `${name} ${value}`).join(", ")}`;
}

const number = (text) => (text.trim() === "" || !Number.isFinite(Number(text)) ? text : Number(text));
const written = (value) => (value == null ? "" : Array.isArray(value) ? value.join(", ") : String(value));

/** What was typed: several numbers with commas between, one number, or nothing where a field may be empty. */
function read(text, form) {
  const kinds = form.kind === "either" ? form.of.map((one) => one.kind) : [form.kind];
  if (text.trim() === "" && kinds.includes("none")) return null;
  const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
  if (kinds.includes("several") && (parts.length > 1 || !kinds.includes("whole"))) return parts.map(number);
  return kinds.includes("text") ? text : number(text);
}

/** Show each fault beside its field; gives those whose field is not on the page. */
export function showFaults(element, faults) {
  const slots = new Map([...element.querySelectorAll("[data-at]")].map((slot) => [slot.dataset.at, slot]));
  for (const slot of slots.values()) {
    slot.hidden = true;
    slot.textContent = "";
    mark(element, slot, false);
  }
  return faults.filter((fault) => {
    const slot = nearest(slots, fault.at);
    if (!slot) return true;
    slot.textContent = fault.told;
    slot.hidden = false;
    for (let open = slot.closest("details"); open; open = open.parentElement.closest("details")) open.open = true;
    mark(element, slot, true);
    return false;
  });
}

/** The slot of a field, or of what it stands in. */
function nearest(slots, at) {
  for (let words = at.split("."); words.length; words = words.slice(0, -1)) {
    const slot = slots.get(words.join("."));
    if (slot) return slot;
  }
  return null;
}

function mark(element, slot, wrong) {
  const input = slot.id && element.querySelector(`[aria-describedby="${slot.id}"]`);
  if (input && wrong) input.setAttribute("aria-invalid", "true");
  else if (input) input.removeAttribute("aria-invalid");
}

import { make } from "../dom.js";

export function mount(element, { api, draw, announce, link }) {
  element.append(make("h1", {}, "Design"));
  return () => {};
}

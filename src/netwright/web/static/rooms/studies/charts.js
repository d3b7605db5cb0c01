// A place for charts that come and go with what is known; each is drawn again only when it has changed.

import { onScheme } from "../../chart.js";
import { make } from "../../dom.js";

/** Gives {element, show({name: {spec, label}}), close()}; `titles` name the charts, in their order. */
export function charts(draw, titles) {
  const element = make("div", { class: "charts" });
  const places = new Map();

  async function one(name, title, given) {
    let place = places.get(name);
    if (!given) {
      place?.figure.remove();
      places.delete(name);
      return;
    }
    const text = JSON.stringify(given);
    if (place?.text === text) return;
    if (!place) {
      const chart = make("div", { class: "chart" });
      place = { chart, figure: make("figure", { class: "card" }, make("figcaption", {}, title), chart) };
      places.set(name, place);
      element.append(place.figure);
    }
    Object.assign(place, { text, given });
    await again(place);
  }

  async function again(place) {
    const drawn = await draw(place.chart, place.given.spec, place.given.label);
    place.drawn?.finalize();
    place.drawn = drawn;
  }

  const off = onScheme(() => places.forEach(again));
  return {
    element,
    show: async (given) => {
      for (const [name, title] of Object.entries(titles)) await one(name, title, given[name]);
    },
    close: () => {
      off();
      for (const place of places.values()) place.drawn?.finalize();
    },
  };
}

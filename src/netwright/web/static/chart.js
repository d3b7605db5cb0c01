// Vega-Lite specifications from the library's chart layer, drawn by Vega in its interpreted mode (no code is made of text).

let loading;

function vega() {
  loading ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = "static/vega.js";
    script.onload = () => done(window.vegaEmbed);
    script.onerror = () => {
      loading = undefined;
      fail(new Error("the charts' library does not load"));
    };
    document.head.append(script);
  });
  return loading;
}

const NARROW = 480; // px

const dark = matchMedia("(prefers-color-scheme: dark)");

/** The page's colours under the names that the chart layer's themes give them. */
function config() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [ink, soft, line, paper] = ["--ink", "--ink-soft", "--line", "--paper"].map(colour);
  const named = { ink, paper, quiet: soft, grid: line };
  const words = { labelColor: ink, titleColor: ink, labelFontSize: 11, titleFontSize: 12, titleFontWeight: 500 };
  return {
    params: Object.entries(named).map(([name, value]) => ({ name, value })),
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: line },
    axis: { ...words, gridColor: line, domainColor: soft, tickColor: soft },
    legend: { ...words, symbolStrokeColor: soft },
    header: words,
    title: { color: ink, subtitleColor: soft, fontSize: 13, subtitleFontSize: 11 },
    text: { color: ink, fontSize: 11 },
    rule: { color: soft },
    line: { strokeCap: "round" },
  };
}

/** The specification with its CSV as rows: Vega's own reader makes code out of the heads, which this page forbids. */
function opened(part) {
  if (Array.isArray(part)) return part.map(opened);
  if (part === null || typeof part !== "object") return part;
  if (part.format?.type === "csv" && typeof part.values === "string") return { values: rowsOf(part.values, part.format.parse ?? {}) };
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, opened(value)]));
}

/** The specification with the names below a chart under each other: side by side they have no room. */
function stacked(part) {
  if (Array.isArray(part)) return part.map(stacked);
  if (part === null || typeof part !== "object") return part;
  const made = Object.fromEntries(Object.entries(part).map(([name, value]) => [name, name === "data" ? value : stacked(value)]));
  if (made.legend?.orient === "bottom") made.legend.columns = 1;
  return made;
}

function rowsOf(text, kinds) {
  const [head, ...lines] = cellsOf(text);
  const read = (cell, kind) => (kind !== "number" ? cell : cell === "" ? null : Number(cell));
  return lines.map((cells) => Object.fromEntries(head.map((name, i) => [name, read(cells[i], kinds[name])])));
}

/** Lines of cells; a cell in quotes may hold commas, new lines, and quotes as two. */
function cellsOf(text) {
  const lines = [[]];
  for (const [whole, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (!whole) break;
    lines.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== "," && end !== "") lines.push([]);
  }
  return lines.filter((line) => line.length);
}

/**
 * Draw a specification into an element, with `label` as its text alternative; gives the Vega view's result, whose `finalize`
 * ends it. The chart is as wide as the element unless the specification is of several views.
 */
export async function draw(element, spec, label) {
  const embed = await vega();
  const wide = spec.width !== undefined && !spec.vconcat && !spec.hconcat && !spec.facet && !spec.repeat && !spec.spec;
  const sized = wide ? { ...spec, width: "container", autosize: { type: "fit-x", contains: "padding" } } : spec;
  const shown = opened(element.clientWidth < NARROW ? stacked(sized) : sized);
  const options = {
    ast: true,
    actions: false,
    defaultStyle: false,
    renderer: "svg",
    config: config(),
    tooltip: { disableDefaultStyle: true },
  };
  const drawn = await embed(element, shown, options);
  element.setAttribute("role", "img"); // Vega has written its own
  element.setAttribute("aria-label", label);
  return drawn;
}

/** Call when colours change between dark and light; gives what ends it. */
export function onScheme(redraw) {
  dark.addEventListener("change", redraw);
  return () => dark.removeEventListener("change", redraw);
}

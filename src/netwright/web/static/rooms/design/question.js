// What the Design room asks of the server, and how a link says it.

export const START = { net: "resnet50", design: null, changes: {}, phi: 0, width: 1, depth: 1, resolution: 1, batch: 1, precision: "fp32", optimizer: "momentum" };

const NUMBERS = ["phi", "width", "depth", "resolution", "batch"];
const WORDS = ["precision", "optimizer"];

/** The question that a link's words hold; what they do not say, or say badly, is as at the start. */
export function fromWords(words) {
  const asked = { ...START };
  const design = parsed(words.get("design"));
  if (design && !Array.isArray(design)) Object.assign(asked, { net: "", design });
  else if (words.get("net")) asked.net = words.get("net");
  const changes = parsed(words.get("changes"));
  if (changes && !Array.isArray(changes)) asked.changes = changes;
  for (const name of NUMBERS) if (words.has(name) && Number.isFinite(Number(words.get(name)))) asked[name] = Number(words.get(name));
  for (const name of WORDS) if (words.has(name)) asked[name] = words.get(name);
  return asked;
}

/** The link's words for a question and those that it is compared with. */
export function asWords(asked, others) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(less(asked))) words.set(name, typeof value === "object" ? JSON.stringify(value) : value);
  if (others.length) words.set("beside", JSON.stringify(others.map(less)));
  return words;
}

/** The networks that a link compares. */
export function besides(words) {
  const found = parsed(words.get("beside"));
  return Array.isArray(found) ? found.slice(0, 4).map((one) => ({ ...START, ...one })) : [];
}

/** A question without what is as at the start. */
function less(asked) {
  const kept = Object.entries(asked).filter(([name, value]) => name === "net" ? value : JSON.stringify(value) !== JSON.stringify(START[name]));
  return Object.fromEntries(kept);
}

function parsed(text) {
  try {
    const value = JSON.parse(text ?? "null");
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

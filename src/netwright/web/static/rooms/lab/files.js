// Files that the server made, saved; no address of this machine in them.

import { make } from "../../dom.js";

/** {name, type, content (base 64)} as an address of this page. */
function addressOf(file) {
  const bytes = Uint8Array.from(atob(file.content), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: file.type }));
}

export function save(file) {
  const href = addressOf(file);
  make("a", { href, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

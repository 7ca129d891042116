/** The keys of the page, and the dialog that lists them. */

import { createElement } from "../format.js";

const NAMES = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", PageUp: "Page ↑",
  PageDown: "Page ↓", Escape: "Esc",
};
const FIELDS = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]";

export class Shortcuts {
  #groups;
  #dialog;

  /**
   * `groups`: a title, and rows of keys, words, and what they do: `run` returns false where a key
   * does nothing now. Some are listed only.
   */
  constructor(groups, dialog) {
    this.#groups = groups;
    this.#dialog = dialog;
    document.addEventListener("keydown", (event) => this.#handleKey(event));
    dialog.querySelector("#help-keys").append(...groups.flatMap(renderGroup));
  }

  /** Show the list of keys. */
  help() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #handleKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.matches?.(FIELDS) || document.querySelector("dialog[open]")) return;
    for (const { rows } of this.#groups) {
      const row = rows.find(({ keys, run }) => run && keys.includes(event.key));
      if (row === undefined || row.run(event.key) === false) continue;
      event.preventDefault(); // the key is not typed into the field that it leads to
      return;
    }
  }
}

function renderGroup({ title, rows }) {
  const terms = rows.flatMap(({ keys, text }) => [
    createElement("dt", {}, ...keys.flatMap((key) => [createElement("kbd", {}, NAMES[key] ?? key), " "])),
    createElement("dd", {}, text),
  ]);
  return [createElement("h3", {}, title), createElement("dl", {}, ...terms)];
}

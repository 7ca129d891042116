/** The row of links to the views, each with its key and a number. */

import { VIEWS } from "../../model/desk/views.js";
import { createElement, setText } from "../format.js";

/** Shown for a number that is not known yet. */
const UNKNOWN = "·";

export class ViewTabs {
  #links = new Map();

  constructor(root) {
    for (const { name, title, key } of VIEWS) {
      const number = createElement("b", {}, UNKNOWN);
      const link = createElement("a", { href: `#/${name}`, title: `${title} (${key})` }, title, " ", number);
      this.#links.set(name, { link, number });
      root.append(link);
    }
  }

  /** Mark the view that is shown. */
  select(name) {
    for (const [each, { link }] of this.#links) {
      if (each === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** Show the number of a view. */
  setNumber(name, text) {
    setText(this.#links.get(name).number, text);
  }
}

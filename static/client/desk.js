/**
 * The desk: the view that the address names, the numbers of the tabs, and the views beside the
 * orders, each of which asks the server only while it is shown.
 */

import { ORDER_VIEWS, readView, VIEWS } from "./model/desk/views.js";
import { ViewTabs } from "./view/desk/view_tabs.js";
import { formatCount } from "./view/format.js";

export class Desk extends EventTarget {
  /** The name of the view that is shown. */
  view = VIEWS[0].name;
  #tabs;
  #views;

  /** `views`: the views beside the orders by name, with `show`, `hide` and `paint`. */
  constructor(tabs, views) {
    super();
    this.#tabs = new ViewTabs(tabs);
    this.#views = views;
  }

  /** Whether the rows of the view are orders. */
  get hasOrders() {
    return ORDER_VIEWS.includes(this.view);
  }

  /** Show the view that the address names; tells `change` if it was another one. */
  showLocation() {
    const { name, title } = readView(location.hash);
    this.#tabs.select(name);
    document.body.dataset.view = name;
    document.title = name === VIEWS[0].name ? "Order Execution Engine" : `${title} · Order Execution Engine`;
    for (const section of document.querySelectorAll("[data-views]")) {
      section.hidden = !section.dataset.views.split(" ").includes(name);
    }
    if (name === this.view) return;
    this.#views[this.view]?.hide();
    this.view = name;
    this.#views[name]?.show();
    this.dispatchEvent(new Event("change"));
  }

  /** Show how many orders there are, and how many of them are open. */
  paintCounts(total, open) {
    this.#tabs.setNumber("orders", formatCount(total));
    this.#tabs.setNumber("open", formatCount(open));
  }

  /** Show the number of a view. */
  setNumber(name, text) {
    this.#tabs.setNumber(name, text);
  }

  /** Show what has changed in the view beside the orders, if one is shown. */
  paint(nowMs) {
    this.#views[this.view]?.paint(nowMs);
  }
}

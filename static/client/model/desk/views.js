/** The views of the page: names, titles and keys, in the order of the tabs; each has an address. */

export const VIEWS = [
  { name: "orders", title: "Orders", key: "1" },
  { name: "open", title: "Open", key: "2" },
  { name: "batches", title: "Batches", key: "3" },
  { name: "positions", title: "Positions", key: "4" },
  { name: "markets", title: "Markets", key: "5" },
  { name: "quality", title: "Quality", key: "6" },
];
/** The views whose rows are orders. */
export const ORDER_VIEWS = ["orders", "open"];

/** The view that an address such as `#/open` names; the orders if it names none. */
export function readView(hash) {
  const name = hash.replace(/^#\/?/, "").split(/[/?]/)[0];
  return VIEWS.find((view) => view.name === name) ?? VIEWS[0];
}

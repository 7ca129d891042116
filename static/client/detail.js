/** One order in full: its facts, how it got where it is, and what both venues offered. */

import { Refused, Unreachable } from "./api.js";
import { bpsAbove, long, short } from "./decimal.js";
import { clock, element, percent, signed, span, write } from "./format.js";
import { MARKS, symbol } from "./order.js";

export class Detail extends EventTarget {
  #root;
  #client;
  #book;
  #id = null;
  #events = [];
  #painted = "";

  constructor(root, client, book) {
    super();
    this.#root = root;
    this.#client = client;
    this.#book = book;
    this.#part("close").addEventListener("click", () => this.dispatchEvent(new Event("close")));
    root.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.dispatchEvent(new Event("close"));
    });
    const copying = { "copy-id": () => this.#id, "copy-json": () => this.#json() };
    for (const [name, text] of Object.entries(copying)) {
      const button = this.#part(name);
      button.hidden = !navigator.clipboard;
      button.addEventListener("click", () => this.#copy(button, text()));
    }
    this.#part("again").addEventListener("click", () => {
      this.dispatchEvent(new CustomEvent("again", { detail: this.#book.get(this.#id) }));
    });
  }

  /** The id of the order that is shown, or null. */
  get id() {
    return this.#id;
  }

  /** Show an order, also one that is too old for the table. */
  async open(id) {
    if (this.#id === id) return;
    this.#id = id;
    this.#events = [];
    this.#painted = "";
    this.#root.hidden = false;
    this.#part("body").hidden = true;
    write(this.#part("title"), `Order ${id.slice(-8)}`);
    write(this.#part("message"), "Loading…");
    this.#part("title").focus();
    await this.refresh();
  }

  close() {
    this.#id = null;
    this.#root.hidden = true;
  }

  /** Read the order and its events again: nothing that is known tells them yet. */
  async refresh() {
    const id = this.#id;
    if (id === null) return;
    try {
      if (this.#book.get(id) === undefined) this.#book.store([await this.#client.order(id)]);
      const events = await this.#client.events(id);
      if (this.#id === id) this.take(events);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      if (this.#id === id) write(this.#part("message"), error.message);
    }
    this.dispatchEvent(new Event("paint"));
  }

  /** Take events of any orders; those of this one are kept, once each. */
  take(events) {
    const known = new Set(this.#events.map(({ seq }) => seq));
    const fresh = events.filter(({ orderId, seq }) => orderId === this.#id && !known.has(seq));
    if (fresh.length === 0) return;
    this.#events = [...this.#events, ...fresh].sort((a, b) => a.seq - b.seq);
  }

  /** Bring it up to date, if it is open and anything changed. */
  paint() {
    const order = this.#id === null ? undefined : this.#book.get(this.#id);
    if (order === undefined) return;
    const now = `${order.id} ${order.version} ${this.#events.length}`;
    if (this.#painted === now) return;
    this.#painted = now;
    this.#part("body").hidden = false;
    write(this.#part("message"), "");
    this.#paintStatus(order);
    this.#part("facts").replaceChildren(...facts(order));
    this.#part("timeline").replaceChildren(...timeline(this.#events));
    this.#part("quotes").replaceChildren(...quotes(order));
    write(this.#part("difference"), difference(order));
  }

  #part(name) {
    return this.#root.querySelector(`#detail-${name}`);
  }

  #paintStatus(order) {
    const status = this.#part("status");
    status.dataset.status = order.status;
    write(status, `${MARKS[order.status]} ${order.status}`);
    const error = this.#part("error");
    error.hidden = order.code === null;
    write(error, order.code === null ? "" : `${order.code}: ${order.reason}`);
  }

  #json() {
    return JSON.stringify({ orderId: this.#id, events: this.#events }, null, 2);
  }

  async #copy(button, text) {
    const words = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      write(button, "Copied");
    } catch {
      write(button, "The browser does not allow it");
    }
    setTimeout(() => write(button, words), 1_500);
  }
}

function facts(order) {
  const { pair } = order;
  const [sold, bought] = [symbol(order.tokenIn), symbol(order.tokenOut)];
  const known = [
    ["Swap", `${long(order.amountIn)} ${sold} → ${bought} (${pair.side} ${pair.name})`],
    ["Received", order.amountOut && `${long(order.amountOut)} ${bought}`],
    ["Price", order.amountOut && `${short(order.price, 9)} ${symbol(pair.quote)} for one ${symbol(pair.base)}`],
    ["Against the quote", order.slipBps !== null && `${signed(order.slipBps)} bps`],
    ["At least", order.leastOut && `${long(order.leastOut)} ${bought}`],
    ["Own minimum", order.minAmountOut && `${long(order.minAmountOut)} ${bought}`],
    ["Slippage", `${order.slippageBps} bps`],
    ["Type", order.type],
    ["DEX", order.dex],
    ["Attempts", String(order.attempts)],
    ["Placed", `${new Date(order.createdMs).toLocaleDateString("en-GB")} ${clock(order.createdMs)}`],
    ["Took", order.isEnd && span(order.tookMs(0))],
    ["Batch", order.batchId && element("a", { href: `?batch=${order.batchId}` }, order.batchId)],
    ["Own name", order.clientOrderId],
    ["Transaction", order.txHash && element("code", {}, order.txHash)],
    ["Id", element("code", {}, order.id)],
  ];
  return known
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
}

/** The steps: when each began, and how long it lasted, with a bar that shows the slow ones. */
function timeline(events) {
  const times = events.map(({ at }) => Date.parse(at));
  const total = times.at(-1) - times[0] || 1;
  return events.map((event, at) => {
    const isLast = at === events.length - 1;
    const tookMs = isLast ? 0 : times[at + 1] - times[at];
    const bar = element("span", { class: "bar" });
    bar.style.width = `${(100 * tookMs) / total}%`;
    const again = event.code === undefined ? "" : ` ${event.code}`;
    const attempt = event.attempt > 1 ? ` (attempt ${event.attempt})` : "";
    const words = `${MARKS[event.status]} ${event.status}${again}${attempt}`;
    return element(
      "tr",
      { "data-status": event.status },
      element("th", { scope: "row" }, words),
      element("td", { class: "number" }, `+${span(times[at] - times[0])}`),
      element("td", { class: "number" }, isLast ? "" : span(tookMs)),
      element("td", {}, isLast ? "" : bar),
    );
  });
}

function quotes(order) {
  const offered = order.quotes.map((quote) => {
    const isChosen = quote.dex === order.dex;
    const name = isChosen
      ? [`▸ ${quote.dex}`, element("span", { class: "unseen" }, " (chosen)")]
      : [quote.dex];
    return element(
      "tr",
      isChosen ? { class: "best" } : {},
      element("th", { scope: "row" }, ...name),
      element("td", { class: "number" }, short(quote.amountOut, 9)),
      element("td", { class: "number" }, percent(quote.fee)),
      element("td", { class: "number" }, percent(quote.priceImpact)),
    );
  });
  const missing = order.unavailable.map(({ dex, reason }) =>
    element("tr", {}, element("th", { scope: "row" }, dex), element("td", { colspan: 3 }, reason)),
  );
  return [...offered, ...missing];
}

function difference(order) {
  const { chosen } = order;
  const other = order.quotes.find((quote) => quote !== chosen);
  if (chosen === null) return order.isEnd ? "It was not routed." : "Not quoted yet.";
  if (other === undefined) return "Only one venue made an offer.";
  const bps = bpsAbove(chosen.amountOut, other.amountOut);
  return `After fees ${chosen.dex} pays ${bps.toFixed(1)} bps more than ${other.dex}.`;
}

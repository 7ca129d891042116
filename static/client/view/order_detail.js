/** The detail of one order: status, timeline of its events, route, quotes of pools, and facts. */

import { ProblemError, UnreachableError } from "../connection/api.js";
import { listAmended, STATUS_SYMBOLS } from "../model/order.js";
import { canAmend } from "../model/plan/amendment.js";
import { createElement, formatDuration, setText } from "./format.js";
import { buildFacts } from "./order_facts.js";
import { buildLegs, buildQuotes, describeDifference, describeGain } from "./order_route.js";

export class OrderDetail extends EventTarget {
  #root;
  #client;
  #store;
  #explorer;
  #id = null;
  #events = [];
  #paintedKey = "";

  constructor(root, client, store, explorer) {
    super();
    this.#root = root;
    this.#client = client;
    this.#store = store;
    this.#explorer = explorer;
    explorer.addEventListener("change", () => {
      this.#paintedKey = "";
      this.dispatchEvent(new Event("paint"));
    });
    this.#find("close").addEventListener("click", () => this.dispatchEvent(new Event("close")));
    root.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.dispatchEvent(new Event("close"));
    });
    const copyTexts = { "copy-id": () => this.#id, "copy-json": () => this.#formatJson() };
    for (const [name, text] of Object.entries(copyTexts)) {
      const button = this.#find(name);
      button.hidden = !navigator.clipboard;
      button.addEventListener("click", () => this.#copy(button, text()));
    }
    for (const name of ["amend", "cancel", "again"]) {
      this.#find(name).addEventListener("click", () => {
        this.dispatchEvent(new CustomEvent(name, { detail: this.#store.get(this.#id) }));
      });
    }
  }

  /** The id of the order that is shown, or null. */
  get id() {
    return this.#id;
  }

  /** Open an order; one that is not in the store is loaded. */
  async open(id) {
    if (this.#id === id) return;
    this.#id = id;
    this.#events = [];
    this.#paintedKey = "";
    this.#root.hidden = false;
    this.#find("body").hidden = true;
    setText(this.#find("title"), `Order ${id.slice(-8)}`);
    setText(this.#find("message"), "Loading…");
    this.#find("title").focus();
    await this.refresh();
  }

  close() {
    this.#id = null;
    this.#root.hidden = true;
  }

  /** Load the events of the order, and the order itself if it is not in the store. */
  async refresh() {
    const id = this.#id;
    if (id === null) return;
    try {
      if (this.#store.get(id) === undefined) {
        this.#store.storePage([await this.#client.getOrder(id)]);
      }
      const events = await this.#client.listEvents(id);
      if (this.#id === id) this.addEvents(events);
    } catch (error) {
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      if (this.#id === id) setText(this.#find("message"), error.message);
    }
    this.dispatchEvent(new Event("paint"));
  }

  /** Add the events that belong to this order and are new. */
  addEvents(events) {
    const known = new Set(this.#events.map(({ seq }) => seq));
    const newEvents = events.filter(({ orderId, seq }) => orderId === this.#id && !known.has(seq));
    if (newEvents.length === 0) return;
    this.#events = [...this.#events, ...newEvents].sort((a, b) => a.seq - b.seq);
    // An order that was loaded as it is does not know which price met its condition.
    const met = this.#events.findLast((event) => event.executablePrice !== undefined);
    const order = this.#store.get(this.#id);
    if (order && met && order.met === null) order.met = met;
  }

  /** Render the order, if one is open and it changed. */
  paint() {
    const order = this.#id === null ? undefined : this.#store.get(this.#id);
    if (order === undefined) return;
    const relatives = this.#store.findRelatives(order);
    const shown = [order, ...Object.values(relatives).flat()].filter(Boolean);
    const key = `${order.id} ${shown.map(({ version }) => version)} ${this.#events.length}`;
    if (this.#paintedKey === key) return;
    this.#paintedKey = key;
    this.#find("body").hidden = false;
    setText(this.#find("message"), "");
    this.#paintStatus(order);
    this.#find("facts").replaceChildren(...buildFacts(order, relatives, this.#explorer));
    this.#find("timeline").replaceChildren(...buildTimeline(this.#events));
    this.#find("route").hidden = order.legCount === 0;
    this.#find("legs").replaceChildren(...buildLegs(order));
    setText(this.#find("gain"), describeGain(order));
    this.#find("quotes").classList.toggle("pools", order.route?.hasPools ?? false);
    this.#find("quotes").replaceChildren(...buildQuotes(order));
    setText(this.#find("difference"), describeDifference(order));
  }

  #find(name) {
    return this.#root.querySelector(`#detail-${name}`);
  }

  #paintStatus(order) {
    const status = this.#find("status");
    status.dataset.status = order.status;
    setText(status, `${STATUS_SYMBOLS[order.status]} ${order.status}`);
    const error = this.#find("error");
    error.hidden = order.code === null;
    error.classList.toggle("error", order.status !== "cancelled");
    this.#find("cancel").hidden = order.hasEnded;
    this.#find("amend").hidden = !canAmend(order);
    setText(error, order.outcomeText ?? "");
  }

  #formatJson() {
    return JSON.stringify({ orderId: this.#id, events: this.#events }, null, 2);
  }

  async #copy(button, text) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      setText(button, "Copied");
    } catch {
      setText(button, "The browser does not allow it");
    }
    setTimeout(() => setText(button, label), 1_500);
  }
}

/** The rows of the timeline: when each status began and how long it lasted, with a bar. */
function buildTimeline(events) {
  const times = events.map(({ at }) => Date.parse(at));
  const total = times.at(-1) - times[0] || 1;
  return events.map((event, index) => {
    const isLast = index === events.length - 1;
    const stepMs = isLast ? 0 : times[index + 1] - times[index];
    const bar = createElement("span", { class: "bar" });
    bar.style.width = `${(100 * stepMs) / total}%`;
    const error = event.code === undefined ? "" : ` ${event.code}`;
    const attempt = event.attempt > 1 ? ` (attempt ${event.attempt})` : "";
    const label = `${STATUS_SYMBOLS[event.status]} ${event.status}${error}${attempt}`;
    return createElement(
      "tr",
      { "data-status": event.status },
      createElement("th", { scope: "row" }, label, ...buildAmendment(event, termsBefore(events, index))),
      createElement("td", { class: "number" }, `+${formatDuration(times[index] - times[0])}`),
      createElement("td", { class: "number" }, isLast ? "" : formatDuration(stepMs)),
      createElement("td", {}, isLast ? "" : bar),
    );
  });
}

/** The terms of an order as they were before one of its events. */
function termsBefore(events, index) {
  const amendments = events.slice(1, index).map((event) => {
    return Object.fromEntries(listAmended(event).map((name) => [name, event[name]]));
  });
  return Object.assign({}, events[0], ...amendments);
}

/** What an amendment has changed of the terms before, below its row's name; nothing for others. */
function buildAmendment(event, before) {
  const differs = (name) => (event[name] ?? null) !== (before[name] ?? null);
  const names = listAmended(event).filter(differs);
  // The minimum of a limit follows from its price.
  const shown = names.filter((name) => name !== "minAmountOut" || !names.includes("limitPrice"));
  if (shown.length === 0) return [];
  const changes = shown.map((name) => `${name} ${before[name] ?? "none"} → ${event[name] ?? "none"}`);
  return [createElement("div", { class: "amended" }, `amended: ${changes.join(", ")}`)];
}

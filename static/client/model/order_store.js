/**
 * The orders in memory, built from pages of stored orders and from live events.
 *
 * Pages and events are merged by `seq`: whatever is not newer than the order in memory is skipped,
 * and events of an order that no page has brought yet are held until its page arrives. So no event
 * is missed or applied twice, in whatever order pages and events arrive.
 */

import { FINAL_STATUSES, Order } from "./order.js";

/** Most orders in memory; past it the oldest that have ended are evicted. */
export const ORDERS_MAX = 20_000;
const EVICTION_SLACK = 1_000;

export class OrderStore {
  /** Rises whenever orders are added, changed or evicted. */
  version = 0;
  /** Whether all orders of the server are in memory. */
  isComplete = false;
  /** The batches of the orders in memory, and their pairs, as `base/quote`. */
  batchIds = new Set();
  pairs = new Set();
  #orders = new Map();
  #ordersByAge = [];
  #isSorted = true;
  /** The orders that have a parent or a group. */
  #related = [];
  #pendingEvents = new Map();
  #isLoading = false;

  get size() {
    return this.#orders.size;
  }

  get(id) {
    return this.#orders.get(id);
  }

  /** All orders, the oldest first; children are beside their parent. */
  get oldestFirst() {
    if (!this.#isSorted) {
      const ranked = this.#ordersByAge.map((order) => ({ order, rank: order.rank }));
      ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
      this.#ordersByAge = ranked.map(({ order }) => order);
      this.#isSorted = true;
    }
    return this.#ordersByAge;
  }

  /** Remove everything: the server has another journal. */
  clear() {
    this.version += 1;
    this.#orders.clear();
    this.#ordersByAge = [];
    this.#related = [];
    this.#pendingEvents.clear();
    this.batchIds.clear();
    this.pairs.clear();
    this.isComplete = false;
  }

  /** From here on events of unknown orders are held: their page is still to come. */
  beginLoading() {
    this.#isLoading = true;
  }

  /** The last page has arrived; `isAll`: the server has no older orders. */
  endLoading(isAll) {
    this.#isLoading = false;
    this.#pendingEvents.clear();
    this.isComplete = isAll;
    this.#evictOldest();
  }

  /** Add or update stored orders, then apply their held events. */
  storePage(page) {
    this.version += 1;
    for (const stored of page) {
      const known = this.#orders.get(stored.orderId);
      const order = known ?? new Order(stored.orderId);
      if (stored.seq > order.seq) order.applyStored(stored);
      if (known === undefined) this.#addOrder(order);
      for (const event of this.#pendingEvents.get(order.id) ?? []) this.#applyEvent(order, event);
      this.#pendingEvents.delete(order.id);
    }
  }

  /** Apply live events. */
  applyEvents(events) {
    this.version += 1;
    for (const event of events) {
      const order = this.#orders.get(event.orderId);
      if (order !== undefined) this.#applyEvent(order, event);
      else if (event.seq === 1) this.#createOrder(event);
      else if (this.#isLoading) this.#holdEvent(event);
    }
    if (this.size > ORDERS_MAX + EVICTION_SLACK) this.#evictOldest();
  }

  /** Take over how far the market is from what orders wait for. */
  setWaiting(records) {
    for (const record of records) {
      if (this.#orders.get(record.orderId)?.setWaiting(record)) this.version += 1;
    }
  }

  /** The parent of an order, the other order of its OCO, and its children, as far as known. */
  findRelatives({ id, parentId, ocoGroup }) {
    const others = this.#related.filter((order) => order.id !== id);
    return {
      parent: parentId === null ? null : (this.#orders.get(parentId) ?? null),
      sibling: others.find((order) => ocoGroup !== null && order.ocoGroup === ocoGroup) ?? null,
      children: others
        .filter((order) => order.parentId === id)
        .sort((a, b) => a.createdMs - b.createdMs),
    };
  }

  #createOrder(event) {
    const order = new Order(event.orderId);
    order.applyEvent(event);
    this.#addOrder(order);
  }

  #addOrder(order) {
    this.#orders.set(order.id, order);
    const last = this.#ordersByAge.at(-1);
    this.#isSorted &&= last === undefined || last.rank < order.rank;
    this.#ordersByAge.push(order);
    this.#note(order);
    if (order.parentId !== null || order.ocoGroup !== null) this.#related.push(order);
  }

  #note({ batchId, pair }) {
    if (batchId !== null) this.batchIds.add(batchId);
    this.pairs.add(`${pair.base}/${pair.quote}`);
  }

  #applyEvent(order, event) {
    if (event.seq > order.seq) order.applyEvent(event);
  }

  #holdEvent(event) {
    const events = this.#pendingEvents.get(event.orderId);
    if (events) events.push(event);
    else this.#pendingEvents.set(event.orderId, [event]);
  }

  #evictOldest() {
    let surplus = this.size - ORDERS_MAX;
    if (surplus <= 0) return;
    this.#ordersByAge = this.oldestFirst.filter((order) => {
      if (surplus <= 0 || !FINAL_STATUSES.has(order.status)) return true;
      surplus -= 1;
      this.#orders.delete(order.id);
      return false;
    });
    this.#related = this.#related.filter(({ id }) => this.#orders.has(id));
    this.batchIds.clear();
    this.pairs.clear();
    for (const order of this.#ordersByAge) this.#note(order);
    this.isComplete = false;
    this.version += 1;
  }
}

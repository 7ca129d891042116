/**
 * Every order that the page knows.
 *
 * Stored orders and live events meet by `seq`: what is not newer than what is known is left out,
 * and events of an order that no page has shown yet wait for its page. So nothing is missed or
 * counted twice, in whatever order pages and events come.
 */

import { ENDS, Order } from "./order.js";

/** Orders kept; past it the oldest that have ended go. */
export const ORDERS_MAX = 20_000;
const SPARE = 1_000;

export class Book {
  /** Rises when orders come, go or change. */
  version = 0;
  /** Whether there are no older orders than those that are here. */
  isComplete = false;
  #orders = new Map();
  #byAge = [];
  #isSorted = true;
  #held = new Map();
  #isLoading = false;

  get size() {
    return this.#orders.size;
  }

  get(id) {
    return this.#orders.get(id);
  }

  /** All orders, the oldest first: ids begin with the time of creation. */
  get byAge() {
    if (!this.#isSorted) {
      this.#byAge.sort((a, b) => (a.id < b.id ? -1 : 1));
      this.#isSorted = true;
    }
    return this.#byAge;
  }

  /** Forget everything: it belongs to another journal. */
  clear() {
    this.version += 1;
    this.#orders.clear();
    this.#byAge = [];
    this.#held.clear();
    this.isComplete = false;
  }

  /** From now on pages of stored orders come. */
  beginLoading() {
    this.#isLoading = true;
  }

  /** The last page has come; `isAll`: there are no older orders. */
  endLoading(isAll) {
    this.#isLoading = false;
    this.#held.clear();
    this.isComplete = isAll;
    this.#evict();
  }

  /** Take orders as they are stored. */
  store(page) {
    this.version += 1;
    for (const stored of page) {
      const order = this.#orders.get(stored.orderId) ?? this.#add(stored.orderId);
      if (stored.seq > order.seq) order.refresh(stored);
      for (const event of this.#held.get(order.id) ?? []) this.#advance(order, event);
      this.#held.delete(order.id);
    }
  }

  /** Take what has happened. */
  apply(events) {
    this.version += 1;
    for (const event of events) {
      const order = this.#orders.get(event.orderId);
      if (order !== undefined) this.#advance(order, event);
      else if (event.seq === 1) this.#add(event.orderId).apply(event);
      else if (this.#isLoading) this.#hold(event);
    }
    if (this.size > ORDERS_MAX + SPARE) this.#evict();
  }

  #add(id) {
    const order = new Order(id);
    this.#orders.set(id, order);
    this.#isSorted &&= this.#byAge.length === 0 || this.#byAge.at(-1).id < id;
    this.#byAge.push(order);
    return order;
  }

  #advance(order, event) {
    if (event.seq > order.seq) order.apply(event);
  }

  #hold(event) {
    const events = this.#held.get(event.orderId);
    if (events) events.push(event);
    else this.#held.set(event.orderId, [event]);
  }

  #evict() {
    let surplus = this.size - ORDERS_MAX;
    if (surplus <= 0) return;
    this.#byAge = this.byAge.filter((order) => {
      if (surplus <= 0 || !ENDS.has(order.status)) return true;
      surplus -= 1;
      this.#orders.delete(order.id);
      return false;
    });
    this.isComplete = false;
    this.version += 1;
  }
}

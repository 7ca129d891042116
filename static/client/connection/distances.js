/**
 * Asks the server, every few seconds, how far the market is from what orders wait for.
 *
 * A distance is no step of an order, so no event tells it; an outage that one waits out is none
 * either. Nothing is asked while the page is hidden, or while nothing waits.
 */

import { ProblemError, UnreachableError } from "./api.js";
import { poll } from "./polling.js";

const INTERVAL_MS = 2_000;
const ORDERS_MAX = 200;

/** Keep the distances of the newest orders that wait, and what the order `getOpenId` waits for. */
export class DistanceFeed extends EventTarget {
  #client;
  #store;
  #getOpenId;

  constructor(client, store, getOpenId) {
    super();
    this.#client = client;
    this.#store = store;
    this.#getOpenId = getOpenId;
  }

  /** Ask as long as the page is open, while `isLive`; `countWaiting`: how many wait for a price. */
  async run(isLive, countWaiting) {
    const isNeeded = () => isLive() && (countWaiting() > 0 || this.#findOpen() !== null);
    await poll(isNeeded, () => this.#refresh(countWaiting() > 0), INTERVAL_MS);
  }

  /** The order that is open in the detail, unless it has ended. */
  #findOpen() {
    const order = this.#store.get(this.#getOpenId());
    return order === undefined || order.hasEnded ? null : order;
  }

  /** The order as a list; it is empty if the server refuses it, so that the others are told. */
  async #fetchOrder(id) {
    try {
      return [await this.#client.getOrder(id)];
    } catch (error) {
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      return [];
    }
  }

  async #refresh(areAnyWaiting) {
    const waiting = { status: "waiting", limit: ORDERS_MAX };
    const { orders } = areAnyWaiting ? await this.#client.listOrders(waiting) : { orders: [] };
    const open = this.#findOpen();
    const isLeft = open !== null && !orders.some(({ orderId }) => orderId === open.id);
    if (isLeft) orders.push(...(await this.#fetchOrder(open.id)));
    this.#store.setWaiting(orders);
    this.dispatchEvent(new Event("news"));
  }
}

/**
 * Asks the server, every few seconds, how far the market is from what orders wait for.
 *
 * A distance is no step of an order, so no event tells it. Nothing is asked while the page is
 * hidden, or while nothing waits.
 */

import { poll } from "./polling.js";

const INTERVAL_MS = 2_000;
const ORDERS_MAX = 200;

/** Keep the distances of the newest orders that wait, and of the one whose id `getOpenId` gives. */
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

  /** Ask as long as the page is open; `isNeeded`: whether anything is live and waits. */
  async run(isNeeded) {
    await poll(isNeeded, () => this.#refresh(), INTERVAL_MS);
  }

  async #refresh() {
    const { orders } = await this.#client.listOrders({ status: "waiting", limit: ORDERS_MAX });
    const open = this.#store.get(this.#getOpenId());
    const isLeft = open?.status === "waiting" && !orders.some(({ orderId }) => orderId === open.id);
    if (isLeft) orders.push(await this.#client.getOrder(open.id));
    this.#store.setWaiting(orders);
    this.dispatchEvent(new Event("news"));
  }
}

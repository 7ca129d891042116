/**
 * Asks the server, every few seconds, what is halted and how many orders are open: the one is no step
 * of any order, so no event tells it, and of the other not all may be in memory. Nothing is asked while the page is hidden.
 */

import { poll } from "./polling.js";

const INTERVAL_MS = 2_000;

/** Calls `show` with the counts of orders and a sentence for each trading state that stops some. */
export class StoppedFeed {
  #client;
  #show;

  constructor(client, show) {
    this.#client = client;
    this.#show = show;
  }

  /** Ask as long as the page is open; `isNeeded`: whether the page is connected. */
  async run(isNeeded) {
    await poll(isNeeded, () => this.#refresh(), INTERVAL_MS);
  }

  async #refresh() {
    this.#show(await this.#client.getStats());
  }
}

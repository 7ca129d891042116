/**
 * Asks the server, every few seconds, what is halted: that is no step of any order, so no event
 * tells it. Nothing is asked while the page is hidden.
 */

import { poll } from "./polling.js";

const INTERVAL_MS = 2_000;

/** Calls `show` with a sentence for each trading state that stops orders, while there are some. */
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
    const { stopped = [] } = await this.#client.getStats();
    this.#show(stopped);
  }
}

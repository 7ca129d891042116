/** The notice of what is halted: one sentence for each trading state that stops orders. */

import { ProblemError, UnreachableError } from "../connection/api.js";
import { setText } from "./format.js";

const INTERVAL_MS = 2_000;

/** Shows why orders are held, in words, for as long as they are. */
export class StoppedNotice {
  #region;
  #client;

  constructor(region, client) {
    this.#region = region;
    this.#client = client;
  }

  /** Ask as long as the page is open; nothing is asked while it is hidden. */
  async run(isNeeded) {
    for (;;) {
      if (isNeeded() && !document.hidden) await this.#refresh();
      await new Promise((resolve) => {
        setTimeout(resolve, INTERVAL_MS);
      });
    }
  }

  async #refresh() {
    try {
      const { stopped = [] } = await this.#client.getStats();
      setText(this.#region, stopped.join(" · "));
    } catch (error) {
      // The feed of events tells what is wrong with the connection.
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
    }
  }
}

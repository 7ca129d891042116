/**
 * Reads positions and balances: a few times a minute, more often while they are shown, and soon
 * after a fill. Limits are read only while they are shown.
 *
 * Each `confirmed` event changes positions; an amount that a node tells later does so without an
 * event. Balances change with what is no step of any order.
 */

import { ProblemError, UnreachableError } from "../api.js";

const SHOWN_INTERVAL_MS = 3_000;
const INTERVAL_MS = 30_000;
/** So long a fill waits for others, so that many are one read. */
const FILL_DELAY_MS = 400;

export class AccountFeed extends EventTarget {
  /** The last answers; null before there is one. */
  positions = null;
  balances = null;
  limits = null;
  /** What is wrong with the last answer, or empty. */
  reason = "";
  /** When they were read, by the browser's clock. */
  readAtMs = 0;
  #client;
  #isShown = false;
  #wake = () => {};
  #fillTimer = null;

  constructor(client) {
    super();
    this.#client = client;
  }

  /** Whether what is read is shown: it is read more often then, and at once. */
  setShown(isShown) {
    this.#isShown = isShown;
    if (isShown) this.#wake();
  }

  /** Take note of events: those of fills are read about soon. */
  addEvents(events) {
    if (!events.some(({ status }) => status === "confirmed")) return;
    this.#fillTimer ??= setTimeout(() => {
      this.#fillTimer = null;
      this.#wake();
    }, FILL_DELAY_MS);
  }

  /** Read as long as the page is open, while it is visible and `isNeeded`. */
  async run(isNeeded) {
    for (;;) {
      const isRead = isNeeded() && !document.hidden;
      if (isRead) await this.#refresh();
      const waitMs = !isRead ? 1_000 : this.#isShown ? SHOWN_INTERVAL_MS : INTERVAL_MS;
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, waitMs);
      });
    }
  }

  async #refresh() {
    this.reason = "";
    const [positions, balances, limits] = await Promise.all([
      this.#read("Positions", () => this.#client.getPositions()),
      this.#read("Balances", () => this.#client.getBalances()),
      this.#isShown ? this.#read("Limits", () => this.#client.getLimits()) : null,
    ]);
    this.positions = positions ?? this.positions;
    this.balances = balances ?? this.balances;
    this.limits = limits ?? this.limits;
    if (positions !== null) this.readAtMs = Date.now();
    this.dispatchEvent(new Event("news"));
  }

  async #read(name, ask) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      // An older server has no limits.
      if (name !== "Limits" || error.status !== 404) this.reason ||= `${name} are not read: ${error.message}`;
      return null;
    }
  }
}

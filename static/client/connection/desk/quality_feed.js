/**
 * Reads how orders of a time were executed: the report by pair and by exchange, and the times of
 * its newest fills. While it is shown, and less often the longer an answer takes.
 */

import { ProblemError, UnreachableError } from "../api.js";

const INTERVAL_MS = 10_000;
/** A report of very many fills takes long: so many times that time is waited. */
const REST = 5;
const PAGE_FILLS = 500;
const FILLS_MAX = 2_000;
const HOUR_MS = 3_600_000;
/** The times that can be chosen; null is all. */
export const PERIODS_MS = { hour: HOUR_MS, day: 24 * HOUR_MS, all: null };

export class QualityFeed extends EventTarget {
  /** The last answers: `{ byPair, byDex, fills, isWhole }`; null before there is one. */
  found = null;
  reason = "";
  isReading = false;
  #client;
  #now;
  #run = 0;

  /** `now` tells the server's time in milliseconds since 1970. */
  constructor(client, now) {
    super();
    this.#client = client;
    this.#now = now;
  }

  /** Read a period until another one is asked for; null ends it. */
  async show(period) {
    const run = ++this.#run;
    this.found = null;
    this.reason = "";
    while (period !== null && run === this.#run) {
      const began = performance.now();
      if (!document.hidden) await this.#refresh(PERIODS_MS[period], run);
      const tookMs = performance.now() - began;
      await new Promise((resolve) => {
        setTimeout(resolve, Math.max(INTERVAL_MS, REST * tookMs));
      });
    }
  }

  async #refresh(lengthMs, run) {
    const from = lengthMs === null ? {} : { from: new Date(this.#now() - lengthMs).toISOString() };
    this.isReading = true;
    try {
      const [byPair, byDex, fills] = await Promise.all([
        this.#client.getReport({ ...from, by: "pair" }),
        this.#client.getReport({ ...from, by: "dex" }),
        this.#loadFills(from),
      ]);
      if (run !== this.#run) return;
      this.found = { byPair, byDex, ...fills };
      this.reason = "";
    } catch (error) {
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      if (run === this.#run) this.reason = error.message;
    } finally {
      if (run === this.#run) this.isReading = false;
    }
    this.dispatchEvent(new Event("news"));
  }

  /** The newest fills of a time, and whether these are all. */
  async #loadFills(from) {
    const fills = [];
    let query = { ...from, limit: PAGE_FILLS };
    while (query !== null && fills.length < FILLS_MAX) {
      const page = await this.#client.listFills(query);
      fills.push(...page.fills);
      query = page.next === null ? null : { ...query, cursor: page.next };
    }
    return { fills, isWhole: query === null };
  }
}

/**
 * The prices of the pair that is shown: stored bars, asked for once for each time that is looked
 * at, and those that the stream tells while they are shown.
 */

import { ProblemError, UnreachableError } from "../api.js";
import { PriceSeries } from "../../model/desk/price_series.js";

const BARS_MAX = 2_000;
/** After a refusal nothing is asked for so long. */
const REST_MS = 5_000;

export class PriceFeed extends EventTarget {
  pair = null;
  series = new PriceSeries();
  /** What is wrong with the last answer, or empty. */
  reason = "";
  #client;
  #feed;
  #loaded = new Map();
  #abort = new AbortController();
  #restUntilMs = 0;

  constructor(client, feed) {
    super();
    this.#client = client;
    this.#feed = feed;
    feed.addEventListener("prices", ({ detail: bars }) => {
      this.series.addSeconds(bars.filter(({ pair }) => pair === this.pair));
      this.dispatchEvent(new Event("news"));
    });
    // What was told before the stream began is read again.
    feed.addEventListener("hello", () => {
      this.#loaded.clear();
      this.#restUntilMs = 0;
    });
  }

  /** Show the prices of a pair; the stream tells them as well once the server knows the pair. */
  show(pair) {
    if (pair === this.pair) return;
    this.pair = pair;
    this.series = new PriceSeries();
    this.#loaded.clear();
    this.#restUntilMs = 0;
    this.reason = "";
    this.#abort.abort();
  }

  /** Nothing is shown: the stream need not tell prices. */
  hide() {
    this.#loaded.clear();
    this.#feed.watchPrices([]);
  }

  /** Read the bars of a time, unless they were read. */
  async load(stepS, fromS, toS) {
    if (performance.now() < this.#restUntilMs) return;
    const [startS, endS] = [Math.floor(fromS / stepS) * stepS, Math.ceil(toS / stepS) * stepS];
    const known = this.#loaded.get(stepS);
    if (known && known.startS <= startS && known.endS >= Math.min(endS, known.atS)) return;
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    const lengthS = Math.min(2 * (endS - startS), BARS_MAX * stepS);
    const query = { startS: Math.max(endS - lengthS, 0), endS, atS: this.#feed.serverNow() / 1_000 };
    this.#loaded.set(stepS, query);
    try {
      const { bars } = await this.#client.listPrices(buildQuery(this.pair, stepS, query), signal);
      if (signal.aborted) return;
      this.series.store(stepS, bars);
      this.reason = "";
      this.#feed.watchPrices([this.pair]);
    } catch (error) {
      if (this.#loaded.get(stepS) === query) this.#loaded.delete(stepS);
      if (signal.aborted) return;
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      this.reason = error.message;
      this.#restUntilMs = performance.now() + REST_MS;
    }
    this.dispatchEvent(new Event("news"));
  }
}

function buildQuery(pair, stepS, { startS, endS }) {
  const [from, to] = [startS, endS].map((seconds) => new Date(seconds * 1_000).toISOString());
  return { pair, step: stepS, from, to };
}

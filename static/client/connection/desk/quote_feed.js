/** What all pools of a pair pay now, and what they take: asked every few seconds while it is shown. */

import { divide } from "../../model/decimal.js";
import { ProblemError, UnreachableError } from "../api.js";

const INTERVAL_MS = 2_000;
/** So much of its quote token a price of the server is of; of any other token, one. */
const QUOTE_SIZES = { USDC: "100", USDT: "100" };
const AMOUNT_DECIMALS = 6;

export class QuoteFeed extends EventTarget {
  /** The last answers, `{ sell, buy, amount, readAtMs }`; null before there is one. */
  quotes = null;
  reason = "";
  #client;
  #getPrice;
  #pair = null;
  #abort = new AbortController();

  /** `getPrice` tells the last price of the pair as text, or null. */
  constructor(client, getPrice) {
    super();
    this.#client = client;
    this.#getPrice = getPrice;
  }

  /** Ask about a pair, `{ base, quote }`; null ends it. */
  async show(pair) {
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    this.#pair = pair;
    this.quotes = null;
    this.reason = "";
    while (pair !== null && !signal.aborted) {
      if (!document.hidden) await this.#refresh(signal);
      await new Promise((resolve) => {
        setTimeout(resolve, INTERVAL_MS);
      });
    }
  }

  async #refresh(signal) {
    const { base, quote } = this.#pair;
    const spent = QUOTE_SIZES[quote] ?? "1";
    const price = this.#getPrice();
    const sold = price === null || Number(price) === 0 ? "1" : divide(spent, price, AMOUNT_DECIMALS);
    const amount = Number(sold) > 0 ? sold : "1";
    try {
      const [sell, buy] = await Promise.all([
        this.#client.getQuotes({ tokenIn: base, tokenOut: quote, amount }, signal),
        this.#client.getQuotes({ tokenIn: quote, tokenOut: base, amount: spent }, signal),
      ]);
      this.quotes = { sell, buy, readAtMs: Date.now() };
      this.reason = "";
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      this.reason = error.message;
    }
    this.dispatchEvent(new Event("news"));
  }
}

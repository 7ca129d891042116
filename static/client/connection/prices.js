/** Prices that the order form needs: asked for once, and kept while the page is open. */

import { needsPrices, splitPair } from "../model/plan/order_plan.js";
import { DOLLAR, listUnpriced } from "../model/order_value.js";
import { Route } from "../model/route.js";
import { ProblemError, UnreachableError } from "./api.js";

export class PriceCache {
  /** Quote tokens for one base token, by pair. */
  byPair = {};
  #client;

  constructor(client) {
    this.#client = client;
  }

  /** Load the prices that the amounts of a form need; throws if there is none. */
  async loadForAmounts(form, signal) {
    if (!needsPrices(form)) return;
    for (const pair of form.pairs.filter((each) => !(each in this.byPair))) {
      await this.#load(pair, signal);
    }
  }

  /** Load the prices that the value of amounts in USDC needs; a token may stay without one. */
  async loadForValue(sums, signal) {
    for (const token of listUnpriced(sums, this.byPair)) {
      try {
        await this.#load(`${token}/${DOLLAR}`, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
      }
    }
  }

  async #load(pair, signal) {
    const [tokenIn, tokenOut] = splitPair(pair);
    const quote = await this.#client.getQuotes({ tokenIn, tokenOut, amount: "1" }, signal);
    this.byPair[pair] = new Route(quote).expectedAmountOut;
  }
}

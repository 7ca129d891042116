/** One order: what was asked for, where it is, and what the venues offered for it. */

import { bpsAbove, ratio } from "./decimal.js";

export const STATUSES = [
  "pending", "routing", "building", "submitted", "confirmed", "failed", "cancelled", "expired",
];
/** A status is always a shape and a word and a colour, never one of them alone. */
export const MARKS = Object.fromEntries(STATUSES.map((status, at) => [status, "◌◔◑◕●✕⊘◷"[at]]));
export const ENDS = new Set(["confirmed", "failed", "cancelled", "expired"]);

const MONEY = ["USDC", "USDT", "SOL"];
export const DOLLARS = new Set(["USDC", "USDT"]);
const PRICE_PLACES = 12;

/**
 * A pair as traders write it: a swap of USDC into SOL is a *buy* of SOL/USDC. The more money-like
 * token of the two is the quote.
 */
function pairOf(tokenIn, tokenOut) {
  const rank = (token) => (MONEY.includes(token) ? MONEY.indexOf(token) : MONEY.length);
  const [a, b] = [rank(tokenIn), rank(tokenOut)];
  const isBuy = a < b || (a === b && tokenIn < tokenOut);
  const [base, quote] = isBuy ? [tokenOut, tokenIn] : [tokenIn, tokenOut];
  return { name: `${symbol(base)}/${symbol(quote)}`, base, quote, side: isBuy ? "buy" : "sell" };
}

/** A token as it is shown: its symbol, or the beginning of its mint address. */
export function symbol(token) {
  return token.length > 8 ? `${token.slice(0, 4)}…` : token;
}

/** Changes only by `apply` (a transition) and `refresh` (as it is stored), which raise `version`. */
export class Order {
  version = 0;
  seq = 0;
  status = "pending";
  attempts = 1;
  type = "market";
  tokenIn = "";
  tokenOut = "";
  amountIn = "0";
  minAmountOut = null;
  slippageBps = 0;
  batchId = null;
  clientOrderId = null;
  dex = null;
  quotes = [];
  unavailable = [];
  leastOut = null;
  txHash = null;
  amountOut = null;
  executedPrice = null;
  code = null;
  reason = null;
  createdMs = 0;
  updatedMs = 0;
  pair = null;
  #words = "";
  #wordsVersion = -1;

  constructor(id) {
    this.id = id;
  }

  /** The order as it is now, which stays so. */
  copy() {
    return Object.assign(new Order(this.id), this);
  }

  /** Eight letters that tell it from others: the first ones of an id are its time. */
  get shortId() {
    return this.id.slice(-8);
  }

  get isEnd() {
    return ENDS.has(this.status);
  }

  /** How long it took, or has taken until now. */
  tookMs(nowMs) {
    return Math.max((this.isEnd ? this.updatedMs : nowMs) - this.createdMs, 0);
  }

  get chosen() {
    return this.quotes.find((quote) => quote.dex === this.dex) ?? null;
  }

  /** What was paid, in quote tokens for one base token, as decimal text. */
  get price() {
    if (this.amountOut === null) return null;
    const [paid, got] =
      this.pair.side === "sell" ? [this.amountOut, this.amountIn] : [this.amountIn, this.amountOut];
    return ratio(paid, got, PRICE_PLACES);
  }

  /** By how many basis points it was executed better than the chosen quote. */
  get slipBps() {
    const quote = this.chosen;
    if (this.amountOut === null || quote === null) return null;
    return bpsAbove(this.amountOut, quote.amountOut);
  }

  /** By how many basis points the chosen venue offered more than the other. */
  get gapBps() {
    const quote = this.chosen;
    const other = this.quotes.find((each) => each !== quote);
    return quote && other ? bpsAbove(quote.amountOut, other.amountOut) : null;
  }

  /** Everything that a search for plain text looks at. */
  get words() {
    if (this.#wordsVersion !== this.version) {
      const parts = [this.id, this.pair.name, this.txHash, this.clientOrderId];
      this.#words = [...parts, this.code, this.reason].join("\n").toLowerCase();
      this.#wordsVersion = this.version;
    }
    return this.#words;
  }

  /** Take the next transition. */
  apply(event) {
    this.seq = event.seq;
    this.status = event.status;
    this.attempts = event.attempt;
    this.updatedMs = Date.parse(event.at);
    this.version += 1;
    if (event.seq === 1) {
      this.createdMs = this.updatedMs;
      this.#takeTerms(event);
    }
    if (event.code !== undefined) {
      this.code = event.code;
      this.reason = event.reason;
    } else if (event.status === "confirmed") {
      this.code = this.reason = null;
    }
    if (event.quotes) this.#takeRoute(event);
    this.#takeOutcome(event);
  }

  /** Take the order as it is stored. */
  refresh(stored) {
    this.seq = stored.seq;
    this.status = stored.status;
    this.attempts = stored.attempts;
    this.createdMs = Date.parse(stored.createdAt);
    this.updatedMs = Date.parse(stored.updatedAt);
    this.version += 1;
    this.#takeTerms(stored);
    if (stored.route) this.#takeRoute(stored.route);
    this.#takeOutcome(stored);
    const [, code, reason] = /^(\w+): (.*)$/s.exec(stored.lastError ?? "") ?? [];
    const isWrong = code !== undefined && stored.status !== "confirmed";
    this.code = isWrong ? code : null;
    this.reason = isWrong ? reason : null;
  }

  #takeTerms(terms) {
    this.type = terms.type;
    this.tokenIn = terms.tokenIn;
    this.tokenOut = terms.tokenOut;
    this.amountIn = terms.amountIn;
    this.minAmountOut = terms.minAmountOut ?? null;
    this.slippageBps = terms.slippageBps;
    this.batchId = terms.batchId ?? null;
    this.clientOrderId = terms.clientOrderId ?? null;
    this.pair = pairOf(terms.tokenIn, terms.tokenOut);
  }

  #takeRoute(route) {
    this.quotes = route.quotes;
    this.unavailable = route.unavailable ?? [];
    this.leastOut = route.minAmountOut;
  }

  #takeOutcome(facts) {
    this.dex = facts.dex ?? this.dex;
    this.txHash = facts.txHash ?? this.txHash;
    this.amountOut = facts.amountOut ?? this.amountOut;
    this.executedPrice = facts.executedPrice ?? this.executedPrice;
  }
}

/** One order: its terms, its status, the venues' quotes and its outcome. */

import { canWait, CONDITION_FIELDS, readCondition } from "./conditions.js";
import { differenceBps, divide, formatLong } from "./decimal.js";
import { hasRoute, Route } from "./route.js";
import { tokenLabel } from "./tokens.js";
import { readDistance, readGuards, readOutage, readSlices } from "./waiting.js";

export const STATUSES = [
  "pending", "waiting", "routing", "building", "submitted", "confirmed", "failed", "cancelled",
  "expired",
];
/** A status is always shown as a shape, a word and a colour, never as one of them alone. */
export const STATUS_SYMBOLS = Object.fromEntries(
  STATUSES.map((status, index) => [status, "◌◇◔◑◕●✕⊘◷"[index]]),
);
export const FINAL_STATUSES = new Set(["confirmed", "failed", "cancelled", "expired"]);

const CANCELLED = "nothing was sent that can still land";
const QUOTE_TOKENS = ["USDC", "USDT", "SOL"];
/** Values are in the first of them that a swap has. */
export const DOLLAR_TOKENS = new Set(["USDC", "USDT"]);
const PRICE_DECIMALS = 12;
const LATEST_MS = 99_999_999_999_999;
/** The fields of an event that an amendment may have changed. */
const AMENDED_FIELDS = [
  "amountIn", "amountInShare", "slippageBps", "maxPriceImpactBps", "minAmountOut", "expiresAt",
  "timeInForce",
  ...CONDITION_FIELDS,
];

/** The fields that an event of an order that waits has changed; nothing of any other event. */
export function listAmended(event) {
  const isAmendment = event.status === "waiting" && event.seq > 1 && event.slice === undefined;
  return isAmendment ? AMENDED_FIELDS.filter((name) => event[name] !== undefined) : [];
}

/**
 * A pair as traders write it, and as the server names it: a swap of USDC into SOL is a *buy* of
 * SOL/USDC. The more money-like token of the two is the quote, else the one that sorts behind.
 */
export function buildPair(tokenIn, tokenOut) {
  const rank = (token) =>
    QUOTE_TOKENS.includes(token) ? QUOTE_TOKENS.indexOf(token) : QUOTE_TOKENS.length;
  const [a, b] = [rank(tokenIn), rank(tokenOut)];
  const isBuy = a < b || (a === b && tokenIn > tokenOut);
  const [base, quote] = isBuy ? [tokenOut, tokenIn] : [tokenIn, tokenOut];
  const name = `${tokenLabel(base)}/${tokenLabel(quote)}`;
  return { name, base, quote, side: isBuy ? "buy" : "sell" };
}

const COSTS = ["networkFeeLamports", "tipLamports", "rentLamports"];

/** Changes only in `applyEvent` and `applyStored`, which raise `version`. */
export class Order {
  version = 0;
  seq = 0;
  status = "pending";
  attempts = 1;
  type = "market";
  tokenIn = "";
  tokenOut = "";
  amountIn = "0";
  /** The share of what the wallet holds that is sold; the amount is an estimate until it triggers. */
  share = null;
  minAmountOut = null;
  slippageBps = 0;
  maxPriceImpactBps = null;
  condition = null;
  isTriggered = false;
  /** The event that said which price met the condition. */
  met = null;
  /** How far the market is from what it waits for, as the server read it last. */
  distance = null;
  /** What it waits for before anything is signed: a code, and since when. */
  outage = null;
  slices = null;
  guards = [];
  parentId = null;
  ocoGroup = null;
  bracket = null;
  timeInForce = "gtc";
  expiresMs = null;
  batchId = null;
  clientOrderId = null;
  dex = null;
  route = null;
  txHash = null;
  mayLandUntil = null;
  amountOut = null;
  executedPrice = null;
  networkFeeLamports = 0;
  tipLamports = 0;
  rentLamports = 0;
  code = null;
  reason = null;
  createdMs = 0;
  updatedMs = 0;
  pair = null;
  #searchText = "";
  #searchTextVersion = -1;

  constructor(id) {
    this.id = id;
  }

  /** A copy that later events do not change. */
  copy() {
    return Object.assign(new Order(this.id), this);
  }

  /** The last eight characters, which are random: the first ones of an id encode its time. */
  get shortId() {
    return this.id.slice(-8);
  }

  /** Sorts orders by the time of creation, and the children of a parent beside it. */
  get rank() {
    if (this.parentId === null) return `${this.id}~`;
    return `${this.parentId} ${String(LATEST_MS - this.createdMs).padStart(14, "0")} ${this.id}`;
  }

  get hasEnded() {
    return FINAL_STATUSES.has(this.status);
  }

  /** Whether its time is also that of a market that it waits for. */
  get canWait() {
    return canWait(this);
  }

  /** Time from placement to the end, or until now while it has not ended. */
  durationMs(nowMs) {
    return Math.max((this.hasEnded ? this.updatedMs : nowMs) - this.createdMs, 0);
  }

  /** The number of swaps of its route; 0 where a record does not have them. */
  get legCount() {
    return this.route?.legVenues.length ?? 0;
  }

  /** The exchange and the program of each leg: `raydium/clmm meteora/dlmm`. */
  get venueKeys() {
    if (this.route === null) return this.dex ?? "";
    const venues = this.legCount > 0 ? this.route.legVenues : [this.route.mainVenue];
    return venues.map(({ key }) => key).join(" ");
  }

  /** The executed price in quote tokens per base token, as decimal text. */
  get price() {
    const amountIn = this.slices === null ? this.amountIn : this.slices.filledAmountIn;
    const amountOut = this.slices === null ? this.amountOut : (this.slices.amountOut ?? null);
    if (amountOut === null) return null;
    const [paid, got] = this.pair.side === "sell" ? [amountOut, amountIn] : [amountIn, amountOut];
    return divide(paid, got, PRICE_DECIMALS);
  }

  /** Why it failed or was cancelled, with what its slices filled until then; null if it did not. */
  get outcomeText() {
    if (this.code === null) return null;
    const filled = this.slices?.filledAmountIn ?? "0";
    const ended = `${this.code}: ${this.reason}`;
    if (!this.hasEnded || Number(filled) === 0) return ended;
    return `${ended}; its slices filled ${formatLong(filled)} of ${formatLong(this.amountIn)} ${tokenLabel(this.tokenIn)}`;
  }

  /** By how many basis points the execution was better than the quotes of its route. */
  get vsQuoteBps() {
    const expected = this.route?.expectedAmountOut ?? null;
    if (this.amountOut === null || expected === null) return null;
    return differenceBps(this.amountOut, expected);
  }

  /** By how many basis points the route was better than the best that was not chosen. */
  get gapBps() {
    return this.route?.gapBps ?? null;
  }

  /** The lower-case text that plain words of a filter are searched in. */
  get searchText() {
    if (this.#searchTextVersion !== this.version) {
      const parts = [this.id, this.pair.name, this.txHash, this.clientOrderId];
      this.#searchText = [...parts, this.code, this.reason].join("\n").toLowerCase();
      this.#searchTextVersion = this.version;
    }
    return this.#searchText;
  }

  /** Apply the next event. */
  applyEvent(event) {
    this.seq = event.seq;
    this.status = event.status;
    this.attempts = event.attempt;
    this.updatedMs = Date.parse(event.at);
    this.version += 1;
    this.distance = this.outage = null;
    this.#amend(event);
    if (event.seq === 1) {
      this.createdMs = this.updatedMs;
      this.#setTerms(event);
    }
    for (const cost of COSTS) this[cost] += event[cost] ?? 0;
    if (event.code !== undefined) {
      this.code = event.code;
      this.reason = event.reason;
    } else if (event.status === "confirmed") {
      this.code = this.reason = null;
    }
    if (hasRoute(event)) this.#setRoute(event);
    else if (event.executablePrice === undefined) this.#setOutcome(event);
    else this.setMet(event);
  }

  /**
   * Take over what a record says of an order that waits, which is no step; whether it is news.
   *
   * It is none if the record is older than the last event.
   */
  setWaiting(record) {
    if (record.seq < this.seq) return false;
    const describe = () => JSON.stringify([this.distance, this.outage, this.slices]);
    const known = describe();
    this.outage = this.hasEnded ? null : readOutage(record);
    if (this.status === "waiting") {
      this.distance = readDistance(record);
      this.slices &&= readSlices(record, this.slices);
    }
    const isNews = describe() !== known;
    if (isNews) this.version += 1;
    return isNews;
  }

  /** Take over the terms that an amendment has changed. */
  #amend(event) {
    const names = listAmended(event); // none of a slice: its amount is that of the slice
    if (names.length === 0) return;
    const terms = { ...this, ...this.condition, type: this.type, amountInShare: this.share };
    terms.expiresAt = this.expiresMs === null ? null : new Date(this.expiresMs).toISOString();
    for (const name of names) terms[name] = event[name];
    this.#setLimits(terms);
  }

  /** Take over which price met the condition; its venue need not be the one that executes it. */
  setMet(event) {
    this.met = event;
    this.isTriggered = this.type !== "limit";
    this.amountIn = event.amountIn ?? this.amountIn;
    this.minAmountOut = event.minAmountOut ?? this.minAmountOut;
  }

  /** Take over the state of a stored order. */
  applyStored(stored) {
    this.seq = stored.seq;
    this.status = stored.status;
    this.attempts = stored.attempts;
    this.createdMs = Date.parse(stored.createdAt);
    this.updatedMs = Date.parse(stored.updatedAt);
    this.version += 1;
    this.#setTerms(stored);
    this.isTriggered = stored.isTriggered ?? false;
    if (stored.route && hasRoute(stored.route)) this.#setRoute(stored.route);
    this.#setOutcome(stored);
    this.distance = stored.status === "waiting" ? readDistance(stored) : null;
    this.outage = readOutage(stored);
    for (const cost of COSTS) this[cost] = stored[cost] ?? 0;
    // What ended a cancelled order is its cancellation, and not the error of an attempt.
    const error = stored.cancelReason ? `${stored.cancelReason}: ${CANCELLED}` : stored.lastError;
    const [, code, reason] = /^(\w+): (.*)$/s.exec(error ?? "") ?? [];
    const isFailing = code !== undefined && stored.status !== "confirmed";
    this.code = isFailing ? code : null;
    this.reason = isFailing ? reason : null;
  }

  #setTerms(terms) {
    this.type = terms.type;
    this.tokenIn = terms.tokenIn;
    this.tokenOut = terms.tokenOut;
    this.batchId = terms.batchId ?? null;
    this.clientOrderId = terms.clientOrderId ?? null;
    this.parentId = terms.parentId ?? null;
    this.ocoGroup = terms.ocoGroup ?? null;
    this.bracket = terms.bracket ?? null;
    this.slices = readSlices(terms);
    this.guards = readGuards(terms);
    this.pair = buildPair(terms.tokenIn, terms.tokenOut);
    this.#setLimits(terms);
  }

  /** Set the terms that can be amended. */
  #setLimits(terms) {
    this.amountIn = terms.amountIn;
    this.share = terms.amountInShare ?? null;
    this.minAmountOut = terms.minAmountOut ?? null;
    this.slippageBps = terms.slippageBps;
    this.maxPriceImpactBps = terms.maxPriceImpactBps ?? null;
    this.condition = readCondition(terms);
    this.timeInForce = terms.timeInForce ?? "gtc";
    this.expiresMs = terms.expiresAt ? Date.parse(terms.expiresAt) : null;
  }

  /** Take over a route; the amount that it pays is expected, not received. */
  #setRoute(record) {
    this.route = new Route(record);
    this.dex = record.dex ?? this.dex;
  }

  #setOutcome(facts) {
    this.dex = facts.dex ?? this.dex;
    this.txHash = facts.txHash ?? this.txHash;
    this.mayLandUntil = facts.mayLandUntil ?? this.mayLandUntil;
    if (this.slices !== null) this.slices = readSlices(facts, this.slices);
    else this.amountOut = facts.amountOut ?? this.amountOut;
    this.executedPrice = facts.executedPrice ?? this.executedPrice;
  }
}

/** What an order waits for, as its client wrote it, in words; and whether it would wait now. */

import { compare, divide, formatLong, formatShort, isDecimal, multiply } from "./decimal.js";
import { tokenLabel } from "./tokens.js";

const RISING_TYPES = ["limit", "takeProfit", "twap"];
const LIMIT_TYPES = ["limit", "twap"];
const TIMED_TYPES = ["twap", "sniper"];
const ONE_ATTEMPT = ["ioc", "fok"];
const NAMES = { limit: "limit", stop: "stop", stopLimit: "stop", takeProfit: "take-profit", twap: "limit" };
/** A price that differs by less from the market's is called the same. */
const EQUAL_BELOW = 0.0005;
const PRICE_DECIMALS = 18;

/** The fields of the wire that a condition has. */
export const CONDITION_FIELDS = [
  "limitPrice", "triggerPrice", "activationPrice", "priceOf", "trailBps", "confirmations", "then",
];

/** The condition in an event or a stored order; null if it has none. */
export function readCondition(terms) {
  const isConditional = [terms.limitPrice, terms.triggerPrice, terms.trailBps].some(Boolean);
  if (!isConditional) return null;
  const fields = CONDITION_FIELDS.map((name) => [name, terms[name] ?? null]);
  return { ...Object.fromEntries(fields), type: terms.type, priceOf: terms.priceOf ?? "tokenIn" };
}

/** Whether an order may wait: its time is not only that of its execution. */
export function canWait(order) {
  const waits = order.condition !== null || TIMED_TYPES.includes(order.type);
  return waits && !ONE_ATTEMPT.includes(order.timeInForce);
}

/** `≥ 152.3 USDC per SOL`, or `trails 2 %`. */
export function describeAwaited(order) {
  const { condition } = order;
  if (condition.trailBps === null) return `${describeThreshold(order)} ${unitOf(order, condition)}`;
  const { activationPrice: start } = condition;
  const begins = start === null ? "" : ` from ${formatLong(start)} ${unitOf(order, condition)}`;
  return `trails ${condition.trailBps / 100} %${begins}`;
}

/** The same without its unit, for a cell. */
export function describeThreshold({ condition, isTriggered }) {
  const { type, limitPrice, triggerPrice, trailBps, priceOf } = condition;
  if (trailBps !== null) return `−${trailBps / 100} %`;
  const isLimit = LIMIT_TYPES.includes(type) || (isTriggered && type !== "stop");
  const isRising = isLimit || RISING_TYPES.includes(type);
  const price = isLimit ? (limitPrice ?? triggerPrice) : (triggerPrice ?? limitPrice);
  // Who writes what a token out costs, sees it met from above.
  return `${isRising === (priceOf === "tokenIn") ? "≥" : "≤"} ${formatShort(price, 9)}`;
}

/** What an order becomes when its trigger is met; empty for a limit. */
export function describeThen({ condition }) {
  const { type, limitPrice, then } = condition;
  if (LIMIT_TYPES.includes(type)) return "";
  if (type === "stopLimit" && limitPrice !== null) return `a limit at ${formatLong(limitPrice)}`;
  return type === "takeProfit" && then !== "market" ? "a limit at this price" : "sold at the market";
}

/** The price that met the condition, and where and when it was read. */
export function describeMet({ met, tokenIn, tokenOut }) {
  const venue = met.dex ? ` on ${met.dex}` : "";
  const slot = met.slot === undefined ? "" : `, slot ${met.slot}`;
  const unit = unitOf({ tokenIn, tokenOut }, met);
  return `${formatShort(met.executablePrice, 9)} ${unit}${venue}${slot}`;
}

/**
 * Compare an order, and the legs of its bracket, with the market: a sentence for each that waits.
 *
 * The legs swap back what the order receives, so they are compared the other way round.
 */
export function describeSenses(terms, amountOut) {
  const legs = Object.entries(terms.bracket ?? {}).filter(([, leg]) => leg !== undefined);
  const senses = legs.map(([name, leg]) => {
    const type = leg.trailBps === undefined ? name : "trailingStop";
    const swapped = { tokenIn: terms.tokenOut, tokenOut: terms.tokenIn, amount: amountOut };
    const sense = describeSense({ ...swapped, type, ...leg }, terms.amount);
    return sense.replace("This ", "Its ").replace("It would", "Its stop would");
  });
  return [describeSense(terms, amountOut), ...senses].filter(Boolean);
}

/**
 * Compare an order that is being prepared with what the best route pays for it; empty if it waits
 * for nothing, or for what is no number.
 */
export function describeSense(terms, amountOut) {
  const isOfTokenIn = terms.priceOf !== "tokenOut";
  if (!isDecimal(String(terms.amount)) || Number(amountOut) === 0) return "";
  const [of, by] = isOfTokenIn ? [terms.amount, amountOut] : [amountOut, terms.amount];
  const market = divide(by, of, PRICE_DECIMALS);
  if (terms.type === "trailingStop") return describeTrailing(terms, market, isOfTokenIn);
  const price = LIMIT_TYPES.includes(terms.type) ? terms.limitPrice : terms.triggerPrice;
  if (!(terms.type in NAMES) || !isDecimal(price ?? "") || Number(price) === 0) return "";
  const isAtLeast = RISING_TYPES.includes(terms.type) === isOfTokenIn;
  const order = compare(market, price);
  const isMet = isAtLeast ? order >= 0 : order <= 0;
  const outcome = describeOutcome(terms, isMet);
  return `This ${NAMES[terms.type]} is ${describeDistance(price, market)} and would ${outcome}.`;
}

function describeOutcome({ type, timeInForce }, isMet) {
  if (!LIMIT_TYPES.includes(type)) return isMet ? "trigger at once" : "wait";
  if (isMet) return "fill now";
  return ONE_ATTEMPT.includes(timeInForce) ? "expire unfilled" : "wait";
}

function describeTrailing({ trailBps, activationPrice: start, ...terms }, market, isOfTokenIn) {
  if (!Number.isInteger(trailBps) || trailBps <= 0 || trailBps >= 10_000) return "";
  if (start !== undefined && isDecimal(start)) {
    const order = compare(start, market);
    const isLater = isOfTokenIn ? order > 0 : order < 0;
    if (isLater) return `It begins to trail ${describeDistance(start, market)}.`;
  }
  const trigger = computeTrailTrigger(market, trailBps, terms.priceOf);
  const way = isOfTokenIn ? "below" : "above";
  const at = `${formatShort(trigger)} ${unitOf(terms, terms)}`;
  return `It would trigger at ${at} or later, ${trailBps / 100} % ${way} the best from now on.`;
}

/** Where a trailing stop triggers: a cost is followed from above. */
export function computeTrailTrigger(best, trailBps, priceOf) {
  const kept = divide(String(10_000 - trailBps), "10000", 4);
  const compute = priceOf === "tokenOut" ? divide : multiply;
  return compute(best, kept, PRICE_DECIMALS);
}

function describeDistance(price, market) {
  const gap = Number(price) / Number(market) - 1;
  if (Math.abs(gap) < EQUAL_BELOW) return "at the market";
  return `${(Math.abs(gap) * 100).toFixed(1)} % ${gap > 0 ? "above" : "below"} the market`;
}

function unitOf({ tokenIn, tokenOut }, { priceOf }) {
  const [of, by] = priceOf === "tokenOut" ? [tokenOut, tokenIn] : [tokenIn, tokenOut];
  return `${tokenLabel(by)} per ${tokenLabel(of)}`;
}

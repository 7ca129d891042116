/**
 * Generates orders from the fields of the form: the same fields and seed give the same orders.
 *
 * Validation is left to the API: text that is not a number is sent as it is, and the API's error
 * is shown beside the field.
 */

import { buildConditionTerms, CONDITION_DEFAULTS, describeCondition, listInputs } from "./condition_plan.js";
import { divide, isDecimal, multiply } from "../decimal.js";
import { isShare, takesShare } from "../shares.js";
import { readInteger } from "./fields.js";
import {
  buildBracket, buildTypeTerms, describeBracketInputs, describeGuardInputs, GROUP_DEFAULTS, splitOco,
} from "./group_plan.js";

export const COUNT_MAX = 10_000;

const SINGLE_ORDER = {
  count: "1", pairs: ["SOL/USDC"], side: "sell", type: "market",
  low: "1", high: "1", of: "in", slippage: "", impact: "", minimum: "", seed: "42", pace: "0",
  ...CONDITION_DEFAULTS, ...GROUP_DEFAULTS,
};
const HUNDRED_ORDERS = { ...SINGLE_ORDER, count: "100", side: "mixed", low: "0.5", high: "25", of: "base" };
const THREE_PAIRS = ["SOL/USDC", "JUP/USDC", "BONK/USDC"];

/** The built-in presets: those of the dashboard, and a single order. */
export const PRESETS = {
  "one order": SINGLE_ORDER,
  "a few": { ...HUNDRED_ORDERS, count: "10" },
  "a hundred": HUNDRED_ORDERS,
  "three pairs": { ...HUNDRED_ORDERS, count: "300", pairs: THREE_PAIRS, of: "in" },
  "tight slippage": { ...HUNDRED_ORDERS, slippage: "1" },
  "load test": { ...HUNDRED_ORDERS, count: "5000", low: "0.1", high: "2" },
};

/** How many orders a form describes: an OCO is two. */
export function countOrders({ count, type }) {
  return Number(count) * (type === "oco" ? 2 : 1);
}

/** Generate the orders. `prices`: quote tokens per base token, by pair. */
export function* generateOrders(form, prices) {
  const random = seededRandom(Number(form.seed) || 0);
  const total = Math.min(Number(form.count) || 1, COUNT_MAX);
  for (let index = 0; index < total; index += 1) {
    const isSniper = form.type === "sniper";
    const pairs = isSniper ? [`${form.mint.trim()}/${form.payWith.trim()}`] : form.pairs;
    const pair = pairs[Math.floor(random() * pairs.length)] ?? "";
    const isBuy = isSniper || form.side === "buy" || (form.side === "mixed" && random() < 0.5);
    const amount = randomAmount(form.low, form.high, random);
    const terms = buildOrder(form, pair, isBuy, amount, prices[pair]);
    if (form.type === "oco") yield* splitOco(terms, form, isBuy, String(index + 1));
    else yield terms;
  }
}

/** The fields of the form that describe an order like this one. */
export function describeTerms(order, nowMs = Date.now()) {
  const { pair, type, slippageBps, maxPriceImpactBps, minAmountOut } = order;
  const sold = order.share ?? order.amountIn;
  return {
    ...GROUP_DEFAULTS,
    count: "1", low: sold, high: sold, of: "in",
    slippage: String(slippageBps),
    impact: String(maxPriceImpactBps ?? ""),
    minimum: order.condition === null ? (minAmountOut ?? "") : "",
    type, pairs: [`${pair.base}/${pair.quote}`], side: pair.side,
    ...describeSlices(order),
    ...describeGuardInputs(order),
    ...describeCondition(order, nowMs),
    ...describeBracketInputs(order),
  };
}

function describeSlices({ slices }) {
  if (slices === null) return {};
  const { slices: count, intervalS, jitterBps = 0 } = slices;
  return { slices: String(count), interval: `${intervalS}s`, jitter: jitterBps ? String(jitterBps / 100) : "" };
}

/** Whether amounts of the base token have to be converted into the quote token that is sold. */
export function needsPrices(form) {
  return form.of === "base" && form.side !== "sell" && form.type !== "sniper";
}

/** The base and the quote token of a pair. */
export function splitPair(pair) {
  return pair.split("/").map((token) => token.trim() || undefined);
}

/**
 * The order that is executed at a time: a slice of a TWAP order, else all of it. What a share will
 * be is not known: the price of one token stands for its.
 */
export function takePart(terms) {
  const { slices, amount, type } = terms;
  if (takesShare(type) && isShare(amount)) return { ...terms, amount: "1" };
  if (!Number.isInteger(slices) || slices < 1 || !isDecimal(amount)) return terms;
  return { ...terms, amount: divide(amount, String(slices), 6) };
}

function buildOrder(form, pair, isBuy, amount, price) {
  const [base, quote] = splitPair(pair);
  const isPriced = isBuy && needsPrices(form) && price !== undefined && isDecimal(amount);
  const terms = {
    tokenIn: isBuy ? quote : base,
    tokenOut: isBuy ? base : quote,
    amount: isPriced ? quoteAmount(amount, price) : amount,
    slippageBps: readInteger(form.slippage),
    maxPriceImpactBps: readInteger(form.impact),
    ...buildConditionTerms(form, isBuy),
    ...buildTypeTerms(form),
    ...buildBracket(form, isBuy),
  };
  const hasMinimum = form.minimum !== "" && listInputs(form).includes("minimum");
  if (hasMinimum) terms.minAmountOut = form.minimum;
  if (form.type !== "market") terms.type = form.type;
  return terms;
}

/** The cost of an amount: in cents, or below 1 with as many decimals as every quote token has. */
function quoteAmount(amount, price) {
  const exact = multiply(amount, price, 6);
  return Number(exact) < 1 ? exact : multiply(amount, price, 2);
}

/** A random amount on a grid of about a thousand steps, as short text. */
function randomAmount(low, high, random) {
  const fraction = random();
  if (low === high || !isDecimal(low)) return low;
  if (!isDecimal(high)) return high;
  const [from, to] = [Number(low), Number(high)];
  const decimals = Math.max(0, Math.min(3 - Math.floor(Math.log10(to)), 5));
  return (from + fraction * (to - from)).toFixed(decimals);
}

/** A generator of pseudo-random numbers from 0 to 1 (mulberry32). */
function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Orders made from the fields of the form: the same fields and seed give the same orders.
 *
 * What a field means is for the API to judge: text that is no number goes out as it is, and the
 * API's own words come back beside the field.
 */

import { isDecimal, product } from "./decimal.js";

export const COUNT_MAX = 10_000;

const ONE = {
  count: "1", pairs: ["SOL/USDC"], side: "sell", type: "market", limit: "",
  low: "1", high: "1", of: "in", slippage: "50", minimum: "", seed: "42", pace: "0",
};
const HUNDRED = { ...ONE, count: "100", side: "mixed", low: "0.5", high: "25", of: "base" };
const THREE = ["SOL/USDC", "JUP/USDC", "BONK/USDC"];

/** Forms to begin with: those of the dashboard, and a single order. */
export const PRESETS = {
  "one order": ONE,
  "a few": { ...HUNDRED, count: "10" },
  "a hundred": HUNDRED,
  "three pairs": { ...HUNDRED, count: "300", pairs: THREE, of: "in" },
  "tight slippage": { ...HUNDRED, slippage: "1" },
  "load test": { ...HUNDRED, count: "5000", low: "0.1", high: "2" },
};

/** The orders, one after another. `prices`: quote tokens for one base token, by pair. */
export function* orders(form, prices) {
  const random = randomFrom(Number(form.seed) || 0);
  const total = Math.min(Number(form.count) || 1, COUNT_MAX);
  for (let made = 0; made < total; made += 1) {
    const pair = form.pairs[Math.floor(random() * form.pairs.length)] ?? "";
    const isBuy = form.side === "buy" || (form.side === "mixed" && random() < 0.5);
    yield order(form, pair, isBuy, amountBetween(form.low, form.high, random), prices[pair]);
  }
}

/** Whether amounts of the base token have to be turned into what is paid for it. */
export function needsPrices(form) {
  return form.of === "base" && form.side !== "sell";
}

/** The base and the quote of a pair. */
export function tokensOf(pair) {
  return pair.split("/").map((token) => token.trim() || undefined);
}

function order(form, pair, isBuy, amount, price) {
  const [base, quote] = tokensOf(pair);
  const isPriced = isBuy && form.of === "base" && price !== undefined && isDecimal(amount);
  const terms = {
    tokenIn: isBuy ? quote : base,
    tokenOut: isBuy ? base : quote,
    amount: isPriced ? worth(amount, price) : amount,
    slippageBps: form.slippage === "" ? undefined : (wholeNumber(form.slippage) ?? form.slippage),
    minAmountOut: form.minimum === "" ? undefined : form.minimum,
  };
  if (form.type !== "market") terms.type = form.type;
  if (form.type === "limit") terms.limitPrice = form.limit;
  return terms;
}

function wholeNumber(text) {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : null;
}

/** What an amount costs: cents, or as exact as every money-like token can be. */
function worth(amount, price) {
  const exact = product(amount, price, 6);
  return Number(exact) < 1 ? exact : product(amount, price, 2);
}

/** An amount on a grid of about a thousand steps, as short text. */
function amountBetween(low, high, random) {
  const chance = random();
  if (low === high || !isDecimal(low)) return low;
  if (!isDecimal(high)) return high;
  const [from, to] = [Number(low), Number(high)];
  const places = Math.max(0, Math.min(3 - Math.floor(Math.log10(to)), 5));
  return (from + chance * (to - from)).toFixed(places);
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What orders sell: by token, and together in USDC as far as prices are known. */

import { add, isDecimal, multiply } from "./decimal.js";

export const DOLLAR = "USDC";
/** Orders that sell more USDC than this together are asked about, unless the user sets another. */
export const ASK_ABOVE = "150000";

const DOLLAR_TOKENS = new Set([DOLLAR, "USDT"]);
const DOLLAR_DECIMALS = 2;

/** The amounts that orders sell, by token; those that are no numbers are left out. */
export function sumAmounts(orders) {
  const sums = new Map();
  for (const { tokenIn, amount, ocoGroup, type } of orders) {
    if (ocoGroup !== undefined && type !== "takeProfit") continue; // only one of an OCO sells
    if (tokenIn && isDecimal(amount)) sums.set(tokenIn, add(sums.get(tokenIn) ?? "0", amount));
  }
  return sums;
}

/** The tokens whose price in USDC the value of some amounts needs. */
export function listUnpriced(sums, prices) {
  return [...sums.keys()].filter((token) => findPrice(token, prices) === undefined);
}

/** The value in USDC of amounts by token, of those with a price; null if none has one. */
export function findValue(sums, prices) {
  let value = null;
  for (const [token, amount] of sums) {
    const price = findPrice(token, prices);
    if (price !== undefined) value = add(value ?? "0", multiply(amount, price, DOLLAR_DECIMALS));
  }
  return value;
}

function findPrice(token, prices) {
  return DOLLAR_TOKENS.has(token) ? "1" : prices[`${token}/${DOLLAR}`];
}

/** Quotes and sums as text: what an order would get, and what the orders of a form sell. */

import { describeSenses } from "../model/conditions.js";
import { differenceBps, formatShort, isDecimal } from "../model/decimal.js";
import { DOLLAR, findValue } from "../model/order_value.js";
import { tokenLabel } from "../model/tokens.js";
import { createElement, formatCount, formatCounted, formatSigned } from "./format.js";

/** Amounts by token and their value: `2,000 SOL, about 200,000 USDC`. */
export function describeSums(sums, prices) {
  const amounts = [...sums].map(([token, sum]) => `${formatShort(sum, 8)} ${tokenLabel(token)}`);
  const value = findValue(sums, prices);
  const isOnlyDollars = sums.size === 1 && sums.has(DOLLAR);
  const about = value === null || isOnlyDollars ? "" : `, about ${formatDollars(value)}`;
  return `${amounts.join(" + ")}${about}`;
}

/** What orders sell, as the question before they are placed; that of shares has no value yet. */
export function describeQuestion(count, sums, shares, prices) {
  const ofShares = `${shares.join(" + ")} that the wallet holds at the trigger: its value is not known before`;
  const sold = [sums.size > 0 && describeSums(sums, prices), shares.length > 0 && ofShares];
  const verb = count === 1 ? "sells" : "sell";
  return `${formatCounted(count, "order")} ${verb} ${sold.filter(Boolean).join(", and ")}. Press again to place.`;
}

/** Basis points as per cent; the server's default is another one for what a trigger sells. */
export function describeSlippage(text) {
  if (text.trim() === "") return "empty: the server's";
  return isDecimal(text) ? `= ${Number(text) / 100} %` : "";
}

/** A value in USDC, to whole ones. */
export function formatDollars(value) {
  return `${formatCount(Math.round(Number(value)))} ${DOLLAR}`;
}

function toUnavailable({ dex, refused }) {
  return { dex, ...refused };
}

/** Whether an order, or the legs of its bracket, would wait now; nothing for the others. */
export function renderSense(terms, { quotes, dex }) {
  const best = quotes.find((each) => each.dex === dex);
  return describeSenses(terms, best.amountOut).map((text) => createElement("p", { class: "sense" }, text));
}

/** Every venue's offer, the best first marked, and the minimum. */
export function renderQuote(quote) {
  const token = tokenLabel(quote.tokenOut);
  const best = quote.quotes.find(({ dex }) => dex === quote.dex);
  const refused = quote.quotes.filter((each) => each.refused !== undefined);
  const offers = quote.quotes.filter((each) => each.refused === undefined);
  const items = offers.map((each) => {
    const isBest = each === best;
    const bps = isBest ? "" : ` (${formatSigned(differenceBps(each.amountOut, best.amountOut))} bps)`;
    const amountOut = `${formatShort(each.amountOut, 8)} ${token}`;
    const text = `${isBest ? "▸ " : ""}${each.dex}: ${amountOut}${bps}`;
    return createElement("li", isBest ? { class: "best" } : {}, text);
  });
  for (const { dex, reason } of [...refused.map(toUnavailable), ...(quote.unavailable ?? [])]) {
    items.push(createElement("li", {}, `${dex}: ${reason}`));
  }
  const amountIn = `${formatShort(quote.amountIn, 8)} ${tokenLabel(quote.tokenIn)}`;
  const minimum = `At least ${formatShort(quote.minAmountOut, 8)} ${token} for ${amountIn}`;
  return [createElement("ul", {}, ...items), createElement("p", {}, minimum)];
}

/** Quotes and sums as text: what an order would get, and what the orders of a form sell. */

import { describeSenses } from "../model/conditions.js";
import { differenceBps, formatShort, isDecimal } from "../model/decimal.js";
import { DOLLAR, findValue } from "../model/order_value.js";
import { Route } from "../model/route.js";
import { tokenLabel } from "../model/tokens.js";
import { createElement, formatCount, formatCounted, formatSigned } from "./format.js";
import { describeLegs, sortQuotes } from "./order_route.js";

const ITEMS_MAX = 3;

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

/** Whether an order, or the legs of its bracket, would wait now; nothing for the others. */
export function renderSense(terms, quote) {
  const senses = describeSenses(terms, new Route(quote).expectedAmountOut);
  return senses.map((text) => createElement("p", { class: "sense" }, text));
}

/** The route marked, what single pools offer beside it, what offers nothing, and the minimum. */
export function renderQuote(quote) {
  const route = new Route(quote);
  const token = tokenLabel(quote.tokenOut);
  const items = [...renderOffers(route, token), ...renderMissing(route)];
  const amountIn = `${formatShort(quote.amountIn, 8)} ${tokenLabel(quote.tokenIn)}`;
  const minimum = `At least ${formatShort(quote.minAmountOut, 8)} ${token} for ${amountIn}`;
  return [createElement("ul", {}, ...items), createElement("p", {}, minimum)];
}

function renderOffers(route, token) {
  const best = route.expectedAmountOut;
  const isSplit = route.legVenues.length > 1;
  const others = isSplit ? route.quotes : route.quotes.filter(({ venue }) => !route.uses(venue));
  const name = isSplit ? describeLegs(route) : route.mainVenue.name;
  const offers = sortQuotes(others).map(({ venue, amountOut }) => {
    const bps = formatSigned(differenceBps(amountOut, best));
    return `${venue.name}: ${formatShort(amountOut, 8)} ${token} (${bps} bps)`;
  });
  const items = limitItems(offers).map((text) => createElement("li", {}, text));
  const chosen = `▸ ${name}: ${formatShort(best, 8)} ${token}`;
  return [createElement("li", { class: "best" }, chosen), ...items];
}

function renderMissing({ missing }) {
  const texts = missing.map(({ venue, reason }) => `${venue.name}: ${reason}`);
  return limitItems(texts).map((text) => createElement("li", {}, text));
}

function limitItems(texts) {
  const rest = texts.length - ITEMS_MAX;
  return rest > 0 ? [...texts.slice(0, ITEMS_MAX), `and ${formatCounted(rest, "more pool")}`] : texts;
}

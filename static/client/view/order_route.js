/** The route of an order: its legs and what splitting it brought, and the quotes of all pools. */

import { compare, formatLong, formatShort } from "../model/decimal.js";
import { groupByPath } from "../model/route.js";
import { tokenLabel } from "../model/tokens.js";
import { createElement, formatPercent } from "./format.js";

const POOL_CHARACTERS = 4;
const REFUSED = "✕";

/** `Raydium CLMM 62 % · Meteora DLMM 38 %`; with arrows between legs that follow each other. */
export function describeLegs({ legs }) {
  const isSplit = new Set(legs.map(({ tokenIn }) => tokenIn)).size === 1;
  if (!isSplit) return legs.map(({ venue }) => venue.name).join(" → ");
  return legs.map(({ venue, share }) => `${venue.name} ${formatRate(share)}`.trim()).join(" · ");
}

/** The quotes, those that pay most first. */
export function sortQuotes(quotes) {
  return [...quotes].sort((a, b) => compare(b.amountOut, a.amountOut));
}

/** The rows of the legs: two of each, below the tokens that they lead through if those are more. */
export function buildLegs({ route, tokenIn, tokenOut }) {
  const paths = groupByPath(route?.legs ?? [], tokenIn, tokenOut);
  return paths.flatMap(({ tokens, legs }) => {
    const isNamed = tokens.length > 2 || (tokens.length > 0 && paths.length > 1);
    return [...(isNamed ? [buildPathRow(tokens)] : []), ...legs.flatMap(buildLegRows)];
  });
}

function buildPathRow(tokens) {
  const path = tokens.map(tokenLabel).join(" → ");
  const cell = createElement("th", { scope: "rowgroup", colspan: 4 }, path);
  return createElement("tr", { class: "path" }, cell);
}

function buildLegRows(leg) {
  const { venue, tokenIn, tokenOut, amountIn, amountOut } = leg;
  const rates = [leg.share, leg.fee, leg.priceImpact].map((rate) => buildNumber(formatRate(rate)));
  const swap = `${formatLong(amountIn)} ${tokenLabel(tokenIn)} → ${formatLong(amountOut)} ${tokenLabel(tokenOut)}`;
  const pool = createElement("code", { class: "pool" }, venue.pool);
  return [
    createElement("tr", { class: "leg" }, createElement("th", { scope: "row" }, venue.name), ...rates),
    createElement("tr", {}, createElement("td", { colspan: 4 }, createElement("div", {}, swap), pool)),
  ];
}

/** The price impact of several legs together, and what they pay beyond the best single pool. */
export function describeGain({ legCount, route }) {
  if (legCount < 2) return "";
  const { priceImpact, improvementBps } = route;
  const texts = [priceImpact !== null && `Price impact ${formatPercent(priceImpact)}.`];
  if (improvementBps !== null) {
    const comparison = improvementBps < 0 ? "worse" : "better";
    const bps = Math.abs(improvementBps).toFixed(1);
    texts.push(`${bps} bps ${comparison} than the best single pool.`);
  }
  return texts.filter(Boolean).join(" ");
}

/** The rows of the quotes; of pools, those that pay most first. What offers nothing is last. */
export function buildQuotes({ route }) {
  if (route === null) return [];
  const quotes = route.hasPools ? sortQuotes(route.quotes) : route.quotes;
  const offers = quotes.map((quote) => buildQuoteRow(quote, route.uses(quote.venue)));
  return [...offers, ...route.missing.map((each) => buildMissingRow(each, route.hasPools))];
}

function buildQuoteRow({ venue, amountOut, fee, priceImpact }, isChosen) {
  const name = isChosen
    ? [`▸ ${venue.name}`, createElement("span", { class: "visually-hidden" }, " (chosen)")]
    : [venue.name];
  return createElement(
    "tr",
    isChosen ? { class: "best" } : {},
    createElement("th", { scope: "row" }, ...name, ...buildPoolEnds(venue)),
    buildNumber(formatShort(amountOut, 9)),
    buildNumber(formatPercent(fee)),
    buildNumber(formatPercent(priceImpact)),
  );
}

function buildMissingRow({ venue, reason }, isMarked) {
  const name = isMarked ? `${REFUSED} ${venue.name}` : venue.name;
  return createElement(
    "tr",
    {},
    createElement("th", { scope: "row" }, name, ...buildPoolEnds(venue)),
    createElement("td", { colspan: 3 }, reason),
  );
}

/** Both ends of a pool's address; the pointer shows all of it. */
function buildPoolEnds({ pool }) {
  if (pool === "") return [];
  const ends = `${pool.slice(0, POOL_CHARACTERS)}…${pool.slice(-POOL_CHARACTERS)}`;
  return [" ", createElement("code", { class: "ends", title: pool }, ends)];
}

function buildNumber(text) {
  return createElement("td", { class: "number" }, text);
}

function formatRate(rate) {
  return rate === null ? "" : formatPercent(rate);
}

/** How the chosen pool compares with the next best, and how many were not asked. */
export function describeDifference({ hasEnded, route, legCount }) {
  if (route === null) return hasEnded ? "It was not routed." : "Not quoted yet.";
  return [describeNextBest(route, legCount), describeLeftOut(route)].filter(Boolean).join(" ");
}

function describeNextBest(route, legCount) {
  if (legCount > 1) return "";
  const other = route.bestOther;
  if (other === null || route.gapBps === null) return route.hasPools ? "Only one pool made an offer." : "Only one venue made an offer.";
  const than = route.hasPools ? `the next best, ${other.venue.name}` : other.venue.name;
  return `After fees ${route.mainVenue.name} pays ${route.gapBps.toFixed(1)} bps more than ${than}.`;
}

function describeLeftOut({ leftOut }) {
  if (leftOut === 0) return "";
  return leftOut === 1 ? "1 pool was not quoted." : `${leftOut} pools were not quoted.`;
}

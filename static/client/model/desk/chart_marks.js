/**
 * What orders are on the chart of a pair: lines at the prices that open orders wait for, and marks
 * of fills and of the prices that met a condition, all in quote tokens for one base token.
 */

import { computeTrailTrigger } from "../conditions.js";
import { divide, formatShort } from "../decimal.js";
import { describeSold } from "../shares.js";
import { formatDistance } from "../waiting.js";

const PRICE_DECIMALS = 18;
const WORDS = { takeProfit: "take-profit", stopLimit: "stop-limit", trailingStop: "trailing stop" };

/** A price of an order's condition as one of the chart: of the base, in quote tokens. */
export function toChartPrice(price, priceOf, side) {
  if (price === null || price === undefined) return null;
  const isOfBase = (priceOf !== "tokenOut") === (side === "sell");
  return isOfBase ? price : divide("1", price, PRICE_DECIMALS);
}

/**
 * The lines of the open orders of a pair, the highest first: each with its order, price, words and
 * distance. A TWAP without a limit is at its average price, or at the `market`.
 */
export function listLines(orders, pairName, market) {
  return orders
    .filter((order) => !order.hasEnded && order.pair.name === pairName)
    .flatMap((order) => buildLines(order, market))
    .sort((a, b) => b.price - a.price);
}

function buildLines(order, market) {
  const { condition, pair, slices } = order;
  const line = (text, priceText, rest = {}) => {
    if (priceText === null || !(Number(priceText) > 0)) return [];
    const distance = describeDistance(order, priceText, market);
    return [{ order, text: `${pair.side} ${text}`, priceText, price: Number(priceText), distance, ...rest }];
  };
  const at = (price) => toChartPrice(price, condition.priceOf, pair.side);
  if (slices !== null) return line(describeTwap(order), findTwapPrice(order, market), { isProgress: true });
  if (condition === null) return [];
  const { type, limitPrice, triggerPrice, trailBps } = condition;
  const name = WORDS[type] ?? type;
  if (trailBps !== null) return line(`${name} −${trailBps / 100} %`, at(findTrail(order)));
  if (type === "limit" || (order.isTriggered && limitPrice !== null)) return line(name, at(limitPrice));
  const then = type === "stopLimit" ? line("then limit", at(limitPrice), { isSecond: true, distance: "" }) : [];
  return [...line(name, at(triggerPrice)), ...then];
}

/** Where a trailing stop triggers now; before it has begun to trail, where it begins. */
function findTrail({ condition, distance }) {
  const best = distance?.highestPrice ?? null;
  if (best === null) return condition.activationPrice;
  return computeTrailTrigger(best, condition.trailBps, condition.priceOf);
}

function describeTwap({ slices, condition }) {
  const limit = condition?.limitPrice ? " limit" : "";
  return `twap${limit} ${slices.slicesPlaced}/${slices.slices}`;
}

function findTwapPrice(order, market) {
  if (order.condition?.limitPrice) {
    return toChartPrice(order.condition.limitPrice, order.condition.priceOf, order.pair.side);
  }
  return order.price ?? market;
}

/** As the server read it for the whole order; else from the last price. */
function describeDistance({ distance, status, slices, condition }, priceText, market) {
  if (status !== "waiting" || (slices !== null && condition === null)) return "";
  const bps = distance?.distanceBps ?? null;
  if (bps !== null) return formatDistance(bps);
  if (market === null) return "";
  return `${(Math.abs(Number(priceText) / Number(market) - 1) * 100).toFixed(1)} %`;
}

const MARKS = new WeakMap();

/** The fills of a pair in a time, in milliseconds since 1970, the oldest first. */
export function listFillMarks(orders, pairName, fromMs, toMs) {
  const marks = [];
  for (const order of orders) {
    if (order.status !== "confirmed" || order.updatedMs < fromMs || order.updatedMs >= toMs) continue;
    if (order.slices !== null || order.amountOut === null || order.pair.name !== pairName) continue;
    marks.push(findMark(order));
  }
  return marks.sort((a, b) => a.atMs - b.atMs);
}

/** The mark of a fill: built once, as exact prices take long where there are thousands. */
function findMark(order) {
  let mark = MARKS.get(order);
  if (mark?.version !== order.version) MARKS.set(order, (mark = buildMark(order)));
  return mark;
}

function buildMark(order) {
  const { pair, amountIn, amountOut, price, updatedMs, version } = order;
  const value = Number(pair.side === "sell" ? amountOut : amountIn);
  return { order, version, side: pair.side, atMs: updatedMs, price: Number(price), priceText: price, value };
}

/** The prices that met the conditions of orders of a pair, as far as it is known which. */
export function listMetMarks(orders, pairName, fromMs, toMs) {
  return orders
    .filter((order) => order.pair.name === pairName && findMet(order) !== null)
    .map((order) => {
      const priceText = findMet(order);
      return { order, atMs: Date.parse(order.met.at), price: Number(priceText), priceText };
    })
    .filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
}

/** `sell 2.5 SOL at 100.2`, and which price met its condition if it had one. */
export function describeFill({ order, side, priceText }) {
  const met = findMet(order);
  const why = met === null ? "" : `, met at ${formatShort(met)}`;
  return `${side} ${describeSold(order, formatShort(order.amountIn))} at ${formatShort(priceText)}${why}`;
}

function findMet({ met, condition, pair }) {
  if (met === null || condition === null) return null;
  return toChartPrice(met.executablePrice, met.priceOf ?? condition.priceOf, pair.side);
}

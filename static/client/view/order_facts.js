/** The facts of one order: terms, outcome, fees, distance to the market, slices and relatives. */

import {
  computeTrailTrigger, describeAwaited, describeMet, describeThen, describeThreshold,
} from "../model/conditions.js";
import { divide, formatLong, formatShort } from "../model/decimal.js";
import { explainCode } from "../model/desk/failure_words.js";
import { STATUS_SYMBOLS } from "../model/order.js";
import { describeSold } from "../model/shares.js";
import { tokenLabel } from "../model/tokens.js";
import { describeBracket, describeGuard, formatDistance } from "../model/waiting.js";
import { createElement, formatCount, formatDuration, formatSigned, formatTime } from "./format.js";
import { describeLegs } from "./order_route.js";

const LAMPORTS_PER_SOL = "1000000000";
const CHILDREN_MAX = 6;

function describeReceived(order, tokenOut) {
  if (order.amountOut !== null) return `${formatLong(order.amountOut)} ${tokenOut}`;
  return order.status === "confirmed" && "not known yet: the node does not tell it";
}

function describeAmounts(amounts = []) {
  return amounts.map(({ token, amount }) => `${formatLong(amount)} ${tokenLabel(token)}`).join(" + ");
}

/** What all its transactions that landed have cost, in SOL. */
function describeLamports(lamports) {
  const sol = divide(String(lamports), LAMPORTS_PER_SOL, 9);
  return lamports > 0 && `${formatLong(sol.replace(/\.?0+$/, ""))} SOL`;
}

/** What it waits for before anything is signed, in words. */
function describeOutage({ code, since }) {
  return `${explainCode(code) || code}, since ${formatTime(Date.parse(since))}`;
}

function describeDeadline({ mayLandUntil }) {
  return mayLandUntil !== null && `up to block height ${formatCount(mayLandUntil)}`;
}

/**
 * Names and values of an order, as terms and definitions; `relatives` as the store finds them,
 * `explorer` has the address of its transaction.
 */
export function buildFacts(order, relatives, explorer) {
  const { pair } = order;
  const tokenOut = tokenLabel(order.tokenOut);
  const unit = `${tokenLabel(pair.quote)} for one ${tokenLabel(pair.base)}`;
  const facts = [
    ["Swap", `${describeSold(order, formatLong(order.amountIn))} → ${tokenOut} (${pair.side} ${pair.name})`],
    ...buildSlices(order),
    ["Received", order.slices === null && describeReceived(order, tokenOut)],
    ["Price", order.amountOut && `${formatShort(order.price, 9)} ${unit}`],
    ["Against the quote", order.vsQuoteBps !== null && `${formatSigned(order.vsQuoteBps)} bps`],
    [`Fee of ${order.legCount > 1 ? "the pools" : order.dex}`, order.amountOut && describeAmounts(order.route?.venueFees)],
    ["Fee of the network", describeLamports(order.networkFeeLamports)],
    ["Tip", describeLamports(order.tipLamports)],
    ["Rent of new accounts", describeLamports(order.rentLamports)],
    ["At least", order.route?.minAmountOut && `${formatLong(order.route.minAmountOut)} ${tokenOut}`],
    ["Left over, about", describeAmounts(order.route?.residuals)],
    ["Own minimum", order.minAmountOut && `${formatLong(order.minAmountOut)} ${tokenOut}`],
    ["Slippage", `${order.slippageBps} bps`],
    ["Price impact, at most", order.maxPriceImpactBps !== null && `${order.maxPriceImpactBps} bps`],
    ["Type", order.type],
    ["Outage", order.outage && describeOutage(order.outage)],
    [order.status === "waiting" ? "Waits for" : "Condition", order.condition && describeAwaited(order)],
    ...buildDistance(order),
    [order.type === "sniper" ? "Guards" : "Routed", order.guards.map((guard) => describeGuard(guard, order.tokenIn)).join(", ")],
    ["Then", order.condition && !order.hasEnded && describeThen(order)],
    ...buildRelatives(order, relatives),
    ["Met at", order.met && describeMet(order)],
    ["Time in force", order.timeInForce !== "gtc" && order.timeInForce.toUpperCase()],
    ["Expires", order.expiresMs !== null && formatMoment(order.expiresMs)],
    ["DEX", order.legCount > 1 ? describeLegs(order.route) : order.dex],
    ["Attempts", String(order.attempts)],
    ["Placed", formatMoment(order.createdMs)],
    ["Took", order.hasEnded && formatDuration(order.durationMs(0))],
    ["May land", order.status === "submitted" && describeDeadline(order)],
    ["Batch", order.batchId && createElement("a", { href: `?batch=${order.batchId}` }, order.batchId)],
    ["Own name", order.clientOrderId],
    ["Transaction", order.txHash && renderSignature(order.txHash, explorer.buildAddress(order.txHash))],
    ["Id", createElement("code", {}, order.id)],
  ];
  return facts
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [createElement("dt", {}, name), createElement("dd", {}, value)]);
}

/** How far the market is, and the best that was seen. */
function buildDistance({ distance, status, condition }) {
  if (distance === null || status !== "waiting") return [];
  const { executablePrice, distanceBps, bestPrice, highestPrice } = distance;
  const best = highestPrice ?? bestPrice;
  return [
    ["Distance", distanceBps !== null && describeDistance(distanceBps)],
    ["Market", `${formatShort(executablePrice, 9)}`],
    ["Best so far", best !== null && formatShort(best, 9)],
    ["Triggers at", highestPrice !== null && condition?.trailBps && describeTrail(highestPrice, condition)],
  ];
}

/** Where a trailing stop would trigger now. */
function describeTrail(highestPrice, { trailBps, priceOf }) {
  return formatShort(computeTrailTrigger(highestPrice, trailBps, priceOf), 7);
}

/** How many slices of a TWAP order are placed, and what they brought. */
function buildSlices({ slices, amountIn, tokenIn, tokenOut, hasEnded }) {
  if (slices === null) return [];
  const { slices: count, slicesPlaced, filledAmountIn, amountOut, averagePrice } = slices;
  const bar = createElement("progress", { max: count, value: slicesPlaced, "aria-label": "Slices" });
  const filled = `${formatLong(filledAmountIn)} of ${formatLong(amountIn)} ${tokenLabel(tokenIn)}`;
  const got = amountOut ? `, for ${formatLong(amountOut)} ${tokenLabel(tokenOut)}` : "";
  const jitter = slices.jitterBps ? ` ± ${slices.jitterBps / 100} %` : "";
  const next = !hasEnded && slices.nextSliceAt ? Date.parse(slices.nextSliceAt) : null;
  return [
    ["Slices", createElement("span", {}, bar, ` ${slicesPlaced} of ${count}`)],
    ["Filled", filled + got],
    ["Average", averagePrice && formatShort(averagePrice, 9)],
    ["Pace", `every ${slices.intervalS} s${jitter}`],
    ["Next slice", next !== null && formatTime(next)],
  ];
}

/** The orders that belong to an order, with a link to each. */
function buildRelatives({ parentId, bracket, hasEnded }, { parent, sibling, children }) {
  const shown = children.slice(0, CHILDREN_MAX);
  const rest = children.length - shown.length;
  const links = shown.flatMap((child) => [linkTo(child), createElement("br")]);
  return [
    ["OCO with", sibling && linkTo(sibling)],
    ["Parent", parent === null ? parentId && linkToId(parentId, parentId.slice(-8)) : linkTo(parent)],
    ["Children", links.length > 0 && createElement("span", {}, ...links, rest > 0 ? `and ${rest} more` : "")],
    ["Bracket", bracket && children.length === 0 && `${describeBracket(bracket)}${hasEnded ? "" : ", once filled"}`],
  ];
}

function renderSignature(signature, address) {
  const text = createElement("code", {}, signature);
  if (address === null) return text;
  const rest = { target: "_blank", rel: "noopener noreferrer", title: "Open in the explorer (u)" };
  return createElement("a", { href: address, ...rest }, text);
}

function linkTo(order) {
  const awaited = order.condition === null ? "" : ` ${describeThreshold(order)}`;
  const text = `${STATUS_SYMBOLS[order.status]} ${order.shortId}`;
  return createElement("span", {}, linkToId(order.id, text), ` ${order.type}${awaited}`);
}

function linkToId(id, text) {
  return createElement("a", { href: `?order=${id}` }, text);
}

function formatMoment(ms) {
  return `${new Date(ms).toLocaleDateString("en-GB")} ${formatTime(ms)}`;
}

function describeDistance(bps) {
  return bps > 0 ? `${formatDistance(bps)} away` : formatDistance(bps);
}

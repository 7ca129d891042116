/**
 * The filter language, the same as the dashboard's: an order has to match every word.
 *
 *     status:failed,routing dex:meteora pair:SOL side:buy type:stop force:gtd batch:3fa9 code:slippage
 *         one of the values, for each of these fields (a part of the value is enough); dex:clmm is a
 *         program, and an order that is split is found by each of its venues
 *     >800ms <2s <1m
 *         how long it took, or has taken until now
 *     amount>10 attempts>1 bps<-5 gap>20 distance<100
 *         compared as numbers; the distance of what waits is in basis points
 *     anything else
 *         part of the id, the pair, the signature, the reason or the client order id
 *     !word
 *         not that
 */

import { STATUSES } from "./order.js";

const DURATION = /^(<=|>=|<|>)(\d+(?:\.\d+)?)(ms|s|m)$/;
const NUMBER = /^(amount|attempts|bps|gap|distance)(<=|>=|<|>)(-?\d+(?:\.\d+)?)$/;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 };
const COMPARISONS = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};
const TEXT_FIELDS = {
  status: (order) => order.status,
  dex: (order) => order.venueKeys,
  pair: (order) => order.pair.name.toLowerCase(),
  side: (order) => order.pair.side,
  type: (order) => order.type.toLowerCase(),
  force: (order) => order.timeInForce,
  batch: (order) => order.batchId ?? "",
  code: (order) => order.code ?? "",
  id: (order) => order.id,
  parent: (order) => order.parentId ?? "",
  group: (order) => order.ocoGroup ?? "",
  tx: (order) => (order.txHash ?? "").toLowerCase(),
};
const NUMBER_FIELDS = {
  amount: (order) => Number(order.amountIn),
  attempts: (order) => order.attempts,
  bps: (order) => order.vsQuoteBps,
  gap: (order) => order.gapBps,
  distance: (order) => order.distance?.distanceBps ?? null,
};

/** A word of a filter is invalid; the message says which and why. */
export class FilterError extends Error {}

/** Parse a filter into a predicate `(order, nowMs) => boolean`. Throws `FilterError`. */
export function parseFilter(text) {
  const tests = text.split(/\s+/).filter(Boolean).map(parseWord);
  return (order, nowMs) => tests.every((test) => test(order, nowMs));
}

function parseWord(word) {
  if (word.startsWith("!")) {
    if (word === "!") throw new FilterError("! stands before the word that it denies");
    const negated = parseWord(word.slice(1));
    return (order, nowMs) => !negated(order, nowMs);
  }
  const lower = word.toLowerCase();
  return parseDuration(lower) ?? parseNumber(lower) ?? parseField(lower);
}

function parseDuration(word) {
  const [, sign, amount, unit] = DURATION.exec(word) ?? [];
  if (sign === undefined) {
    if (/^[<>]/.test(word)) {
      throw new FilterError(`${word}: setText a time as >800ms, <2s or >1m`);
    }
    return null;
  }
  const [compare, limitMs] = [COMPARISONS[sign], Number(amount) * UNIT_MS[unit]];
  return (order, nowMs) => compare(order.durationMs(nowMs), limitMs);
}

function parseNumber(word) {
  const [, name, sign, limit] = NUMBER.exec(word) ?? [];
  if (name === undefined) return null;
  const [read, compare] = [NUMBER_FIELDS[name], COMPARISONS[sign]];
  return (order) => {
    const value = read(order);
    return value !== null && compare(value, Number(limit));
  };
}

function parseField(word) {
  const [name, ...rest] = word.split(":");
  if (rest.length === 0) return (order) => order.searchText.includes(word);
  const read = TEXT_FIELDS[name];
  const values = rest.join(":").split(",");
  if (!Object.hasOwn(TEXT_FIELDS, name)) {
    throw new FilterError(`${name}: is not a field; there are ${Object.keys(TEXT_FIELDS).join(", ")}`);
  }
  if (values.includes("")) throw new FilterError(`${name}: needs a value`);
  if (name === "status") return parseStatuses(values);
  return (order) => values.some((value) => read(order).includes(value));
}

/** What has not ended, whatever its status. */
const OPEN = "open";

function parseStatuses(values) {
  for (const value of values) {
    if (![...STATUSES, OPEN].some((status) => status.startsWith(value))) {
      throw new FilterError(`${value} is not a status; there are ${STATUSES.join(", ")}`);
    }
  }
  const isOpenAsked = values.includes(OPEN);
  return (order) =>
    (isOpenAsked && !order.hasEnded) || values.some((value) => order.status.startsWith(value));
}

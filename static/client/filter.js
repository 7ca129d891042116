/**
 * What is shown: the small language of the dashboard, in which every word narrows.
 *
 *     status:failed,routing dex:meteora pair:SOL side:buy type:limit batch:3fa9 code:slippage
 *         one of the values, for each of these fields (a part of the value is enough)
 *     >800ms <2s <1m
 *         how long it took, or has taken until now
 *     amount>10 attempts>1 bps<-5 gap>20
 *         compared as numbers
 *     anything else
 *         part of the id, the pair, the signature, the reason or the client's own name for it
 *     !word
 *         not that
 */

import { STATUSES } from "./order.js";

const TOOK = /^(<=|>=|<|>)(\d+(?:\.\d+)?)(ms|s|m)$/;
const NUMBER = /^(amount|attempts|bps|gap)(<=|>=|<|>)(-?\d+(?:\.\d+)?)$/;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 };
const COMPARE = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};
const FIELDS = {
  status: (order) => order.status,
  dex: (order) => order.dex ?? "",
  pair: (order) => order.pair.name.toLowerCase(),
  side: (order) => order.pair.side,
  type: (order) => order.type,
  batch: (order) => order.batchId ?? "",
  code: (order) => order.code ?? "",
  id: (order) => order.id,
  tx: (order) => (order.txHash ?? "").toLowerCase(),
};
const NUMBERS = {
  amount: (order) => Number(order.amountIn),
  attempts: (order) => order.attempts,
  bps: (order) => order.slipBps,
  gap: (order) => order.gapBps,
};

/** A word of a filter means nothing; the message says which and why. */
export class BadFilter extends Error {}

/** The test that a text means: `(order, nowMs) => boolean`. Throws `BadFilter`. */
export function parseFilter(text) {
  const tests = text.split(/\s+/).filter(Boolean).map(test);
  return (order, nowMs) => tests.every((each) => each(order, nowMs));
}

function test(word) {
  if (word.startsWith("!")) {
    if (word === "!") throw new BadFilter("! stands before the word that it denies");
    const denied = test(word.slice(1));
    return (order, nowMs) => !denied(order, nowMs);
  }
  const lower = word.toLowerCase();
  return took(lower) ?? number(lower) ?? field(lower);
}

function took(word) {
  const [, sign, amount, unit] = TOOK.exec(word) ?? [];
  if (sign === undefined) {
    if (/^[<>]/.test(word)) {
      throw new BadFilter(`${word}: write a time as >800ms, <2s or >1m`);
    }
    return null;
  }
  const [compare, limitMs] = [COMPARE[sign], Number(amount) * UNIT_MS[unit]];
  return (order, nowMs) => compare(order.tookMs(nowMs), limitMs);
}

function number(word) {
  const [, name, sign, limit] = NUMBER.exec(word) ?? [];
  if (name === undefined) return null;
  const [read, compare] = [NUMBERS[name], COMPARE[sign]];
  return (order) => {
    const value = read(order);
    return value !== null && compare(value, Number(limit));
  };
}

function field(word) {
  const [name, ...rest] = word.split(":");
  if (rest.length === 0) return (order) => order.words.includes(word);
  const read = FIELDS[name];
  const values = rest.join(":").split(",");
  if (!Object.hasOwn(FIELDS, name)) {
    throw new BadFilter(`${name}: is not a field; there are ${Object.keys(FIELDS).join(", ")}`);
  }
  if (values.includes("")) throw new BadFilter(`${name}: needs a value`);
  if (name === "status") return statusField(values);
  return (order) => values.some((each) => read(order).includes(each));
}

function statusField(values) {
  for (const value of values) {
    if (!STATUSES.some((status) => status.startsWith(value))) {
      throw new BadFilter(`${value} is not a status; there are ${STATUSES.join(", ")}`);
    }
  }
  return (order) => values.some((each) => order.status.startsWith(each));
}

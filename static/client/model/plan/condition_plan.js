/**
 * The fields of the form that say what orders wait for, and for how long they are in force.
 *
 * Validation is left to the API: text that is not a number is sent as it is.
 */

import { isDecimal, multiply } from "./decimal.js";

/** The types of orders that wait for a price, and the inputs of the form that each has. */
export const CONDITION_INPUTS = {
  limit: ["limit", "priceOf"],
  stop: ["trigger", "priceOf"],
  takeProfit: ["trigger", "then", "priceOf"],
  stopLimit: ["trigger", "limit", "priceOf"],
  trailingStop: ["trail", "activation", "priceOf"],
};

export const CONDITION_DEFAULTS = {
  limit: "", trigger: "", activation: "", trail: "2", then: "limit", priceOf: "base",
  force: "gtc", until: "2h",
};

const DURATION = /^(?:\d{1,7}[smhdw]\s*){1,5}$/;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** The latest time that a browser knows; the API refuses what is far ahead. */
const LATEST_MS = 8.64e15;

/** The inputs that orders of a type and a time in force have; all others are left as they are. */
export function listInputs({ type, force }) {
  const inputs = CONDITION_INPUTS[type] ?? ["minimum"];
  return [...inputs, ...(force === "gtd" ? ["until"] : [])];
}

/** What the order of a form waits for, and until when, as fields of the API. */
export function buildConditionTerms(form, isBuy) {
  const inputs = listInputs(form);
  const written = (name) => (inputs.includes(name) && form[name] !== "" ? form[name] : undefined);
  const terms = {
    limitPrice: written("limit"),
    triggerPrice: written("trigger"),
    activationPrice: written("activation"),
    trailBps: inputs.includes("trail") ? toBps(form.trail) : undefined,
    then: written("then"),
    timeInForce: form.force === "gtc" ? undefined : form.force,
    expiresAt: inputs.includes("until") ? toTime(form.until, Date.now()) : undefined,
  };
  if (inputs.includes("priceOf")) {
    // The base token is what a sell sells, and what a buy buys.
    terms.priceOf = (form.priceOf === "base") === isBuy ? "tokenOut" : "tokenIn";
  }
  return terms;
}

/** The fields of the form for an order with this condition; of an expiry that is to come. */
export function describeCondition({ condition, pair, timeInForce, expiresMs }, nowMs) {
  const isOver = expiresMs !== null && expiresMs <= nowMs;
  const force = timeInForce === "gtd" && isOver ? "gtc" : timeInForce;
  const until = expiresMs === null ? CONDITION_DEFAULTS.until : new Date(expiresMs).toISOString();
  const fields = { ...CONDITION_DEFAULTS, force, until };
  if (condition === null) return fields;
  const { limitPrice, triggerPrice, activationPrice, trailBps, then, priceOf } = condition;
  return {
    ...fields,
    limit: limitPrice ?? "",
    trigger: triggerPrice ?? "",
    activation: activationPrice ?? "",
    trail: trailBps === null ? CONDITION_DEFAULTS.trail : String(trailBps / 100),
    then: then ?? CONDITION_DEFAULTS.then,
    priceOf: (priceOf === "tokenOut") === (pair.side === "buy") ? "base" : "quote",
  };
}

/** The time that `2h`, `1d 12h` or a time means, as text of the API; any other text as it is. */
export function toTime(text, nowMs) {
  const value = text.trim();
  if (!DURATION.test(value)) return value;
  const parts = [...value.matchAll(/(\d+)([smhdw])/g)];
  const aheadMs = parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNIT_MS[unit], 0);
  return new Date(Math.min(nowMs + aheadMs, LATEST_MS)).toISOString();
}

/** Per cent as whole basis points, or as text that the API refuses. */
function toBps(percent) {
  if (!isDecimal(percent)) return percent;
  const bps = Number(multiply(percent, "100", 2));
  return Number.isInteger(bps) ? bps : percent;
}

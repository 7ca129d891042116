/**
 * The fields of the form that say what orders wait for, and for how long they are in force.
 *
 * Validation is left to the API: text that is not a number is sent as it is.
 */

import { readBps, readInteger, readTime } from "./fields.js";
import { listGroupInputs } from "./group_plan.js";

/** The types of orders that wait for a price, and the inputs of the form that each has. */
export const CONDITION_INPUTS = {
  limit: ["limit", "priceOf"],
  stop: ["trigger", "confirmations", "priceOf"],
  takeProfit: ["trigger", "then", "confirmations", "priceOf"],
  stopLimit: ["trigger", "limit", "confirmations", "priceOf"],
  trailingStop: ["trail", "activation", "confirmations", "priceOf"],
  oco: ["confirmations", "priceOf"],
  twap: ["limit", "priceOf"],
};

export const CONDITION_DEFAULTS = {
  limit: "", trigger: "", activation: "", trail: "", then: "limit", priceOf: "base",
  confirmations: "", force: "gtc", until: "2h",
};

/** The inputs that orders of a type and a time in force have; all others are left as they are. */
export function listInputs(form) {
  const { type, force } = form;
  // What waits for a price has no minimum: it follows from that price.
  const inputs = CONDITION_INPUTS[type] ?? ["minimum"];
  const tokens = type === "sniper" ? [] : ["pairs"];
  return [...inputs, ...tokens, ...listGroupInputs(form), ...(force === "gtd" ? ["until"] : [])];
}

/** What the order of a form waits for, and until when, as fields of the API. */
export function buildConditionTerms(form, isBuy) {
  const inputs = listInputs(form);
  const written = (name) => (inputs.includes(name) && form[name] !== "" ? form[name] : undefined);
  // Those of the legs of a bracket are in the bracket.
  const isConfirmed = (CONDITION_INPUTS[form.type] ?? []).includes("confirmations");
  const terms = {
    limitPrice: written("limit"),
    triggerPrice: written("trigger"),
    activationPrice: written("activation"),
    trailBps: inputs.includes("trail") ? readBps(form.trail) : undefined,
    then: written("then"),
    confirmations: isConfirmed ? readInteger(form.confirmations) : undefined,
    timeInForce: form.force === "gtc" ? undefined : form.force,
    expiresAt: inputs.includes("until") ? readTime(form.until, Date.now()) : undefined,
  };
  const isPriced = [terms.limitPrice, terms.triggerPrice, terms.trailBps].some((each) => each !== undefined);
  if (isPriced) {
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
  const { limitPrice, triggerPrice, activationPrice, trailBps, then, priceOf, confirmations } =
    condition;
  return {
    ...fields,
    limit: limitPrice ?? "",
    trigger: triggerPrice ?? "",
    activation: activationPrice ?? "",
    trail: trailBps === null ? CONDITION_DEFAULTS.trail : String(trailBps / 100),
    then: then ?? CONDITION_DEFAULTS.then,
    confirmations: String(confirmations ?? ""),
    priceOf: (priceOf === "tokenOut") === (pair.side === "buy") ? "base" : "quote",
  };
}

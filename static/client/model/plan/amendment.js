/** An order that waits as fields of the form, and what a changed form changes of it. */

import { describeTerms, generateOrders } from "./order_plan.js";
import { listInputs } from "./condition_plan.js";

/** The fields of the form, and the names on the wire of what they change. */
const WIRE_NAMES = {
  trigger: "triggerPrice", then: "then", limit: "limitPrice", trail: "trailBps",
  activation: "activationPrice", priceOf: "priceOf", confirmations: "confirmations", low: "amount",
  slippage: "slippageBps", impact: "maxPriceImpactBps", minimum: "minAmountOut", until: "expiresAt",
};
const COMMON_FIELDS = ["low", "slippage", "impact", "until"];
const NEVER_AMENDED = ["twap", "sniper"];

/** Whether an order can be amended: while it waits for a price. */
export function canAmend({ status, type }) {
  return status === "waiting" && !NEVER_AMENDED.includes(type);
}

/** The fields of the form for an order as it is, without its bracket; no end is no text. */
export function buildAmendForm(order) {
  const form = describeTerms({ ...order, bracket: null }, 0);
  return { ...form, until: order.expiresMs === null ? "" : form.until };
}

/** The names of the fields that an amendment of an order can change, in the order of the form. */
export function listAmendFields(order) {
  const inputs = [...listInputs(buildAmendForm(order)), ...COMMON_FIELDS];
  return Object.keys(WIRE_NAMES).filter((name) => inputs.includes(name));
}

/** The order that a form describes, as fields of the API. */
export function buildAmendedTerms(form) {
  const force = form.until.trim() === "" ? "gtc" : "gtd";
  const [terms] = generateOrders({ ...form, high: form.low, force }, {});
  return terms;
}

/** What a form changes of an order whose fields were `before`; what was emptied is null. */
export function buildChanges(form, before) {
  const terms = buildAmendedTerms(form);
  const changed = Object.entries(WIRE_NAMES).filter(
    ([name]) => (form[name] ?? "").trim() !== (before[name] ?? "").trim(),
  );
  return Object.fromEntries(changed.map(([, wire]) => [wire, terms[wire] ?? null]));
}

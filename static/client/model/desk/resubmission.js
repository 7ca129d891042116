/**
 * Which failed orders may pass if they are sent again, and as what: all terms of the stored order,
 * also those that protect money and that no form has.
 */

import { CONDITION_FIELDS } from "../conditions.js";
import { GUARD_FIELDS } from "../waiting.js";

/** The reasons that were those of a moment: of the market, the chain, a venue or a node. */
const PASSING = new Set([
  "slippage", "not_landed", "venues_unavailable", "venue_timeout", "pool_disabled", "rate_limited",
  "missing_account", "node_unavailable", "node_behind", "node_busy", "node_error", "interrupted",
  "blockhash_not_found", "failed_on_chain",
]);
const SLICE_TYPES = ["market", "limit"];
const KEPT = [
  "tokenIn", "tokenOut", "type", "slippageBps", "maxPriceImpactBps", "priorityFee", "maxFeeLamports",
  ...CONDITION_FIELDS, ...GUARD_FIELDS,
];

/** Whether orders that failed for this reason may pass if they are sent again as they were. */
export function canPass(code) {
  return PASSING.has(code);
}

/** Why a stored order is not sent again; empty if it is. */
export function explainLeftOut({ type, ocoGroup, parentId }) {
  if (type === "twap") return "slices of a TWAP may have swapped a part";
  if (ocoGroup) return "the other order of an OCO may be executed too";
  return parentId && SLICE_TYPES.includes(type) ? "the TWAP of a slice swaps its amount later" : "";
}

/** The terms of a stored order, to send it again; an expiry that has passed is left out. */
export function buildTerms(stored, nowMs) {
  const terms = { amount: stored.amountInShare ?? stored.amountIn };
  for (const name of KEPT) if ((stored[name] ?? null) !== null) terms[name] = stored[name];
  // The minimum of what waits for a price follows from the price.
  const isPriced = stored.limitPrice || stored.triggerPrice || stored.trailBps;
  if (stored.minAmountOut && !isPriced) terms.minAmountOut = stored.minAmountOut;
  if (stored.bracket) terms.bracket = buildBracket(stored.bracket);
  const isAhead = stored.expiresAt && Date.parse(stored.expiresAt) > nowMs;
  const { timeInForce } = stored;
  if (timeInForce && timeInForce !== "gtc" && (isAhead || timeInForce !== "gtd")) terms.timeInForce = timeInForce;
  if (isAhead) terms.expiresAt = stored.expiresAt;
  return terms;
}

/** The slippage of a take-profit is told, but follows from that of its entry. */
function buildBracket({ takeProfit, stop }) {
  const legs = { ...(takeProfit && { takeProfit: dropEmpty(takeProfit) }), ...(stop && { stop: dropEmpty(stop) }) };
  delete legs.takeProfit?.slippageBps;
  return legs;
}

function dropEmpty(leg) {
  return Object.fromEntries(Object.entries(leg).filter(([, value]) => value !== null));
}

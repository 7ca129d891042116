/** Amounts that are a share of what the wallet holds when an order triggers: "all", or "50%". */

import { tokenLabel } from "./tokens.js";

const SHARE = /^(all|(?=.*[1-9])([0-9]{1,2}(\.[0-9]{1,2})?|100(\.0{1,2})?)%)$/;
const SHARE_TYPES = ["stop", "takeProfit", "stopLimit", "trailingStop", "oco"];

/** Whether orders of a type, or the two of an OCO, may sell a share. */
export function takesShare(type) {
  return SHARE_TYPES.includes(type);
}

/** Whether a text is a share, as the API takes it. */
export function isShare(text) {
  return SHARE.test(text ?? "");
}

/** Whether the amount of an order is an estimate: until it triggers. */
export function isEstimate({ share, status, met }) {
  return share !== null && met === null && (status === "pending" || status === "waiting");
}

/** What an order sells: "12.5 SOL", or "all of SOL, about 12.5" before that is decided. */
export function describeSold(order, amount) {
  const token = tokenLabel(order.tokenIn);
  if (order.share === null) return `${amount} ${token}`;
  if (isEstimate(order)) return `${order.share} of ${token}, about ${amount}`;
  return `${amount} ${token} (${order.share} of what was free)`;
}

/** The shares that new orders sell, in words: each once. */
export function describeShares(orders) {
  const shares = [...orders].filter(({ amount }) => isShare(amount));
  return [...new Set(shares.map(({ amount, tokenIn }) => `${amount} of ${tokenLabel(tokenIn)}`))];
}

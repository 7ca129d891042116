/** What is counted about the orders: counted anew a few times a second, so that it never drifts. */

import { compare, product, ratio } from "./decimal.js";
import { DOLLARS, ENDS, STATUSES } from "./order.js";

const RATE_MS = 5_000;
const PLACES = 6;

/** Everything that the strip above the table shows, of these orders. */
export function summary(orders, nowMs) {
  const byStatus = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  const byDex = {};
  const tookMs = [];
  const gaps = { sum: 0, count: 0 };
  let dollars = 0;
  let recent = 0;
  for (const order of orders) {
    byStatus[order.status] += 1;
    if (ENDS.has(order.status) && order.updatedMs > nowMs - RATE_MS) recent += 1;
    if (order.status !== "confirmed") continue;
    byDex[order.dex] = (byDex[order.dex] ?? 0) + 1;
    tookMs.push(order.tookMs(nowMs));
    const saved = savings(order);
    if (saved !== null) {
      gaps.sum += saved.bps;
      gaps.count += 1;
      dollars += saved.dollars;
    }
  }
  const took = Float64Array.from(tookMs).sort();
  const { confirmed, failed } = byStatus;
  return {
    byStatus,
    byDex,
    took,
    p50: percentile(took, 0.5),
    p95: percentile(took, 0.95),
    inFlight: STATUSES.reduce((sum, each) => sum + (ENDS.has(each) ? 0 : byStatus[each]), 0),
    perSecond: recent / (RATE_MS / 1_000),
    failedShare: confirmed + failed === 0 ? null : failed / (confirmed + failed),
    gapBps: gaps.count === 0 ? null : gaps.sum / gaps.count,
    dollars,
  };
}

/** The value that so large a part of sorted values does not exceed; null of none. */
export function percentile(values, part) {
  if (values.length === 0) return null;
  return values[Math.max(0, Math.ceil(values.length * part) - 1)];
}

const SAVINGS = new WeakMap();

/** How much more the chosen venue paid than the other offered: in bps, and in dollars if known. */
function savings(order) {
  const known = SAVINGS.get(order);
  if (known !== undefined) return known;
  const bps = order.gapBps;
  const saved = bps === null ? null : { bps, dollars: dollarsSaved(order) };
  SAVINGS.set(order, saved);
  return saved;
}

function dollarsSaved(order) {
  const best = order.chosen.amountOut;
  const other = order.quotes.find((quote) => quote !== order.chosen).amountOut;
  if (compare(best, other) <= 0) return 0;
  if (DOLLARS.has(order.tokenOut)) return Number(best) - Number(other);
  if (DOLLARS.has(order.tokenIn)) {
    return Number(order.amountIn) - Number(product(order.amountIn, ratio(other, best, 12), PLACES));
  }
  return 0;
}

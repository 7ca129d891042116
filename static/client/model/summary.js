/** Counts and rates of the orders, computed anew a few times a second, so that they never drift. */

import { compare, multiply, divide } from "./decimal.js";
import { DOLLAR_TOKENS, FINAL_STATUSES, STATUSES } from "./order.js";

const RATE_WINDOW_MS = 5_000;
const AMOUNT_DECIMALS = 6;

/** Compute everything that the summary bar shows. */
export function summarize(orders, nowMs) {
  const byStatus = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  const byDex = {};
  const confirmedMs = [];
  const gaps = { sum: 0, count: 0 };
  let dollars = 0;
  let recent = 0;
  for (const order of orders) {
    byStatus[order.status] += 1;
    const hasEnded = FINAL_STATUSES.has(order.status);
    if (hasEnded && order.updatedMs > nowMs - RATE_WINDOW_MS) recent += 1;
    if (order.status !== "confirmed") continue;
    byDex[order.dex] = (byDex[order.dex] ?? 0) + 1;
    if (!order.canWait) confirmedMs.push(order.durationMs(nowMs)); // else it is the market's time
    const saved = computeSavings(order);
    if (saved !== null) {
      gaps.sum += saved.bps;
      gaps.count += 1;
      dollars += saved.dollars;
    }
  }
  const durationsMs = Float64Array.from(confirmedMs).sort();
  const { confirmed, failed } = byStatus;
  return {
    byStatus,
    byDex,
    durationsMs,
    p50: percentile(durationsMs, 0.5),
    p95: percentile(durationsMs, 0.95),
    // What waits for a price is not being executed.
    inFlight: STATUSES.filter((status) => !FINAL_STATUSES.has(status) && status !== "waiting").reduce(
      (sum, status) => sum + byStatus[status],
      0,
    ),
    perSecond: recent / (RATE_WINDOW_MS / 1_000),
    failedShare: confirmed + failed === 0 ? null : failed / (confirmed + failed),
    gapBps: gaps.count === 0 ? null : gaps.sum / gaps.count,
    dollars,
  };
}

/** The value that this share of the sorted values does not exceed; null if there are none. */
export function percentile(values, share) {
  if (values.length === 0) return null;
  return values[Math.max(0, Math.ceil(values.length * share) - 1)];
}

const SAVINGS_CACHE = new WeakMap();

/** How much better the route was than the next best: in bps, and in dollars for dollar pairs. */
function computeSavings(order) {
  const cached = SAVINGS_CACHE.get(order);
  if (cached !== undefined) return cached;
  const bps = order.gapBps;
  const saved = bps === null ? null : { bps, dollars: computeSavedDollars(order) };
  SAVINGS_CACHE.set(order, saved);
  return saved;
}

function computeSavedDollars(order) {
  const { expectedAmountOut: best, otherAmountOut: other } = order.route;
  if (compare(best, other) <= 0) return 0;
  if (DOLLAR_TOKENS.has(order.tokenOut)) return Number(best) - Number(other);
  if (DOLLAR_TOKENS.has(order.tokenIn)) {
    const cheaper = multiply(order.amountIn, divide(other, best, 12), AMOUNT_DECIMALS);
    return Number(order.amountIn) - Number(cheaper);
  }
  return 0;
}

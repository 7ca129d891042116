/** Counts and rates of the orders, computed anew a few times a second, so that they never drift. */

import { DOLLAR_TOKENS, FINAL_STATUSES, STATUSES } from "./order.js";

const RATE_WINDOW_MS = 5_000;
const BPS = 10_000;

/** Compute everything that the summary bar shows. */
export function summarize(orders, nowMs) {
  const byStatus = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  const byDex = {};
  const confirmedMs = [];
  const saved = { dollars: 0, volume: 0 };
  let recent = 0;
  for (const order of orders) {
    byStatus[order.status] += 1;
    const hasEnded = FINAL_STATUSES.has(order.status);
    if (hasEnded && order.updatedMs > nowMs - RATE_WINDOW_MS) recent += 1;
    if (order.status !== "confirmed") continue;
    byDex[order.dex] = (byDex[order.dex] ?? 0) + 1;
    if (!order.canWait) confirmedMs.push(order.durationMs(nowMs)); // else it is the market's time
    const { dollars, volume } = computeSavings(order);
    saved.dollars += dollars;
    saved.volume += volume;
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
    savedBps: saved.volume === 0 ? null : (saved.dollars / saved.volume) * BPS,
    savedDollars: saved.dollars,
  };
}

/** The value that this share of the sorted values does not exceed; null if there are none. */
export function percentile(values, share) {
  if (values.length === 0) return null;
  return values[Math.max(0, Math.ceil(values.length * share) - 1)];
}

const NOTHING = { dollars: 0, volume: 0 };
/** By order, with the version that they are of: a node may tell an amount late. */
const SAVINGS_CACHE = new WeakMap();

/**
 * How much more an order's route was quoted to pay than the best other, and what the swap is worth:
 * in dollars, as a report counts it, of swaps of dollar tokens. Those of a TWAP order are its slices.
 */
function computeSavings(order) {
  const cached = SAVINGS_CACHE.get(order);
  if (cached?.version === order.version) return cached;
  const saved = { ...computeDollars(order), version: order.version };
  SAVINGS_CACHE.set(order, saved);
  return saved;
}

function computeDollars({ route, slices, tokenIn, tokenOut, amountIn, amountOut }) {
  if (slices !== null || amountOut === null || !(Number(amountOut) > 0)) return NOTHING;
  const dollars = [...DOLLAR_TOKENS].find((token) => token === tokenIn || token === tokenOut);
  if (dollars === undefined) return NOTHING;
  const volume = Number(dollars === tokenOut ? amountOut : amountIn);
  const { expectedAmountOut: best = null, otherAmountOut: other = null } = route ?? {};
  const saved = best === null || other === null ? 0 : Number(best) - Number(other);
  return { dollars: (saved * volume) / Number(amountOut), volume };
}

/** How orders were executed: times by step, and the rows of a report in numbers. */

import { percentile } from "../summary.js";

const BARS = 24;
const SCALES_MS = [
  50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 600_000, 3_600_000,
];
const SCALES_BPS = [5, 10, 20, 50, 100, 200, 500, 1_000];
/** The types whose time from acceptance is that of the engine, and not of a market. */
const AT_ONCE = new Set(["market"]);

/** The steps of a fill, and the time that each took in milliseconds; null if it is not known. */
const STEPS = [
  {
    name: "accepted to submitted",
    read: ({ type, sinceAcceptedMs: whole, sinceSubmittedMs: late }) =>
      AT_ONCE.has(type) && whole !== null && late !== null ? Math.max(whole - late, 0) : null,
  },
  { name: "submitted to confirmed", read: ({ sinceSubmittedMs }) => sinceSubmittedMs },
  {
    name: "accepted to confirmed",
    read: ({ type, sinceAcceptedMs }) => (AT_ONCE.has(type) ? sinceAcceptedMs : null),
  },
];

/** A histogram for each step: all have the same scale, the last bar has all that took longer. */
export function buildHistograms(fills) {
  const steps = STEPS.map(({ name, read }) => {
    const known = fills.map(read).filter((ms) => ms !== null);
    return { name, ms: Float64Array.from(known).sort() };
  });
  const longest = Math.max(...steps.map(({ ms }) => percentile(ms, 0.99) ?? 0));
  const mostMs = SCALES_MS.find((scale) => longest <= scale) ?? SCALES_MS.at(-1);
  return steps.map(({ name, ms }) => {
    const bars = new Array(BARS).fill(0);
    for (const each of ms) bars[Math.min(Math.floor((each / mostMs) * BARS), BARS - 1)] += 1;
    return { name, count: ms.length, bars, mostMs, p50: percentile(ms, 0.5), p95: percentile(ms, 0.95) };
  });
}

/**
 * A histogram of what fills were paid against their quotes, in basis points: above 0 is more, where
 * the API tells how much less. The first and the last bar have all that is beyond the scale.
 */
export function buildDifferences(fills) {
  const known = fills.filter(({ slippageBps }) => slippageBps !== null);
  const bps = Float64Array.from(known, (fill) => 0 - Number(fill.slippageBps)).sort();
  const widest = Math.max(-(percentile(bps, 0.01) ?? 0), percentile(bps, 0.99) ?? 0);
  const mostBps = SCALES_BPS.find((scale) => widest <= scale) ?? SCALES_BPS.at(-1);
  const bars = new Array(BARS).fill(0);
  for (const each of bps) {
    const part = (each + mostBps) / (2 * mostBps);
    bars[Math.min(Math.max(Math.floor(part * BARS), 0), BARS - 1)] += 1;
  }
  return { count: bps.length, bars, mostBps, p50: percentile(bps, 0.5), p5: percentile(bps, 0.05) };
}

/** A row of a report in numbers: its orders, the share that failed, and the reasons by count. */
export function readRow({ key = null, orders, reasons, failureReasons, fills, volume, savedValue, slippageBps }) {
  const { confirmed = 0, failed = 0, cancelled = 0, expired = 0 } = orders;
  const tried = confirmed + failed;
  return {
    key, fills, confirmed, failed, withdrawn: cancelled + expired, volume, savedValue,
    // The API tells how much less than quoted was paid, and orders how much more.
    vsQuoteBps: slippageBps === null ? null : 0 - slippageBps,
    failedShare: tried === 0 ? null : failed / tried,
    savedBps: Number(volume) > 0 ? (Number(savedValue) / Number(volume)) * 10_000 : null,
    reasons: sortByCount(reasons),
    failureReasons: sortByCount(failureReasons),
  };
}

// An earlier server does not tell all of them.
function sortByCount(counts = {}) {
  return Object.entries(counts).sort(([, a], [, b]) => b - a);
}

/** What is known of an order that waits: its distance to the market, its slices, its relatives. */

import { formatLong, formatShort } from "./decimal.js";
import { tokenLabel } from "./tokens.js";

export const GUARD_FIELDS = [
  "minLiquidity", "mintAuthorityRevoked", "freezeAuthorityNone", "maxTransferFeeBps", "maxFeeBps",
  "lpLockedMinBps", "maxPoolAgeS", "dexes", "looks", "excludeDexes", "pools", "maxLegs", "maxHops",
];
const SLICE_FIELDS = [
  "slices", "intervalS", "jitterBps", "slicesPlaced", "filledAmountIn", "leavesAmountIn",
  "amountOut", "averagePrice", "nextSliceAt",
];
const BAR_CELLS = 3;
/** With more slices than these there is no room for a bar beside their number. */
const BAR_SLICES_MAX = 99;

/** How far the market is from what an order waits for, signed: what is negative is met. */
export function readDistance(record) {
  if (record.executablePrice === undefined || record.executablePrice === null) return null;
  const { executablePrice, distanceBps = null, bestPrice = null, highestPrice = null } = record;
  return { executablePrice, distanceBps, bestPrice, highestPrice };
}

/** What an order waits for before anything is signed; `null` for nothing, or what has no code and time. */
export function readOutage({ outage }) {
  const isTold = typeof outage?.code === "string" && outage.code !== "" && Date.parse(outage.since) >= 0;
  return isTold ? outage : null;
}

/** The slices of a TWAP order; what an event or a record does not say stays as it was `before`. */
export function readSlices(terms, before = null) {
  if (before === null && (terms.slices ?? null) === null) return null;
  const told = SLICE_FIELDS.filter((name) => (terms[name] ?? null) !== null);
  const known = before ?? { slicesPlaced: 0, filledAmountIn: "0", averagePrice: null, nextSliceAt: null };
  const slices = { ...known, ...Object.fromEntries(told.map((name) => [name, terms[name]])) };
  // What the slices left may be tried once more, as one slice more.
  const placed = Math.max(slices.slicesPlaced, terms.slice ?? 0);
  return { ...slices, slicesPlaced: Math.min(placed, slices.slices) };
}

/** The guards of a sniper, and what any order asks of its route, by name. */
export function readGuards(terms) {
  const asked = GUARD_FIELDS.filter((name) => (terms[name] ?? null) !== null);
  return asked.map((name) => [name, terms[name]]);
}

/** `4.8 %`, which is how far the market is from it, `>999 %`, or `met`. */
export function formatDistance(bps) {
  if (bps <= 0) return "met";
  if (bps >= 99_950) return ">999 %";
  return `${(bps / 100).toFixed(bps < 1_000 ? 1 : 0)} %`;
}

/** `█░░ 4/10`. */
export function formatProgress({ slices, slicesPlaced }) {
  if (slices > BAR_SLICES_MAX) return `${slicesPlaced}/${slices}`;
  const filled = Math.floor((BAR_CELLS * slicesPlaced) / slices);
  return `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${slicesPlaced}/${slices}`;
}

/** What a guard asks of a pool, or an order of its route, in words. */
export function describeGuard([name, value], tokenIn) {
  const percent = () => `${value / 100} %`;
  switch (name) {
    case "minLiquidity":
      return `holds at least ${formatLong(value)} ${tokenLabel(tokenIn)}`;
    case "mintAuthorityRevoked":
      return "nobody can mint";
    case "freezeAuthorityNone":
      return "nobody can freeze";
    case "maxTransferFeeBps":
      return `transfer fee at most ${percent()}`;
    case "maxFeeBps":
      return `fee at most ${percent()}`;
    case "lpLockedMinBps":
      return `at least ${percent()} locked`;
    case "maxPoolAgeS":
      return `not older than ${value} s`;
    case "dexes":
      return `on ${value.join(" or ")}`;
    case "excludeDexes":
      return `not on ${value.join(" or ")}`;
    case "pools":
      return `in no pool but ${value.join(" or ")}`;
    case "maxLegs":
      return `${value} legs at most`;
    case "maxHops":
      return value === 1 ? "direct" : `${value} swaps in a row at most`;
    default:
      return `${value} looks that agree`;
  }
}

/** What follows an entry that is filled: `take-profit ≥ 160, stop −3 %`, of what it receives. */
export function describeBracket(bracket) {
  const legs = [["takeProfit", "take-profit", "≥", "≤"], ["stop", "stop", "≤", "≥"]];
  return legs
    .filter(([name]) => bracket[name])
    .map(([name, label, ofSold, ofBought]) => {
      const { trailBps, triggerPrice, priceOf } = bracket[name];
      if (trailBps) return `${label} trails ${trailBps / 100} %`;
      return `${label} ${priceOf === "tokenOut" ? ofBought : ofSold} ${formatShort(triggerPrice, 9)}`;
    })
    .join(", ");
}

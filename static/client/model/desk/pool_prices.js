/** What each pool of a pair pays for the base and takes for it, and how far these are apart. */

import { differenceBps, divide } from "../decimal.js";
import { Route } from "../route.js";

const DECIMALS = 12;

/** The pools, the one that pays most first: each with its `bid` and `ask` as text, or null. */
export function joinPools({ sell, buy }) {
  const pools = new Map();
  const rowOf = ({ venue }) => {
    const key = venue.pool || venue.name;
    if (!pools.has(key)) pools.set(key, { venue, bid: null, ask: null });
    return pools.get(key);
  };
  for (const quote of new Route(sell).quotes) {
    rowOf(quote).bid = divide(quote.amountOut, sell.amountIn, DECIMALS);
  }
  for (const quote of new Route(buy).quotes) {
    rowOf(quote).ask = divide(buy.amountIn, quote.amountOut, DECIMALS);
  }
  const rows = [...pools.values()].sort((a, b) => Number(b.bid ?? 0) - Number(a.bid ?? 0));
  const bestBid = rows[0]?.bid ?? null;
  return rows.map((row) => ({
    ...row, behindBps: row.bid === null || bestBid === null ? null : differenceBps(row.bid, bestBid),
  }));
}

/**
 * The best prices of all pools, and the spread between them in bps of the middle: below 0 where one
 * pool pays more than another takes. `firstTwoBps`: how far the second best is behind.
 */
export function findSpread(rows) {
  const bids = rows.map(({ bid }) => bid).filter((bid) => bid !== null);
  const asks = rows.map(({ ask }) => ask).filter((ask) => ask !== null);
  if (bids.length === 0 || asks.length === 0) return null;
  const bid = bids[0];
  const ask = asks.reduce((best, each) => (Number(each) < Number(best) ? each : best));
  const middle = (Number(bid) + Number(ask)) / 2;
  const spreadBps = ((Number(ask) - Number(bid)) / middle) * 10_000;
  return { bid, ask, spreadBps, firstTwoBps: rows[1]?.behindBps ?? null };
}

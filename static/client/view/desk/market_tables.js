/** The tables beside the chart: its open orders, the pools' quotes, and the newest fills. */

import { describeFill } from "../../model/desk/chart_marks.js";
import { findSpread, joinPools } from "../../model/desk/pool_prices.js";
import { formatPrice, formatShort } from "../../model/decimal.js";
import { describeSold } from "../../model/shares.js";
import { createElement, formatShortDuration, formatSigned } from "../format.js";
import { UNKNOWN } from "../table/columns.js";

const FILLS_MAX = 8;

const cell = (text, isNumber = true) => createElement("td", isNumber ? { class: "number" } : {}, text);

/** A row for each line of the chart, with the order that it is of. */
export function renderLines(lines, pairName) {
  return lines.map(({ order, text, priceText, distance }) =>
    createElement(
      "tr",
      { "data-order": order.id, "data-side": order.pair.side },
      createElement("th", { scope: "row" }, createElement("a", { href: `?order=${order.id}` }, order.shortId)),
      cell(text, false),
      cell(describeSold(order, formatShort(order.amountIn))),
      cell(formatPrice(priceText, pairName)),
      cell(distance || UNKNOWN),
    ),
  );
}

/** A row for each pool: what it pays for the base, what it takes for it, and against the best. */
export function renderPools(quotes, pairName) {
  return joinPools(quotes).map(({ venue, bid, ask, behindBps }, index) => {
    const name = createElement("th", { scope: "row", title: venue.pool }, venue.name);
    const pool = createElement("span", { class: "ends" }, venue.pool && `${venue.pool.slice(0, 4)}…${venue.pool.slice(-4)}`);
    name.append(" ", pool);
    return createElement(
      "tr",
      index === 0 ? { class: "best" } : {},
      name,
      cell(bid === null ? UNKNOWN : formatPrice(bid, pairName)),
      cell(ask === null ? UNKNOWN : formatPrice(ask, pairName)),
      cell(behindBps === null ? UNKNOWN : formatSigned(behindBps)),
    );
  });
}

/** The best prices in words: `sells at 100.2, buys at 100.9, 12.0 bps apart`. */
export function describeSpread(quotes, pairName) {
  const spread = findSpread(joinPools(quotes));
  if (spread === null) return "No pool quotes both ways.";
  const { bid, ask, spreadBps, firstTwoBps } = spread;
  const second = firstTwoBps === null ? "there is one pool" : `the second pool is ${Math.abs(firstTwoBps).toFixed(1)} bps behind`;
  const age = formatShortDuration(Math.max(Date.now() - quotes.readAtMs, 1_000)).replace(/\.\d+ s$/, " s");
  const bps = Math.abs(spreadBps).toFixed(1);
  const apart = spreadBps >= 0 ? `${bps} bps apart` : `one pool pays ${bps} bps more than another takes`;
  return `Sells at ${formatPrice(bid, pairName)}, buys at ${formatPrice(ask, pairName)}: ${apart}; ${second}; read ${age} ago.`;
}

/** The newest fills of the shown time, the newest first. */
export function renderFills(fills) {
  return fills.slice(-FILLS_MAX).reverse().map((mark) =>
    createElement(
      "tr",
      { "data-order": mark.order.id, "data-side": mark.side },
      createElement("th", { scope: "row" }, createElement("a", { href: `?order=${mark.order.id}` }, mark.order.shortId)),
      cell(describeFill(mark), false),
      cell(mark.order.dex ?? UNKNOWN, false),
      cell(new Date(mark.atMs).toLocaleTimeString("en-GB")),
    ),
  );
}

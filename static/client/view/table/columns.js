/** The columns of the order table and of the CSV file: texts and sort keys. */

import { CONDITION_FIELDS, describeThreshold } from "../../model/conditions.js";
import { formatPrice, formatShort } from "../../model/decimal.js";
import { formatShortDuration, formatSigned } from "../format.js";
import { describeLegs } from "../order_route.js";
import { STATUS_SYMBOLS, STATUSES } from "../../model/order.js";
import { isEstimate } from "../../model/shares.js";
import { tokenLabel } from "../../model/tokens.js";
import { formatDistance, formatProgress } from "../../model/waiting.js";

/** Shown for values that are not known yet, never a zero. */
export const UNKNOWN = "·";
const DIGITS = 6;
const DIGITS_BELOW_1 = 4;
const REVOKE_DELAY_MS = 10_000;
const TYPE_LABELS = {
  market: "MKT", limit: "LMT", stop: "STP", takeProfit: "TP", stopLimit: "STL", trailingStop: "TRL",
  twap: "TWP", sniper: "SNP",
};
export const TYPE_WORDS = { takeProfit: "take-profit", stopLimit: "stop-limit", trailingStop: "trailing stop" };

/**
 * The columns of the table: the text of a cell, and the number or text to sort by (null is last).
 * `isDescendingFirst`: the first click on the title sorts in descending order, as for numbers.
 * `changesWithTime`: the text of an order that has not ended depends on the present time.
 * `label`: words above the text where the page is too narrow for the column of types;
 * `narrowLabel`: those on a phone, where there is no column of exchanges.
 * `help`: what the title means, where it does not say it.
 * `hint`: what is shown of a cell while the pointer rests on it: all of a text that may be cut.
 */
export const COLUMNS = [
  {
    key: "order",
    title: "Order",
    isDescendingFirst: true,
    text: (order) => (order.parentId === null ? order.shortId : `└${order.shortId.slice(1)}`),
    sort: (order) => order.rank,
  },
  {
    key: "status",
    title: "Status",
    text: (order) => `${STATUS_SYMBOLS[order.status]} ${order.status}`,
    sort: (order) => STATUSES.indexOf(order.status),
  },
  {
    key: "pair",
    title: "Pair",
    text: (order) => order.pair.name,
    hint: ({ pair }) => `${pair.base}/${pair.quote}`,
    sort: (order) => order.pair.name,
  },
  {
    key: "side",
    title: "Side",
    text: (order) => order.pair.side,
    sort: (order) => order.pair.side,
  },
  {
    key: "type",
    title: "Type",
    text: (order) => TYPE_LABELS[order.type] ?? order.type,
    sort: (order) => order.type,
  },
  {
    key: "amount",
    title: "Amount",
    isNumber: true,
    text: describeAmount,
    hint: ({ amountIn, tokenIn }) => `${amountIn} ${tokenIn}`,
    sort: (order) => Number(order.amountIn),
  },
  {
    key: "dex",
    title: "DEX",
    text: describeVenue,
    hint: (order) => (order.legCount > 1 ? describeLegs(order.route) : ""),
    sort: (order) => order.dex,
  },
  {
    key: "price",
    title: "Price",
    isNumber: true,
    text: describePrice,
    label: ({ status, type }) => (status === "waiting" ? (TYPE_WORDS[type] ?? type) : ""),
    narrowLabel: (order) => (order.amountOut === null ? "" : describeVenue(order)),
    sort: (order) => (order.amountOut === null ? null : Number(order.price)),
  },
  {
    key: "bps",
    title: "vs quote",
    help: "How much more (+) or less (−) than quoted was paid; of what waits, how far the market is",
    isNumber: true,
    text: describeDifference,
    sort: (order) => order.distance?.distanceBps ?? order.vsQuoteBps,
  },
  {
    key: "took",
    title: "Took",
    isNumber: true,
    changesWithTime: true,
    text: (order, nowMs) => formatShortDuration(order.durationMs(nowMs)),
    sort: (order, nowMs) => order.durationMs(nowMs),
  },
];

/** The exchange of the pool that pays most, and how many more legs there are: `raydium +1`. */
function describeVenue({ dex, legCount }) {
  return legCount > 1 ? `${dex} +${legCount - 1}` : (dex ?? UNKNOWN);
}

/** The amount that is sold; what is less than one has fewer digits, because its zeros need room. */
function describeAmount(order) {
  const { amountIn, tokenIn } = order;
  return `${isEstimate(order) ? "~" : ""}${formatShort(amountIn, Number(amountIn) < 1 ? DIGITS_BELOW_1 : DIGITS)} ${tokenLabel(tokenIn)}`;
}

/** How the execution compares with its quote, or how far the market is from what is waited for. */
function describeDifference(order) {
  if (order.status === "waiting") {
    const bps = order.distance?.distanceBps ?? null;
    return bps === null ? UNKNOWN : formatDistance(bps);
  }
  return order.vsQuoteBps === null ? UNKNOWN : `${formatSigned(order.vsQuoteBps)} bps`;
}

/** The executed price, how many slices are placed, or what is waited for. */
function describePrice(order) {
  if (order.slices !== null && !order.hasEnded) return formatProgress(order.slices);
  if (order.slices !== null) return order.price === null ? UNKNOWN : formatPrice(order.price, order.pair.name);
  if (order.type === "sniper" && order.status === "waiting") return "new pool";
  if (order.amountOut !== null) return formatPrice(order.price, order.pair.name);
  const isWaiting = order.status === "waiting" && order.condition !== null;
  return isWaiting ? describeThreshold(order) : UNKNOWN;
}

/** Sort orders by a column, newer before older where equal; those without a value are last. */
export function sortOrders(orders, { sort }, isDescending, nowMs) {
  const direction = isDescending ? -1 : 1;
  return orders
    .map((order) => ({ order, value: sort(order, nowMs) }))
    .sort((a, b) => {
      if (a.value === b.value) return a.order.id < b.order.id ? 1 : -1;
      if (a.value === null) return 1;
      if (b.value === null) return -1;
      return a.value < b.value ? -direction : direction;
    })
    .map(({ order }) => order);
}

const CSV_COLUMNS = {
  orderId: (order) => order.id,
  clientOrderId: (order) => order.clientOrderId,
  batchId: (order) => order.batchId,
  parentId: (order) => order.parentId,
  ocoGroup: (order) => order.ocoGroup,
  createdAt: (order) => new Date(order.createdMs).toISOString(),
  type: (order) => order.type,
  tokenIn: (order) => order.tokenIn,
  tokenOut: (order) => order.tokenOut,
  amountIn: (order) => order.amountIn,
  amountInShare: (order) => order.share,
  minAmountOut: (order) => order.minAmountOut,
  slippageBps: (order) => order.slippageBps,
  ...Object.fromEntries(CONDITION_FIELDS.map((name) => [name, (order) => order.condition?.[name]])),
  timeInForce: (order) => order.timeInForce,
  expiresAt: ({ expiresMs }) => (expiresMs === null ? null : new Date(expiresMs).toISOString()),
  status: (order) => order.status,
  attempts: (order) => order.attempts,
  dex: (order) => order.dex,
  amountOut: (order) => order.amountOut,
  executedPrice: (order) => order.executedPrice,
  tookMs: (order) => (order.hasEnded ? order.durationMs(0) : null),
  txHash: (order) => order.txHash,
  code: (order) => order.code,
  reason: (order) => order.reason,
};

/** Save orders to a CSV file. */
export function saveCsv(orders) {
  const url = URL.createObjectURL(new Blob([formatCsv(orders)], { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: "orders.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_DELAY_MS);
}

/** Format orders as CSV (RFC 4180). */
function formatCsv(orders) {
  const lines = [Object.keys(CSV_COLUMNS)];
  for (const order of orders) lines.push(Object.values(CSV_COLUMNS).map((read) => read(order)));
  return lines.map((line) => line.map(formatCsvCell).join(",")).join("\r\n") + "\r\n";
}

function formatCsvCell(value) {
  let text = String(value ?? "");
  // A spreadsheet would run a client order id that looks like a formula.
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

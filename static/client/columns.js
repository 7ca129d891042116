/** The columns of the table and of the CSV file: what a cell says, and what it sorts by. */

import { short } from "./decimal.js";
import { signed, span } from "./format.js";
import { MARKS, STATUSES, symbol } from "./order.js";

/** What stands where nothing is known yet: never a zero. */
const UNKNOWN = "·";
const TYPES = { market: "MKT", limit: "LMT", sniper: "SNP" };

/**
 * A column of the table: its words, and the number or text that it sorts by (null is last).
 * `startsHigh`: the first click on its title brings the highest to the top; so with numbers.
 */
export const COLUMNS = [
  {
    key: "order",
    title: "Order",
    startsHigh: true,
    text: (order) => order.shortId,
    sort: (order) => order.id,
  },
  {
    key: "status",
    title: "Status",
    text: (order) => `${MARKS[order.status]} ${order.status}`,
    sort: (order) => STATUSES.indexOf(order.status),
  },
  {
    key: "pair",
    title: "Pair",
    text: (order) => order.pair.name,
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
    text: (order) => TYPES[order.type] ?? order.type,
    sort: (order) => order.type,
  },
  {
    key: "amount",
    title: "Amount",
    isNumber: true,
    text: (order) => `${short(order.amountIn)} ${symbol(order.tokenIn)}`,
    sort: (order) => Number(order.amountIn),
  },
  {
    key: "dex",
    title: "DEX",
    text: (order) => order.dex ?? UNKNOWN,
    sort: (order) => order.dex,
  },
  {
    key: "price",
    title: "Price",
    isNumber: true,
    text: (order) => (order.amountOut === null ? UNKNOWN : short(order.price)),
    sort: (order) => (order.amountOut === null ? null : Number(order.price)),
  },
  {
    key: "bps",
    title: "vs quote",
    isNumber: true,
    text: (order) => (order.slipBps === null ? UNKNOWN : `${signed(order.slipBps)} bps`),
    sort: (order) => order.slipBps,
  },
  {
    key: "took",
    title: "Took",
    isNumber: true,
    isRunning: true,
    text: (order, nowMs) => span(order.tookMs(nowMs)),
    sort: (order, nowMs) => order.tookMs(nowMs),
  },
];

/** Orders sorted by a column; those of which nothing is known are last. */
export function sorted(orders, key, isDescending, nowMs) {
  const { sort } = COLUMNS.find((column) => column.key === key);
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
  createdAt: (order) => new Date(order.createdMs).toISOString(),
  type: (order) => order.type,
  tokenIn: (order) => order.tokenIn,
  tokenOut: (order) => order.tokenOut,
  amountIn: (order) => order.amountIn,
  minAmountOut: (order) => order.minAmountOut,
  slippageBps: (order) => order.slippageBps,
  status: (order) => order.status,
  attempts: (order) => order.attempts,
  dex: (order) => order.dex,
  amountOut: (order) => order.amountOut,
  executedPrice: (order) => order.executedPrice,
  tookMs: (order) => (order.isEnd ? order.tookMs(0) : null),
  txHash: (order) => order.txHash,
  code: (order) => order.code,
  reason: (order) => order.reason,
};

/** Orders as CSV (RFC 4180). */
export function csv(orders) {
  const lines = [Object.keys(CSV_COLUMNS)];
  for (const order of orders) lines.push(Object.values(CSV_COLUMNS).map((read) => read(order)));
  return lines.map((line) => line.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function csvCell(value) {
  let text = String(value ?? "");
  // A spreadsheet would take a client's own name for an order as a formula.
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

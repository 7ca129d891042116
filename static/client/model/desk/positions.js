/** What the wallets hold and what fills did to it, by token, and what the open orders need of it. */

import { add, compare, formatLong, formatShort, isDecimal, subtract } from "../decimal.js";
import { tokenLabel } from "../tokens.js";

const NATIVE = "SOL";
/** Below so many SOL the fees of a few hundred transactions at most are left. */
const FEES_LOW = "0.02";

/** The rows by token: a position, the balance of all wallets, and what open orders sell of it. */
export function joinRows(positions, balances, openOrders) {
  const rows = new Map();
  const rowOf = (token) => {
    if (!rows.has(token)) rows.set(token, { token, position: null, balance: null, need: null });
    return rows.get(token);
  };
  for (const position of positions?.positions ?? []) rowOf(position.token).position = position;
  for (const { balances: held } of balances?.wallets ?? []) {
    for (const each of held) rowOf(each.token).balance = addBalance(rowOf(each.token).balance, each);
  }
  for (const [token, need] of sumNeeds(openOrders)) rowOf(token).need = need;
  const worth = ({ position }) => Math.abs(Number(position?.value ?? 0));
  return [...rows.values()]
    .filter(({ position, balance, need }) => need || isAny(position?.fills) || isAny(balance?.held))
    .sort((a, b) => worth(b) - worth(a) || (a.token < b.token ? -1 : 1));
}

function isAny(number) {
  return Number(number ?? 0) !== 0;
}

function addBalance(sum, { held, reserved, free }) {
  if (sum === null) return { held, reserved, free };
  return {
    held: add(sum.held, held), reserved: add(sum.reserved, reserved), free: add(sum.free, free),
  };
}

/**
 * What waiting orders sell, by token, as `{ amount, count }`: of an OCO the larger one, of a TWAP
 * what is left, and nothing of shares, which are of what is free.
 */
export function sumNeeds(orders) {
  const needs = new Map();
  const groups = new Map();
  const addNeed = (token, amount) => {
    const { amount: before, count } = needs.get(token) ?? { amount: "0", count: 0 };
    needs.set(token, { amount: add(before, amount), count: count + 1 });
  };
  for (const order of orders) {
    if (order.status !== "waiting" || order.share !== null) continue;
    const amount = order.slices?.leavesAmountIn ?? order.amountIn;
    if (!isDecimal(amount)) continue;
    if (order.ocoGroup === null) addNeed(order.tokenIn, amount);
    else {
      const other = groups.get(order.ocoGroup)?.amount ?? "0";
      const larger = compare(other, amount) > 0 ? other : amount;
      groups.set(order.ocoGroup, { token: order.tokenIn, amount: larger });
    }
  }
  for (const { token, amount } of groups.values()) addNeed(token, amount);
  return needs;
}

/** What is wrong with a balance before it stops an order, in words; empty if nothing is. */
export function describeLow({ token, balance, need }) {
  if (balance === null) return "";
  const label = tokenLabel(token);
  if (need !== null && compare(need.amount, balance.free) > 0) {
    const missing = formatShort(subtract(need.amount, balance.free), 8);
    const verb = need.count === 1 ? "order sells" : "orders sell";
    return `Too little: ${need.count} waiting ${verb} ${formatLong(need.amount)} ${label} together, ${missing} more than is free.`;
  }
  if (token === NATIVE && compare(balance.free, FEES_LOW) < 0) {
    return `Little left for the fees of the network: ${formatLong(balance.free)} ${label}.`;
  }
  return "";
}

/** What all positions have in common: realized and unrealized profit, as far as prices are known. */
export function sumGains({ positions, realized }) {
  const known = positions.filter(({ unrealized }) => unrealized !== null);
  const open = positions.filter(({ amount }) => isAny(amount));
  return {
    realized,
    unrealized: known.reduce((sum, each) => add(sum, each.unrealized), "0"),
    unpriced: open.filter(({ unrealized }) => unrealized === null).length,
    open: open.length,
  };
}

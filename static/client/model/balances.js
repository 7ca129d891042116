/** Differences between what wallets hold and what their orders explain, as the server lists them. */

import { add, formatLong, isDecimal } from "./decimal.js";
import { tokenLabel } from "./tokens.js";

const nameOf = ({ wallet, token }) => `${wallet} ${token}`;

/**
 * Add up the differences by wallet and token, the one that began first at the start: each with its
 * first and last time, as the server writes them (they sort as text). Left out are those up to the
 * time in `seen`, and what cancels out: a token that has left and come back is where orders put it.
 */
export function addUpDifferences(newestFirst, seen) {
  const sums = new Map();
  for (const { at, wallet, token, amount } of newestFirst.toReversed()) {
    const name = nameOf({ wallet, token });
    if (!isDecimal(amount) || at <= (seen[name] ?? "")) continue;
    const { amount: before, firstAt } = sums.get(name) ?? { amount: "0", firstAt: at };
    const sum = add(before, amount);
    sums.delete(name);
    if (/[1-9]/.test(sum)) sums.set(name, { name, wallet, token, amount: sum, firstAt, lastAt: at });
  }
  return [...sums.values()].sort((a, b) => (a.firstAt < b.firstAt ? -1 : 1));
}

/** In words: "Wallet 7xKX…9kQe holds 2.5 SOL more than its orders explain, since 14:20:43." */
export function describeDifference({ wallet, token, amount, firstAt }, now = new Date()) {
  const at = new Date(firstAt);
  const isToday = at.toDateString() === now.toDateString();
  const day = isToday ? "" : `${at.toLocaleDateString("en-CA")} `;
  const isLess = amount.startsWith("-");
  const held = `${formatLong(amount.replace("-", ""))} ${tokenLabel(token)}`;
  return (
    `Wallet ${wallet.slice(0, 4)}…${wallet.slice(-4)} holds ${held} ${isLess ? "less" : "more"} than its orders` +
    ` explain, since ${day}${at.toLocaleTimeString("en-GB")}.`
  );
}

/** The limits of the owner in words, with what is used and left; the dashboard has the same words. */

import { formatLong } from "../decimal.js";

const LISTED_MAX = 4;
const TOKEN_LENGTH = 9;
const LOSS = "maxDailyLoss";
const COUNTS = { maxOrdersPerSecond: "orders a second", maxOpenOrders: "open orders" };
const AMOUNTS = { maxOrderValue: "largest order", maxDailyVolume: "volume today", [LOSS]: "loss today" };
const SHARES = {
  maxPriceImpactBps: "price impact",
  maxReferenceDistanceBps: "below reference",
  maxSlippageBps: "slippage",
};
const LISTS = { allowedMints: "allowed", deniedMints: "denied" };
const NEAR = {
  HALTED: () => "80 % or more is lost: at the limit trading halts until a person resumes it",
  REDUCING: (token) => `80 % or more is lost: at the limit only swaps into ${token} go on`,
};
const REACHED = {
  HALTED: () => "the limit was reached: trading is halted until a person resumes it",
  REDUCING: (token) => `the limit was reached: only swaps into ${token} until a person resumes trading`,
};

/**
 * The limits that are set, as `{ name, text, isNear, warning }`; those that this version does not
 * know are left out. `isNear`: little or nothing is left; `warning` says what follows.
 */
export function describeLimits(told) {
  const describe = (names, each) =>
    Object.entries(names)
      .filter(([key]) => key in told.limits)
      .map(([key, name]) => ({ name, ...each(key) }));
  return [
    ...describe(COUNTS, (key) => describeUse(told, key, "")),
    ...describe(AMOUNTS, (key) => describeAmount(told, key)),
    ...describe(SHARES, (key) => ({ text: `at most ${told.limits[key] / 100} %` })),
    ...describe(LISTS, (key) => ({ text: listTokens(told.limits[key]) })),
  ];
}

function describeAmount(told, key) {
  const value = told.limits[key];
  const token = told.limits.reference ?? told.reference;
  if (token !== told.reference) {
    return { text: `${formatLong(value)} base units of ${token}`, isNear: true };
  }
  if (key === LOSS) return describeLoss(told, token);
  return key in told.used ? describeUse(told, key, token) : { text: `${formatLong(value)} ${token}` };
}

/** What is used of a limit, and of amounts what is left. */
function describeUse(told, key, token) {
  const [limit, used, left] = [told.limits, told.used, told.left].map((numbers) => formatLong(String(numbers[key])));
  const rest = left === "0" ? ", none left" : token && `, ${left} left`;
  return { text: `${used} of ${limit} ${token}`.trim() + rest, isNear: left === "0" };
}

function describeLoss(told, token) {
  const limit = told.limits[LOSS];
  if (told.lossState) {
    const warning = REACHED[told.lossState](token);
    return { text: `${formatLong(limit)} ${token}, reached`, isNear: true, warning };
  }
  const line = describeUse(told, LOSS, token);
  if (!told.isLossNear) return line;
  const follows = told.limits.onDailyLoss ?? "HALTED";
  return { ...line, isNear: true, warning: NEAR[follows](token) };
}

function listTokens(tokens) {
  const shown = tokens.slice(0, LISTED_MAX).map(shorten);
  const rest = tokens.length - shown.length;
  return shown.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function shorten(token) {
  return token.length > TOKEN_LENGTH ? `${token.slice(0, 4)}..${token.slice(-4)}` : token;
}

/**
 * The fields of the form that say more than one price or pool: both exits of a position, slices,
 * and the guards of a sniper.
 *
 * Validation is left to the API: text that is not a number is sent as it is.
 */

import { readBps, readInteger, readSeconds } from "./fields.js";

/** The types with the inputs of an exit: an entry may leave them empty. */
const EXIT_TYPES = ["market", "limit", "oco"];
export const EXIT_INPUTS = ["profit", "loss"];
export const GUARD_INPUTS = ["mint", "guards"];

export const GROUP_DEFAULTS = {
  profit: "", profitThen: "limit", loss: "", lossTrail: "",
  slices: "10", interval: "30s", jitter: "",
  mint: "", payWith: "USDC", liquidity: "", age: "", authorities: "both", poolFee: "",
  transferFee: "", locked: "", looks: "", dexes: "",
};

/** Whether a form asks for exits: as an OCO, or as a bracket of its entry. */
export function hasExits({ type, profit, loss, lossTrail }) {
  return type === "oco" || (EXIT_TYPES.includes(type) && Boolean(profit || loss || lossTrail));
}

/** The inputs of groups that orders of a form have. */
export function listGroupInputs(form) {
  if (form.type === "twap") return ["slices"];
  if (form.type === "sniper") return GUARD_INPUTS;
  const exits = EXIT_TYPES.includes(form.type) ? EXIT_INPUTS : [];
  return hasExits(form) ? [...exits, "confirmations", "priceOf"] : exits;
}

/**
 * On which side of the present price the exits of a form lie: a word for each of both inputs, and
 * a hint where it has exits and that is not the usual side.
 */
export function describeExitSides(form) {
  const { type, side, priceOf } = form;
  // What a sell has sold is bought back by its exits; those of an OCO are its own orders.
  const isProfitAbove = (each) => ((type === "oco") === (each === "sell")) === (priceOf === "base");
  if (side === "mixed") {
    const below = isProfitAbove("buy") ? "sell" : "buy";
    const other = below === "sell" ? "buy" : "sell";
    const hint = `Of a ${below} the profit lies below the price and the stop above it; of a ${other} the other way round.`;
    return { hint: hasExits(form) ? hint : "", profit: "", loss: "" };
  }
  if (isProfitAbove(side)) return { hint: "", profit: "above", loss: "below" };
  const hint = `Of this ${side} the profit lies below the price, and the stop above it.`;
  return { hint: hasExits(form) ? hint : "", profit: "below", loss: "above" };
}

/** The exits of a position as fields of the API; `isBuy`: the side of the orders that end it. */
function buildExits(form, isBuy) {
  const common = {
    priceOf: (form.priceOf === "base") === isBuy ? "tokenOut" : "tokenIn",
    confirmations: readInteger(form.confirmations),
  };
  const stop =
    form.lossTrail === ""
      ? { triggerPrice: form.loss }
      : { triggerPrice: form.loss || undefined, trailBps: readBps(form.lossTrail) };
  return {
    takeProfit: { triggerPrice: form.profit, then: form.profitThen, ...common },
    stop: { ...stop, ...common },
  };
}

/** The bracket of an entry: what it receives is swapped back; nothing if it has none. */
export function buildBracket(form, isBuy) {
  if (form.type === "oco" || !hasExits(form)) return {};
  const { takeProfit, stop } = buildExits(form, !isBuy);
  const hasStop = form.loss !== "" || form.lossTrail !== "";
  return {
    bracket: {
      takeProfit: form.profit === "" ? undefined : takeProfit,
      stop: hasStop ? stop : undefined,
    },
  };
}

/** The two orders of an OCO, of which at most one is executed, with the terms of the form. */
export function splitOco(terms, form, isBuy, label) {
  const { takeProfit, stop } = buildExits(form, isBuy);
  const stopType = form.lossTrail === "" ? "stop" : "trailingStop";
  return [
    { ...terms, ...takeProfit, type: "takeProfit", ocoGroup: label },
    { ...terms, ...stop, type: stopType, ocoGroup: label },
  ];
}

/**
 * The inputs of an entry's bracket; none for an order without one. The form has one way round for
 * its prices, one number of confirmations, and no activation price or slippage of a leg: a leg that
 * is priced the other way is left out.
 */
export function describeBracketInputs({ bracket, condition, pair }) {
  const { takeProfit = null, stop = null } = bracket ?? {};
  const isBuy = pair.side === "buy";
  // A leg swaps back what the entry receives, so its first token is the second one of the entry.
  const nameWay = ({ triggerPrice, priceOf }) =>
    triggerPrice === undefined ? null : (priceOf === "tokenOut") === isBuy ? "quote" : "base";
  const legs = [takeProfit, stop].filter((leg) => leg !== null);
  if (legs.length === 0) return {};
  const ofEntry = condition && ((condition.priceOf === "tokenOut") === isBuy ? "base" : "quote");
  const priceOf = ofEntry ?? legs.map(nameWay).find((way) => way !== null) ?? "base";
  const isWritten = (leg) => leg !== null && [null, priceOf].includes(nameWay(leg));
  const fields = { priceOf, confirmations: String(legs[0].confirmations ?? "") };
  if (isWritten(takeProfit)) {
    fields.profit = takeProfit.triggerPrice;
    fields.profitThen = takeProfit.then ?? GROUP_DEFAULTS.profitThen;
  }
  if (isWritten(stop)) {
    fields.loss = stop.triggerPrice ?? "";
    fields.lossTrail = formatPercent(stop.trailBps);
  }
  return fields;
}

/** The inputs of a sniper: its tokens, and its guards as it has them. */
export function describeGuardInputs({ type, tokenIn, tokenOut, guards }) {
  if (type !== "sniper") return {};
  const asked = Object.fromEntries(guards);
  const { mintAuthorityRevoked: mint, freezeAuthorityNone: freeze, dexes = [] } = asked;
  return {
    mint: tokenOut,
    payWith: tokenIn,
    liquidity: asked.minLiquidity ?? "",
    age: asked.maxPoolAgeS === undefined ? "" : `${asked.maxPoolAgeS}s`,
    authorities: mint && freeze ? "both" : ((mint && "mint") || (freeze && "freeze") || ""),
    poolFee: formatPercent(asked.maxFeeBps),
    transferFee: formatPercent(asked.maxTransferFeeBps),
    locked: formatPercent(asked.lpLockedMinBps),
    looks: String(asked.looks ?? ""),
    dexes: dexes.length === 1 ? dexes[0] : "", // several are all that there are
  };
}

function formatPercent(bps) {
  return bps === undefined ? "" : String(bps / 100);
}

/** The slices of a TWAP order, or the guards of a sniper, as fields of the API. */
export function buildTypeTerms(form) {
  if (form.type === "twap") {
    return {
      slices: readInteger(form.slices),
      intervalS: readSeconds(form.interval),
      jitterBps: readBps(form.jitter),
    };
  }
  return form.type === "sniper" ? buildGuards(form) : {};
}

function buildGuards(form) {
  const { authorities, dexes } = form;
  return {
    minLiquidity: form.liquidity || undefined,
    mintAuthorityRevoked: ["mint", "both"].includes(authorities) || undefined,
    freezeAuthorityNone: ["freeze", "both"].includes(authorities) || undefined,
    maxTransferFeeBps: readBps(form.transferFee),
    maxFeeBps: readBps(form.poolFee),
    lpLockedMinBps: readBps(form.locked),
    maxPoolAgeS: readSeconds(form.age),
    dexes: dexes === "" ? undefined : [dexes],
    looks: readInteger(form.looks),
  };
}

/** The errors of an order of an OCO belong to the inputs of its leg. */
export function nameLeg(problem, { ocoGroup, type }) {
  if (ocoGroup === undefined) return problem;
  const leg = type === "takeProfit" ? "takeProfit" : "stop";
  const rename = ({ field, reason }) => {
    const isOfLeg = ["triggerPrice", "trailBps", "then"].includes(field);
    return { field: isOfLeg ? `bracket.${leg}.${field}` : field, reason };
  };
  return { ...problem, errors: problem.errors?.map(rename) };
}

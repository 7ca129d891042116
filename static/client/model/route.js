/**
 * The route of an order: its legs, what it pays, and the quotes that it was chosen from.
 *
 * Thousands are in memory and one is shown: what each pool says is kept as JSON, and the venues,
 * which are the same again and again, are shared.
 */

import { compare, differenceBps } from "./decimal.js";

const PROGRAM_NAMES = {
  cpmm: "CPMM", amm_v4: "AMM v4", clmm: "CLMM", damm_v2: "DAMM v2", dlmm: "DLMM",
};
const SHARED_MAX = 4_096;
const SHARED_VENUES = new Map();
const QUOTE_FIELDS = ["fee", "amountOut", "priceImpact"];
const LEG_FIELDS = ["tokenIn", "tokenOut", "amountIn", "amountOut", "share", "fee", "priceImpact"];
const BPS = 10_000;

/** `Raydium CLMM`; the exchange as it is written where a record does not name the program. */
function nameVenue(dex, program) {
  if (program === "") return dex;
  return `${dex.charAt(0).toUpperCase()}${dex.slice(1)} ${PROGRAM_NAMES[program] ?? program}`;
}

/** The exchange, program and pool of a record; equal ones are the same object. */
function readVenue({ dex = "", program = "", pool = "" }) {
  const id = `${dex}/${program}/${pool}`;
  let venue = SHARED_VENUES.get(id);
  if (venue === undefined) {
    if (SHARED_VENUES.size >= SHARED_MAX) SHARED_VENUES.clear();
    const key = program === "" ? dex : `${dex}/${program}`;
    venue = Object.freeze({ dex, program, pool, key, name: nameVenue(dex, program) });
    SHARED_VENUES.set(id, venue);
  }
  return venue;
}

/** A venue that offers the order nothing: it has no quote, or one that may not be chosen. */
function readMissing(record) {
  const { code, reason } = record.refused ?? record;
  return { venue: readVenue(record), code, reason };
}

/** Pack the fields of records as JSON without their names. */
function pack(records, fields) {
  return JSON.stringify(records.map((record) => fields.map((name) => record[name] ?? null)));
}

function unpack(packed, fields, venues) {
  return JSON.parse(packed).map((values, index) => ({
    venue: venues[index],
    ...Object.fromEntries(fields.map((name, at) => [name, values[at]])),
  }));
}

/** Whether an event or a response has a route: then its amounts are expected, not received. */
export function hasRoute({ quotes, legs }) {
  return (quotes?.length ?? 0) > 0 || (legs?.length ?? 0) > 0;
}

/** A route, which never changes; what a record does not have is null or empty. */
export class Route {
  /** The venues of the legs; none in a record that names only the exchange. */
  legVenues;
  /** What it pays by the quotes. */
  expectedAmountOut;
  priceImpact;
  /** How much more several legs pay than the best single pool. */
  improvementBps;
  /** The number of pools that were not quoted. */
  leftOut;
  minAmountOut;
  venueFees;
  /** What it is expected to leave of the tokens in between. */
  residuals;
  missing;
  #venue;
  #legs;
  #quotes;
  #quotedVenues;
  #otherAmountOut;

  constructor(record) {
    const [quotes, legs] = [record.quotes ?? [], record.legs ?? []];
    const offers = quotes.filter(({ refused }) => refused === undefined);
    const refused = quotes.filter((quote) => quote.refused !== undefined);
    this.#venue = readVenue(record);
    this.legVenues = legs.map(readVenue);
    this.#legs = pack(legs, LEG_FIELDS);
    this.#quotedVenues = offers.map(readVenue);
    this.#quotes = pack(offers, QUOTE_FIELDS);
    this.expectedAmountOut = record.expectedAmountOut ?? offers[this.#findChosen()]?.amountOut ?? null;
    this.priceImpact = record.priceImpact ?? null;
    const gain = legs.length > 1 ? (record.improvementBps ?? null) : null;
    this.improvementBps = gain === null ? null : Number(gain);
    this.leftOut = record.leftOut ?? 0;
    this.minAmountOut = record.minAmountOut ?? null;
    this.venueFees = record.venueFees ?? [];
    this.residuals = record.residuals ?? [];
    this.missing = [...refused, ...(record.unavailable ?? [])].map(readMissing);
  }

  /** The swaps of the transaction, in their order. */
  get legs() {
    return unpack(this.#legs, LEG_FIELDS, this.legVenues);
  }

  /** The quotes of single pools that could have been chosen, as the record orders them. */
  get quotes() {
    return unpack(this.#quotes, QUOTE_FIELDS, this.#quotedVenues);
  }

  /** Whether the record names pools, and not only exchanges. */
  get hasPools() {
    const missing = this.missing.map(({ venue }) => venue);
    return [...this.#quotedVenues, ...missing].some(({ pool }) => pool !== "");
  }

  /** The venue of the leg that pays most, with its program if a quote names it. */
  get mainVenue() {
    const quoted = this.#quotedVenues[this.#findChosen()];
    return this.#venue.program === "" && quoted !== undefined ? quoted : this.#venue;
  }

  /** What the best pays that was not chosen: another pool, or of several legs the best single one. */
  get otherAmountOut() {
    if (this.#otherAmountOut === undefined) this.#otherAmountOut = this.#findOtherAmountOut();
    return this.#otherAmountOut;
  }

  /** By how many basis points it pays more than the best that was not chosen. */
  get gapBps() {
    if (this.legVenues.length > 1) return this.improvementBps;
    const other = this.otherAmountOut;
    return other === null ? null : differenceBps(this.expectedAmountOut, other);
  }

  /** The quote of the best pool that was not chosen; null if there is none. */
  get bestOther() {
    const chosen = this.#findChosen();
    const others = this.quotes.filter((_, index) => index !== chosen);
    if (chosen < 0 || others.length === 0) return null;
    return others.reduce((a, b) => (compare(b.amountOut, a.amountOut) > 0 ? b : a));
  }

  /** Whether a pool is that of a leg; an exchange, if the record names only that. */
  uses(venue) {
    if (this.legVenues.length > 0) return this.legVenues.some(({ pool }) => pool === venue.pool);
    return this.#isMain(venue);
  }

  #isMain({ dex, pool }) {
    return this.#venue.pool === "" ? dex === this.#venue.dex : pool === this.#venue.pool;
  }

  /** The position of the quote of the pool that pays most; -1 if it has none. */
  #findChosen() {
    return this.#quotedVenues.findIndex((venue) => this.#isMain(venue));
  }

  #findOtherAmountOut() {
    if (this.expectedAmountOut === null) return null;
    if (this.legVenues.length < 2) return this.bestOther?.amountOut ?? null;
    if (this.improvementBps === null) return null;
    return (Number(this.expectedAmountOut) / (1 + this.improvementBps / BPS)).toFixed(12);
  }
}

/**
 * Group legs by the tokens that they lead through, as `{ tokens, legs }`; a leg that several paths
 * share is in the first, and those that do not lead from one token to the other in a last one.
 */
export function groupByPath(legs, tokenIn, tokenOut) {
  const paths = [];
  let rest = legs;
  for (const tokens of findPaths([tokenIn], tokenOut, legs)) {
    const step = (leg) => tokens.findIndex((token, at) => token === leg.tokenIn && tokens[at + 1] === leg.tokenOut);
    const own = rest.filter((leg) => step(leg) >= 0).sort((a, b) => step(a) - step(b));
    if (own.length > 0) paths.push({ tokens, legs: own });
    rest = rest.filter((leg) => step(leg) < 0);
  }
  if (rest.length > 0) paths.push({ tokens: [], legs: rest });
  return paths;
}

/** The ways from the last of some tokens to `end` that pass no token twice. */
function findPaths(tokens, end, legs) {
  const last = tokens.at(-1);
  if (last === end) return [tokens];
  const next = new Set(legs.filter(({ tokenIn }) => tokenIn === last).map((leg) => leg.tokenOut));
  const fresh = [...next].filter((token) => !tokens.includes(token));
  return fresh.flatMap((token) => findPaths([...tokens, token], end, legs));
}

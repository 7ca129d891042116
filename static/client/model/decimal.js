/**
 * Decimal arithmetic: amounts and prices stay the text that the API sent, everything derived from
 * them is computed with BigInt, and numbers are rounded only for display.
 */

/** From this many zeros behind the point on, their number is shown in their place. */
const COUNTED_ZEROS = 4;
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** A decimal's digits as an integer, and how many of them stand behind the point. */
function parse(text) {
  const match = DECIMAL.exec(text);
  if (!match) throw new TypeError(`${text} is not a decimal`);
  const [, sign, whole, fraction = ""] = match;
  const units = BigInt(whole + fraction);
  return { units: sign ? -units : units, decimals: fraction.length };
}

/** Both numbers as integers of the same unit. */
function alignScales(a, b) {
  const [x, y] = [parse(a), parse(b)];
  const decimals = Math.max(x.decimals, y.decimals);
  const rescale = ({ units, decimals: own }) => units * 10n ** BigInt(decimals - own);
  return [rescale(x), rescale(y)];
}

/** The quotient to the nearest integer, halves away from zero; the denominator is positive. */
function divideRounded(numerator, denominator) {
  if (numerator < 0n) return -divideRounded(-numerator, denominator);
  return (numerator * 2n + denominator) / (denominator * 2n);
}

function formatUnits(units, decimals) {
  if (units < 0n) return `-${formatUnits(-units, decimals)}`;
  const digits = units.toString().padStart(decimals + 1, "0");
  const point = digits.length - decimals;
  return decimals ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits;
}

/** Whether a text is a decimal number. */
export function isDecimal(value) {
  return DECIMAL.test(value);
}

/** `a / b` as text with so many decimals; both are 0 or more, and null if `b` is 0. */
export function divide(a, b, decimals) {
  const [x, y] = alignScales(a, b);
  return y === 0n ? null : formatUnits(divideRounded(x * 10n ** BigInt(decimals), y), decimals);
}

/** `a × b` as text with so many decimals; both are 0 or more. */
export function multiply(a, b, decimals) {
  const [x, y] = [parse(a), parse(b)];
  const scale = x.decimals + y.decimals;
  const units = x.units * y.units * 10n ** BigInt(decimals);
  return formatUnits(divideRounded(units, 10n ** BigInt(scale)), decimals);
}

/** `a + b`, exactly. */
export function add(a, b) {
  const [x, y] = alignScales(a, b);
  return formatUnits(x + y, Math.max(parse(a).decimals, parse(b).decimals));
}

/** `a − b`, exactly. */
export function subtract(a, b) {
  const [x, y] = alignScales(a, b);
  return formatUnits(x - y, Math.max(parse(a).decimals, parse(b).decimals));
}

/** By how many basis points `a` is more than `b`, to a tenth; null if `b` is 0. */
export function differenceBps(a, b) {
  const [x, y] = alignScales(a, b);
  return y === 0n ? null : Number(divideRounded((x - y) * 100_000n, y)) / 10;
}

/** -1, 0 or 1, as `a` is less than, equal to or more than `b`. */
export function compare(a, b) {
  const [x, y] = alignScales(a, b);
  return x < y ? -1 : Number(x > y);
}

/** Rounded to so many significant digits: `1,234.57`, `0.000201`, `0.0₄20098`. */
export function formatShort(value, digits = 6) {
  const [whole, fraction = ""] = value.split(".");
  const zeros = whole === "0" ? /^0*/.exec(fraction)[0].length : -whole.length;
  if (zeros >= COUNTED_ZEROS && zeros < fraction.length) return countZeros(value, digits - 1);
  const decimals = Math.min(Math.max(zeros + digits, 0), fraction.length);
  return formatLong(trimZeros(divide(value, "1", decimals)));
}

/** `0.0₄20098`: the number of zeros behind the point, and the digits that follow them. */
function countZeros(value, digits, isTrimmed = true) {
  const [mantissa, exponent] = Number(value).toExponential(digits - 1).split("e-");
  const zeros = [...String(Number(exponent) - 1)].map((digit) => SUBSCRIPTS[digit]).join("");
  const shown = mantissa.replace(".", "");
  return `0.0${zeros}${isTrimmed ? shown.replace(/0+$/, "") : shown}`;
}

/** With so many digits behind the point, also where these are zeros. */
export function formatFixed(value, decimals) {
  return formatLong(divide(value, "1", decimals));
}

const DECIMALS_BY_PAIR = new Map();
const PRICE_DIGITS = 6;

/**
 * A price of a pair: all have so many digits behind the point as the first one that was shown
 * needed, so that the points of a column stand below each other.
 */
export function formatPrice(value, pair) {
  if (Number(value) === 0) return "0";
  let decimals = DECIMALS_BY_PAIR.get(pair);
  if (decimals === undefined) {
    decimals = PRICE_DIGITS - 1 - Math.floor(Math.log10(Number(value) || 1));
    DECIMALS_BY_PAIR.set(pair, decimals);
  }
  if (decimals - PRICE_DIGITS >= COUNTED_ZEROS) return countZeros(value, PRICE_DIGITS - 1, false);
  return formatFixed(value, Math.max(decimals, 2));
}

/** All digits, with thousands separators in front of the point. */
export function formatLong(value) {
  const [whole, fraction] = value.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function trimZeros(value) {
  return value.includes(".") ? value.replace(/\.?0+$/, "") : value;
}

/**
 * Decimals: amounts and prices stay the text that the API sent, what is derived of them is counted
 * in BigInt, and both are rounded for the eye only.
 */

/** From so many zeros behind the point on, nobody counts them. */
const TINY_ZEROS = 4;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** A decimal's digits as an integer, and how many of them stand behind the point. */
function parse(text) {
  const found = DECIMAL.exec(text);
  if (!found) throw new TypeError(`${text} is not a decimal`);
  const [, sign, whole, fraction = ""] = found;
  const units = BigInt(whole + fraction);
  return { units: sign ? -units : units, places: fraction.length };
}

/** Both as integers of the same unit. */
function aligned(a, b) {
  const [x, y] = [parse(a), parse(b)];
  const places = Math.max(x.places, y.places);
  const raised = ({ units, places: own }) => units * 10n ** BigInt(places - own);
  return [raised(x), raised(y)];
}

/** The quotient to the nearest integer, halves away from zero; the denominator is positive. */
function rounded(numerator, denominator) {
  if (numerator < 0n) return -rounded(-numerator, denominator);
  return (numerator * 2n + denominator) / (denominator * 2n);
}

function text(units, places) {
  const digits = units.toString().padStart(places + 1, "0");
  const point = digits.length - places;
  return places ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits;
}

/** Whether a text is a decimal at all. */
export function isDecimal(value) {
  return DECIMAL.test(value);
}

/** `a / b` as text with so many decimals; both are 0 or more, and null if `b` is 0. */
export function ratio(a, b, places) {
  const [x, y] = aligned(a, b);
  return y === 0n ? null : text(rounded(x * 10n ** BigInt(places), y), places);
}

/** `a × b` as text with so many decimals; both are 0 or more. */
export function product(a, b, places) {
  const [x, y] = [parse(a), parse(b)];
  const scale = x.places + y.places;
  return text(rounded(x.units * y.units * 10n ** BigInt(places), 10n ** BigInt(scale)), places);
}

/** By how many basis points `a` is more than `b`, to a tenth; null if `b` is 0. */
export function bpsAbove(a, b) {
  const [x, y] = aligned(a, b);
  return y === 0n ? null : Number(rounded((x - y) * 100_000n, y)) / 10;
}

/** -1, 0 or 1, as `a` is less than, equal to or more than `b`. */
export function compare(a, b) {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : Number(x > y);
}

/** Rounded to so many digits that mean something: `1,234.57`, `0.000201`, `2.0098e-5`. */
export function short(value, digits = 6) {
  const [whole, fraction = ""] = value.split(".");
  const zeros = whole === "0" ? /^0*/.exec(fraction)[0].length : -whole.length;
  if (zeros >= TINY_ZEROS && zeros < fraction.length) {
    return Number(value).toExponential(digits - 2).replace(/\.?0+e/, "e");
  }
  const places = Math.min(Math.max(zeros + digits, 0), fraction.length);
  return long(trimmed(ratio(value, "1", places)));
}

/** All its digits, with separators in front of the point. */
export function long(value) {
  const [whole, fraction] = value.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function trimmed(value) {
  return value.includes(".") ? value.replace(/\.?0+$/, "") : value;
}

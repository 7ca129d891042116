/**
 * Decimal arithmetic: amounts and prices stay the text that the API sent, everything derived from
 * them is computed with BigInt, and numbers are rounded only for display.
 */

/** From this many zeros behind the point on, numbers are shown with an exponent. */
const EXPONENT_ZEROS = 4;
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

/** Rounded to so many significant digits: `1,234.57`, `0.000201`, `2.0098e-5`. */
export function formatShort(value, digits = 6) {
  const [whole, fraction = ""] = value.split(".");
  const zeros = whole === "0" ? /^0*/.exec(fraction)[0].length : -whole.length;
  if (zeros >= EXPONENT_ZEROS && zeros < fraction.length) {
    return Number(value).toExponential(digits - 2).replace(/\.?0+e/, "e");
  }
  const decimals = Math.min(Math.max(zeros + digits, 0), fraction.length);
  return formatLong(trimZeros(divide(value, "1", decimals)));
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

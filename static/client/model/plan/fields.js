/** Reads the text of inputs; text that is no number is returned as it is, and refused by the API. */

import { isDecimal, multiply } from "../decimal.js";

const DURATION = /^(?:\d{1,7}[smhdw]\s*){1,5}$/;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** The latest time that a browser knows; the API refuses what is far ahead. */
const LATEST_MS = 8.64e15;

/** An integer; undefined for no text: the server has a default. */
export function readInteger(text) {
  if (text === "") return undefined;
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Per cent as whole basis points; undefined for no text. */
export function readBps(percent) {
  if (percent === "") return undefined;
  if (!isDecimal(percent)) return percent;
  const bps = Number(multiply(percent, "100", 2));
  return Number.isInteger(bps) ? bps : percent;
}

/** `1m30s` or a number, as seconds; undefined for no text. */
export function readSeconds(text) {
  const ms = readDuration(text.trim());
  return ms === null ? readInteger(text.trim()) : ms / 1_000;
}

/** The time that `2h`, `1d 12h` or a time means, as text of the API. */
export function readTime(text, nowMs) {
  const ms = readDuration(text.trim());
  return ms === null ? text.trim() : new Date(Math.min(nowMs + ms, LATEST_MS)).toISOString();
}

/** `2h` or `1d 12h` in milliseconds; null for any other text. */
function readDuration(text) {
  if (!DURATION.test(text)) return null;
  const parts = [...text.matchAll(/(\d+)([smhdw])/g)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNIT_MS[unit], 0);
}

/** The columns of the list of what is open: what each order waits for, and how far that is. */

import { describeThreshold } from "../../model/conditions.js";
import { formatShort } from "../../model/decimal.js";
import { formatDistance, formatProgress } from "../../model/waiting.js";
import { COLUMNS, TYPE_WORDS, UNKNOWN } from "./columns.js";
import { formatShortDuration } from "../format.js";

const byKey = (key) => COLUMNS.find((column) => column.key === key);

/** What an order waits for; the status of what is in flight, in words. */
function describeWaits(order) {
  if (order.status !== "waiting") return order.status;
  if (order.slices !== null) return formatProgress(order.slices);
  if (order.condition !== null) return describeThreshold(order);
  return order.type === "sniper" ? "new pool" : UNKNOWN;
}

function describeMarket({ status, distance }) {
  return status === "waiting" && distance !== null ? formatShort(distance.executablePrice, 7) : UNKNOWN;
}

function readAway({ status, distance }) {
  return status === "waiting" ? (distance?.distanceBps ?? null) : null;
}

export const OPEN_COLUMNS = [
  ...["order", "status", "pair", "side", "type", "amount"].map(byKey),
  {
    key: "waits",
    title: "Waits for",
    isNumber: true,
    text: describeWaits,
    label: ({ type }) => TYPE_WORDS[type] ?? type,
    sort: (order) => describeWaits(order),
  },
  {
    key: "now",
    title: "Market",
    isNumber: true,
    text: describeMarket,
    sort: ({ distance }) => (distance === null ? null : Number(distance.executablePrice)),
  },
  {
    key: "away",
    title: "Away",
    isNumber: true,
    text: (order) => (readAway(order) === null ? UNKNOWN : formatDistance(readAway(order))),
    sort: readAway,
  },
  {
    key: "until",
    title: "Until",
    isNumber: true,
    changesWithTime: true,
    text: ({ expiresMs }, nowMs) =>
      expiresMs === null ? UNKNOWN : formatShortDuration(Math.max(expiresMs - nowMs, 0)),
    sort: ({ expiresMs }) => expiresMs,
  },
  { ...byKey("took"), title: "Age" },
];

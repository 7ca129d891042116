/** The summary bar with counts and charts, the connection badge, and the screen-reader announcer. */

import { addUpDifferences, describeDifference } from "../model/balances.js";
import { STATUS_SYMBOLS, STATUSES } from "../model/order.js";
import { readStored, writeStored } from "../model/storage.js";
import { chooseLatencyScale, drawLatencyHistogram, drawVenueShare } from "./charts.js";
import { createElement, formatCount, formatCounted, formatDuration, setText } from "./format.js";

const DEXES = ["raydium", "meteora"];
const RARE_STATUSES = ["waiting", "cancelled", "expired"];
const SEEN_KEY = "seen-differences";
const ANNOUNCE_INTERVAL_MS = 5_000;
const BADGE_TEXTS = {
  connecting: "◌ connecting",
  loading: "◔ loading",
  live: "● live",
  quiet: "◔ quiet",
  offline: "○ offline",
  refused: "○ refused",
};

/** Counts by status, which filter the table when pressed, rates, latencies and both charts. */
export class SummaryBar extends EventTarget {
  /** The statuses that are pressed; none of them shows all orders. */
  statuses = new Set();
  counts = { inFlight: 0, perSecond: 0 };
  #root;
  #buttons = {};

  constructor(root) {
    super();
    this.#root = root;
    for (const status of STATUSES) {
      const number = createElement("b", {}, "0");
      const button = createElement("button", { type: "button", "aria-pressed": "false" });
      button.dataset.status = status;
      button.append(`${STATUS_SYMBOLS[status]} ${status} `, number);
      button.addEventListener("click", () => this.#toggle(status, button));
      this.#buttons[status] = { button, number };
      this.#find("statuses").append(button);
    }
  }

  /** Show these counts. */
  paint(counts) {
    this.counts = counts;
    for (const status of STATUSES) {
      const { button, number } = this.#buttons[status];
      setText(number, formatCount(counts.byStatus[status]));
      // Some are rare: hidden while there are none.
      const isRare = RARE_STATUSES.includes(status);
      button.hidden = isRare && counts.byStatus[status] === 0 && !this.statuses.has(status);
    }
    setText(this.#find("in-flight"), formatCount(counts.inFlight));
    setText(this.#find("rate"), `${counts.perSecond.toFixed(1)}/s`);
    const { failedShare, p50, p95, savedBps, savedDollars } = counts;
    const failed = failedShare === null ? "·" : `${(failedShare * 100).toFixed(1)} %`;
    setText(this.#find("failed"), failed);
    setText(this.#find("p50"), p50 === null ? "·" : formatDuration(p50));
    setText(this.#find("p95"), p95 === null ? "·" : formatDuration(p95));
    const dollars = Math.round(savedDollars).toLocaleString("en-US");
    const saved = savedBps === null ? "·" : `${savedBps.toFixed(1)} bps · $${dollars}`;
    setText(this.#find("saved"), saved);
    this.repaintCharts();
  }

  /** Draw the charts again: the colours or the width changed. */
  repaintCharts() {
    const { byDex, durationsMs } = this.counts;
    if (durationsMs === undefined) return;
    const mostMs = chooseLatencyScale(durationsMs);
    drawLatencyHistogram(this.#find("latency"), durationsMs, mostMs);
    setText(this.#find("latency-most"), `${mostMs / 1_000} s`);
    const [left, right] = DEXES.map((dex) => byDex[dex] ?? 0);
    const share = left + right === 0 ? 0.5 : left / (left + right);
    const isEmpty = left + right === 0;
    const labels = [share, 1 - share].map((part, index) =>
      isEmpty ? DEXES[index] : `${DEXES[index]} ${Math.round(part * 100)} %`,
    );
    DEXES.forEach((dex, index) => setText(this.#find(dex), labels[index]));
    const text = isEmpty ? "no order is confirmed yet" : labels.join(", ");
    drawVenueShare(this.#find("share"), share, `Share of the venues: ${text}`);
  }

  #find(name) {
    return this.#root.querySelector(`#${name}`);
  }

  #toggle(status, button) {
    if (!this.statuses.delete(status)) this.statuses.add(status);
    button.setAttribute("aria-pressed", String(this.statuses.has(status)));
    this.dispatchEvent(new Event("change"));
  }
}

/** Shows the state of the connection as a shape and a word. */
export class ConnectionBadge {
  #text;
  #retry;

  constructor(text, retry) {
    this.#text = text;
    this.#retry = retry;
  }

  /** Show a state of the feed, and how many orders are loaded. */
  paint(state, loadedOrders) {
    const { name, reason, retryAtMs, attempt } = state;
    const seconds = Math.max(0, Math.ceil((retryAtMs - Date.now()) / 1_000));
    const details = {
      connecting: attempt > 1 ? ` (try ${attempt})` : "",
      loading: ` ${formatCounted(loadedOrders, "order")}`,
      live: "",
      quiet: "",
      offline: ` · ${reason} · again in ${seconds} s`,
      refused: ` · ${reason}`,
    };
    this.#text.dataset.state = name;
    setText(this.#text, BADGE_TEXTS[name] + details[name]);
    this.#retry.hidden = name !== "offline" && name !== "refused";
  }
}

/** A balance that differs from what orders explain, until the user hides it; kept by the browser. */
export class DifferenceLine {
  #root;
  #text;
  #found = [];
  #seen;

  constructor(root) {
    this.#root = root;
    this.#text = root.querySelector("span");
    this.#seen = parseSeen(readStored("localStorage", SEEN_KEY));
    root.querySelector("button").addEventListener("click", () => this.#hideFirst());
  }

  /** Show the first of these differences that the user has not hidden, if there is one. */
  show(found) {
    this.#found = found;
    const [first, ...others] = addUpDifferences(found, this.#seen);
    this.#root.hidden = first === undefined;
    if (first === undefined) return;
    const count = others.length === 0 ? "" : ` (1 of ${formatCount(others.length + 1)})`;
    setText(this.#text, `! ${describeDifference(first)}${count}`);
    this.#text.title = first.wallet;
  }

  #hideFirst() {
    const [first] = addUpDifferences(this.#found, this.#seen);
    this.#seen[first.name] = first.lastAt;
    writeStored("localStorage", SEEN_KEY, JSON.stringify(this.#seen));
    this.show(this.#found);
  }
}

function parseSeen(text) {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {};
  }
}

/** Announces changes to screen readers through a live region, in summary, never each event. */
export class Announcer {
  #region;
  #announcedCounts = null;
  #announcedAt = 0;
  #connection = "";

  constructor(region) {
    this.#region = region;
  }

  /** Announce a text at once. */
  announce(text) {
    setText(this.#region, text);
    this.#announcedAt = performance.now();
  }

  /** Announce a change of the connection; counts are announced relative to those at its start. */
  announceConnection(name, { byStatus }) {
    const text = {
      live: "Connected to the server.",
      offline: "The connection is lost.",
      refused: "The server refuses the connection.",
    }[name];
    if (name === "loading") this.#announcedCounts = null;
    if (name === "live") this.#announcedCounts ??= byStatus;
    if (text === undefined || name === this.#connection) return;
    this.#connection = name;
    this.announce(text);
  }

  /** Announce how many orders ended since the last announcement, at most every few seconds. */
  announceProgress({ byStatus, inFlight }) {
    const changes = ["confirmed", "failed", "cancelled"]
      .map((status) => [byStatus[status] - this.#announcedCounts[status], status])
      .filter(([number]) => number > 0);
    if (changes.length === 0 || performance.now() - this.#announcedAt < ANNOUNCE_INTERVAL_MS) return;
    this.#announcedCounts = byStatus;
    const texts = changes.map(([number, status]) => `${formatCounted(number, "order")} ${status}`);
    this.announce(`${texts.join(", ")}; ${formatCount(inFlight)} in flight.`);
  }
}

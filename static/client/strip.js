/** The strip of counts, the badge of the connection, and the news for those who do not see them. */

import { drawLatency, drawShare, latencyScale } from "./charts.js";
import { count, counted, element, span, write } from "./format.js";
import { MARKS, STATUSES } from "./order.js";

const DEXES = ["raydium", "meteora"];
const QUIET_NEWS_MS = 5_000;
const BADGES = {
  connecting: "◌ connecting",
  loading: "◔ loading",
  live: "● live",
  quiet: "◔ quiet",
  offline: "○ offline",
};

/** Counts by status, which narrow the table when they are pressed; speed; and both charts. */
export class Strip extends EventTarget {
  /** The statuses that are pressed; none is all. */
  statuses = new Set();
  counts = { inFlight: 0, perSecond: 0 };
  #root;
  #chips = {};

  constructor(root) {
    super();
    this.#root = root;
    for (const status of STATUSES) {
      const number = element("b", {}, "0");
      const chip = element("button", { type: "button", "aria-pressed": "false" });
      chip.dataset.status = status;
      chip.append(`${MARKS[status]} ${status} `, number);
      chip.addEventListener("click", () => this.#toggle(status, chip));
      this.#chips[status] = { chip, number };
      this.#part("statuses").append(chip);
    }
  }

  /** Show these counts. */
  paint(counts) {
    this.counts = counts;
    for (const status of STATUSES) {
      const { chip, number } = this.#chips[status];
      write(number, count(counts.byStatus[status]));
      // The last two are rare: they take room when there are some.
      const isRare = status === "cancelled" || status === "expired";
      chip.hidden = isRare && counts.byStatus[status] === 0 && !this.statuses.has(status);
    }
    write(this.#part("in-flight"), count(counts.inFlight));
    write(this.#part("rate"), `${counts.perSecond.toFixed(1)}/s`);
    const { failedShare, p50, p95, gapBps, dollars } = counts;
    write(this.#part("failed"), failedShare === null ? "·" : `${(failedShare * 100).toFixed(1)} %`);
    write(this.#part("p50"), p50 === null ? "·" : span(p50));
    write(this.#part("p95"), p95 === null ? "·" : span(p95));
    const worth = Math.round(dollars).toLocaleString("en-US");
    write(this.#part("saved"), gapBps === null ? "·" : `${gapBps.toFixed(1)} bps · $${worth}`);
    this.repaint();
  }

  /** Draw the charts again: the colours or the width changed. */
  repaint() {
    const { byDex, took } = this.counts;
    if (took === undefined) return;
    const mostMs = latencyScale(took);
    drawLatency(this.#part("latency"), took, mostMs);
    write(this.#part("latency-most"), `${mostMs / 1_000} s`);
    const [left, right] = DEXES.map((dex) => byDex[dex] ?? 0);
    const share = left + right === 0 ? 0.5 : left / (left + right);
    const percents = [share, 1 - share].map((each) => `${Math.round(each * 100)} %`);
    const isNone = left + right === 0;
    DEXES.forEach((dex, at) => write(this.#part(dex), isNone ? dex : `${dex} ${percents[at]}`));
    const words = isNone
      ? "Share of the venues: no order is confirmed yet"
      : `Share of the venues: ${DEXES.map((dex, at) => `${dex} ${percents[at]}`).join(", ")}`;
    drawShare(this.#part("share"), share, words);
  }

  #part(name) {
    return this.#root.querySelector(`#${name}`);
  }

  #toggle(status, chip) {
    if (!this.statuses.delete(status)) this.statuses.add(status);
    chip.setAttribute("aria-pressed", String(this.statuses.has(status)));
    this.dispatchEvent(new Event("change"));
  }
}

/** How the connection is, in a shape and a word. */
export class Badge {
  #text;
  #retry;

  constructor(text, retry) {
    this.#text = text;
    this.#retry = retry;
  }

  /** Show a state of the feed; `loaded` is how many orders are here. */
  paint(state, loaded) {
    const { name, reason, retryAtMs, tries } = state;
    const seconds = Math.max(0, Math.ceil((retryAtMs - Date.now()) / 1_000));
    const rest = {
      connecting: tries > 1 ? ` (try ${tries})` : "",
      loading: ` ${counted(loaded, "order")}`,
      live: "",
      quiet: "",
      offline: ` · ${reason} · again in ${seconds} s`,
    };
    this.#text.dataset.state = name;
    write(this.#text, BADGES[name] + rest[name]);
    this.#retry.hidden = name !== "offline";
  }
}

/** Tells screen readers what happened, in summary: never each event. */
export class News {
  #region;
  #told = null;
  #toldAt = 0;
  #connection = "";

  constructor(region) {
    this.#region = region;
  }

  /** Say something at once. */
  say(words) {
    write(this.#region, words);
    this.#toldAt = performance.now();
  }

  /** The connection changed; what is stored when it begins is no news. */
  connection(name, { byStatus }) {
    const words = { live: "Connected to the server.", offline: "The connection is lost." }[name];
    if (name === "loading") this.#told = null;
    if (name === "live") this.#told ??= byStatus;
    if (words === undefined || name === this.#connection) return;
    this.#connection = name;
    this.say(words);
  }

  /** Say how many orders ended since this was last said, every few seconds. */
  tell({ byStatus, inFlight }) {
    const { confirmed, failed } = byStatus;
    const news = [
      [confirmed - this.#told.confirmed, "confirmed"],
      [failed - this.#told.failed, "failed"],
    ].filter(([number]) => number > 0);
    if (news.length === 0 || performance.now() - this.#toldAt < QUIET_NEWS_MS) return;
    this.#told = byStatus;
    const words = news.map(([number, what]) => `${counted(number, "order")} ${what}`);
    this.say(`${words.join(", ")}; ${count(inFlight)} in flight.`);
  }
}

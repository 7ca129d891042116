/** The view of quality: times by step, slippage, what routing saved, and why orders failed. */

import { formatFixed } from "../../model/decimal.js";
import { buildHistograms, readRow } from "../../model/desk/quality.js";
import { tokenLabel } from "../../model/tokens.js";
import { createElement, formatCount, formatCounted, formatDuration, formatSigned, setText } from "../format.js";
import { UNKNOWN } from "../table/columns.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 60;

export class QualityView {
  #root;
  #feed;
  #painted = null;

  constructor(root, feed) {
    this.#root = root;
    this.#feed = feed;
    this.#find("period").addEventListener("change", () => this.show());
  }

  show() {
    this.#painted = null;
    this.#feed.show(this.#find("period").elements.period.value);
  }

  hide() {
    this.#feed.show(null);
  }

  /** Show what was read last. */
  paint() {
    const { found, reason } = this.#feed;
    setText(this.#find("reason"), reason && `Not read: ${reason}`);
    setText(this.#find("loading"), found === null && reason === "" ? "Reading all fills of this time…" : "");
    if (found === this.#painted) return;
    this.#painted = found;
    this.#find("body").hidden = found === null;
    if (found === null) return;
    const total = readRow(found.byPair.total);
    this.#find("total").replaceChildren(...renderTotal(total, found.byPair.reference));
    this.#find("steps").replaceChildren(...buildHistograms(found.fills).map(renderHistogram));
    const whole = found.isWhole ? "" : ` (the newest ${formatCount(found.fills.length)})`;
    setText(this.#find("sample"), `Times of ${formatCounted(found.fills.length, "fill")}${whole}; from acceptance only of market orders: others wait for a price.`);
    this.#find("pairs").replaceChildren(...found.byPair.rows.map((row) => renderRow(readRow(row))));
    this.#find("dexes").replaceChildren(...found.byDex.rows.map((row) => renderRow(readRow(row))));
    this.#find("reasons").replaceChildren(...total.reasons.map((each) => renderReason(each, total)));
    this.#find("no-reasons").hidden = total.reasons.length > 0;
    for (const cell of this.#root.querySelectorAll(".reference")) setText(cell, found.byPair.reference);
  }

  #find(name) {
    return this.#root.querySelector(`#quality-${name}`);
  }
}

const cell = (text) => createElement("td", { class: "number" }, text);
const formatShare = (share) => (share === null ? UNKNOWN : `${(share * 100).toFixed(1)} %`);
const formatBps = (bps) => (bps === null ? UNKNOWN : formatSigned(bps));

function formatValue(text) {
  return text.startsWith("-") ? `−${formatFixed(text.slice(1), 2)}` : formatFixed(text, 2);
}

function renderTotal({ fills, confirmed, failed, withdrawn, failedShare, volume, savedValue, savedBps, slippageBps }, reference) {
  return [
    ["Fills", formatCount(fills)],
    ["Confirmed", formatCount(confirmed)],
    ["Failed", `${formatCount(failed)} (${formatShare(failedShare)})`],
    ["Withdrawn", formatCount(withdrawn)],
    ["Volume", `${formatValue(volume)} ${reference}`],
    ["Slippage", `${formatBps(slippageBps)} bps`],
    ["Routing saved", `${formatValue(savedValue)} ${reference} (${formatBps(savedBps)} bps)`],
  ].map(([name, value]) => createElement("div", {}, createElement("dt", {}, name), createElement("dd", {}, createElement("b", {}, value))));
}

function renderHistogram({ name, count, bars, mostMs, p50, p95 }) {
  const text = count === 0 ? `${name}: no fill` : `${name}: half within ${formatDuration(p50)}, 95 % within ${formatDuration(p95)}`;
  const svg = createSvg("svg", { viewBox: `0 0 ${bars.length * 10} ${HEIGHT}`, role: "img", "aria-label": text, preserveAspectRatio: "none" });
  const highest = Math.max(...bars, 1);
  bars.forEach((value, index) => {
    const height = value === 0 ? 0.5 : Math.max(1.5, (value / highest) * HEIGHT);
    svg.append(createSvg("rect", { x: index * 10, y: HEIGHT - height, width: 9, height, class: "count" }));
  });
  for (const ms of [p50, p95]) {
    if (ms === null) continue;
    const x = Math.min(ms / mostMs, 1) * bars.length * 10;
    svg.append(createSvg("rect", { x: x - 0.75, y: 0, width: 1.5, height: HEIGHT, class: "mark" }));
  }
  const words = count === 0 ? UNKNOWN : `p50 ${formatDuration(p50)} · p95 ${formatDuration(p95)}`;
  const caption = createElement("figcaption", {}, createElement("span", {}, "0"), createElement("span", {}, words), createElement("span", {}, formatDuration(mostMs)));
  return createElement("figure", {}, createElement("h4", {}, name), svg, caption);
}

function createSvg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function renderRow({ key, confirmed, failed, failedShare, volume, slippageBps, savedValue, savedBps, reasons }) {
  const name = key === null ? "none" : key.split("/").map(tokenLabel).join("/");
  const [first] = reasons;
  return createElement(
    "tr",
    {},
    createElement("th", { scope: "row" }, name),
    cell(formatCount(confirmed)),
    cell(formatCount(failed)),
    cell(formatShare(failedShare)),
    cell(formatValue(volume)),
    cell(formatBps(slippageBps)),
    cell(formatValue(savedValue)),
    cell(formatBps(savedBps)),
    createElement("td", {}, first === undefined ? "" : `${first[0]} ${formatCount(first[1])}`),
  );
}

function renderReason([code, count], { failed, withdrawn }) {
  const bar = createElement("span", { class: "bar" });
  bar.style.width = `${(100 * count) / Math.max(failed + withdrawn, 1)}%`;
  return createElement("tr", {}, createElement("th", { scope: "row" }, code), cell(formatCount(count)), createElement("td", {}, bar));
}

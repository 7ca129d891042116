/** The view of quality: times by step, what was paid against quotes, what routing saved, failures. */

import { formatFixed } from "../../model/decimal.js";
import { explainCode } from "../../model/desk/failure_words.js";
import { buildDifferences, buildHistograms, readRow } from "../../model/desk/quality.js";
import { tokenLabel } from "../../model/tokens.js";
import { createElement, formatCount, formatCounted, formatSigned, setText } from "../format.js";
import { UNKNOWN } from "../table/columns.js";
import { renderDifferences, renderTimes } from "./histogram.js";

const VS_QUOTE = "What was paid against the quotes, weighted by value: + is more than quoted, − is less";
const SAVED = "How much more the chosen routes were quoted to pay than the best that was passed over";

export class QualityView {
  #root;
  #feed;
  #painted = null;
  #groups;

  constructor(root, feed) {
    this.#root = root;
    this.#feed = feed;
    this.#groups = [new GroupTable("Pair", "By pair"), new GroupTable("DEX", "By DEX")];
    this.#find("tables").append(...this.#groups.flatMap(({ nodes }) => nodes));
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
    const times = buildHistograms(found.fills).map(renderTimes);
    this.#find("steps").replaceChildren(...times, renderDifferences(buildDifferences(found.fills)));
    const whole = found.isWhole ? "" : ` (the newest ${formatCount(found.fills.length)})`;
    setText(this.#find("sample"), `Times of ${formatCounted(found.fills.length, "fill")}${whole}; from acceptance only of market orders: others wait for a price.`);
    [found.byPair, found.byDex].forEach((report, index) => this.#groups[index].paint(report));
    this.#find("reasons").replaceChildren(...total.reasons.map((each) => renderReason(each, total)));
    this.#find("no-reasons").hidden = total.reasons.length > 0;
  }

  #find(name) {
    return this.#root.querySelector(`#quality-${name}`);
  }
}

/** The rows of a report by one thing, under a title. */
class GroupTable {
  nodes;
  #head = createElement("tr");
  #body = createElement("tbody");
  #name;

  constructor(name, title) {
    this.#name = name;
    const id = `quality-${name.toLowerCase()}-title`;
    const table = createElement("table", { "aria-labelledby": id }, createElement("thead", {}, this.#head), this.#body);
    const place = createElement("div", { class: "wide", tabindex: "0", role: "group", "aria-labelledby": id }, table);
    this.nodes = [createElement("h3", { id }, title), place];
  }

  paint({ rows, reference }) {
    const titles = [
      [this.#name, ""], ["Confirmed"], ["Failed"], ["Share"], [`Volume, ${reference}`],
      ["vs quote, bps", "number", VS_QUOTE], [`Saved, ${reference}`, "number", SAVED],
      ["Saved, bps", "number", "What was saved of the volume"], ["Most failed for", ""],
    ];
    this.#head.replaceChildren(...titles.map(([text, kind = "number", title = ""]) =>
      createElement("th", { scope: "col", class: kind, title }, text),
    ));
    this.#body.replaceChildren(...rows.map((row) => renderRow(readRow(row))));
  }
}

const cell = (text) => createElement("td", { class: "number" }, text);
const formatShare = (share) => (share === null ? UNKNOWN : `${(share * 100).toFixed(1)} %`);
const formatBps = (bps) => (bps === null ? UNKNOWN : formatSigned(bps));

function formatValue(text) {
  return text.startsWith("-") ? `−${formatFixed(text.slice(1), 2)}` : formatFixed(text, 2);
}

function renderTotal({ fills, confirmed, failed, withdrawn, failedShare, volume, savedValue, savedBps, vsQuoteBps }, reference) {
  return [
    ["Fills", formatCount(fills)],
    ["Confirmed", formatCount(confirmed)],
    ["Failed", `${formatCount(failed)} (${formatShare(failedShare)})`],
    ["Withdrawn", formatCount(withdrawn)],
    ["Volume", `${formatValue(volume)} ${reference}`],
    ["vs quote", `${formatBps(vsQuoteBps)} bps`, VS_QUOTE],
    ["Routing saved", `${formatValue(savedValue)} ${reference} (${formatBps(savedBps)} bps)`, SAVED],
  ].map(([name, value, title = ""]) => createElement("div", { title }, createElement("dt", {}, name), createElement("dd", {}, createElement("b", {}, value))));
}

function renderRow({ key, confirmed, failed, failedShare, volume, vsQuoteBps, savedValue, savedBps, failureReasons }) {
  const name = key === null ? "none" : key.split("/").map(tokenLabel).join("/");
  const [first] = failureReasons;
  return createElement(
    "tr",
    {},
    createElement("th", { scope: "row" }, name),
    cell(formatCount(confirmed)),
    cell(formatCount(failed)),
    cell(formatShare(failedShare)),
    cell(formatValue(volume)),
    cell(formatBps(vsQuoteBps)),
    cell(formatValue(savedValue)),
    cell(formatBps(savedBps)),
    createElement("td", { class: "words", title: explainCode(first?.[0]) }, first === undefined ? "" : `${first[0]} ${formatCount(first[1])}`),
  );
}

function renderReason([code, count], { failed, withdrawn }) {
  const bar = createElement("span", { class: "bar" });
  bar.style.width = `${(100 * count) / Math.max(failed + withdrawn, 1)}%`;
  const words = createElement("span", { class: "ends" }, explainCode(code));
  return createElement("tr", {}, createElement("th", { scope: "row" }, code, " ", words), cell(formatCount(count)), createElement("td", {}, bar));
}

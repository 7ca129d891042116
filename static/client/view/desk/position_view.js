/** The view of positions: balances, what is reserved, cost, profit and loss, the price and its age. */

import { formatFixed, formatLong, formatShort } from "../../model/decimal.js";
import { describeLimits } from "../../model/desk/limits.js";
import { describeLow, joinRows, sumGains } from "../../model/desk/positions.js";
import { tokenLabel } from "../../model/tokens.js";
import { UNKNOWN } from "../table/columns.js";
import { createElement, formatCount, formatShortDuration, setText } from "../format.js";

const VALUE_DECIMALS = 2;
const LAMPORTS_DECIMALS = 9;
/** A price that is older is marked. */
const OLD_MS = 10_000;

export class PositionView {
  #root;
  #feed;
  #store;
  #painted = "";
  #paintedLimits = null;

  constructor(root, feed, store) {
    this.#root = root;
    this.#feed = feed;
    this.#store = store;
  }

  show() {
    this.#feed.setShown(true);
    this.#painted = "";
  }

  hide() {
    this.#feed.setShown(false);
  }

  /** Show what was read last; only ages change in between. */
  paint() {
    const { positions, balances, reason } = this.#feed;
    const find = (name) => this.#root.querySelector(`#positions-${name}`);
    setText(find("reason"), reason);
    const rows = joinRows(positions, balances, this.#store.oldestFirst);
    const ageMs = Date.now() - this.#feed.readAtMs;
    const isLoading = positions === null && balances === null;
    find("empty").hidden = rows.length > 0;
    setText(find("empty"), isLoading ? "Loading…" : "Nothing is held, and nothing was executed yet.");
    const key = JSON.stringify(rows);
    if (key !== this.#painted) {
      this.#painted = key;
      find("rows").replaceChildren(...rows.flatMap(renderRow));
    }
    for (const cell of find("rows").querySelectorAll("[data-age]")) showAge(cell, ageMs);
    find("total").replaceChildren(...renderTotal(positions));
    this.#paintLimits(find("limits"));
    for (const cell of this.#root.querySelectorAll(".reference")) {
      setText(cell, positions?.reference ?? "");
    }
  }

  #paintLimits(section) {
    const { limits } = this.#feed;
    if (limits === this.#paintedLimits) return;
    this.#paintedLimits = limits;
    const rows = describeLimits(limits);
    section.hidden = rows.length === 0;
    const day = createElement("span", { class: "day" }, `day of ${limits.day}, UTC`);
    section.querySelector("h3").replaceChildren("Limits", day);
    section.querySelector("dl").replaceChildren(...rows.flatMap(renderLimit));
  }
}

function renderLimit({ name, text, isNear = false, warning = "" }) {
  const shown = createElement("dd", isNear ? { class: "near" } : {}, text);
  if (warning !== "") shown.append(createElement("p", {}, `! ${warning}`));
  return [createElement("dt", {}, name), shown];
}

function renderRow(row) {
  const { token, balance, position } = row;
  const name = createElement("th", { scope: "row", title: token }, tokenLabel(token));
  const cells = [
    number(position && formatAmount(position.amount)),
    number(position?.averageCost && formatShort(position.averageCost), "cost"),
    number(position?.price && formatShort(position.price), "cost"),
    renderAge(position),
    number(position?.value && formatValue(position.value)),
    renderGain(position?.unrealized ?? null),
    renderGain(position?.realized ?? null, "cost"),
    number(balance && formatAmount(balance.held)),
    number(balance && formatAmount(balance.reserved), "cost"),
  ];
  const node = createElement("tr", { "data-token": token }, name, ...cells);
  const notes = [describeLow(row), describeUnvalued(position)].filter(Boolean);
  if (notes.length === 0) return [node];
  const note = createElement("td", { colspan: String(cells.length + 1), class: "note" }, notes.join(" "));
  return [node, createElement("tr", { class: "notes" }, note)];
}

/** A cell; those of the class `cost` have no room on a phone. */
function number(text, more = "") {
  return createElement("td", { class: `number ${more}`.trim() }, text || UNKNOWN);
}

function formatValue(text) {
  const shown = formatFixed(text.replace("-", ""), VALUE_DECIMALS);
  return text.startsWith("-") ? `−${shown}` : shown;
}

function formatAmount(text) {
  return text.startsWith("-") ? `−${formatShort(text.slice(1), 9)}` : formatShort(text, 9);
}

/** The cell of how old the read is that the price comes from. */
function renderAge(position) {
  if (!position || position.priceAgeMs === null) return number(null, "cost");
  const cell = number(null, "cost");
  cell.dataset.age = position.priceAgeMs;
  return cell;
}

function showAge(cell, sinceReadMs) {
  const ms = Number(cell.dataset.age) + Math.max(sinceReadMs, 0);
  setText(cell, formatShortDuration(Math.max(1_000, ms)).replace(/\.\d+ s$/, " s"));
  cell.classList.toggle("old", ms > OLD_MS);
}

/** `+12.40`, `−3.10`: the sign tells what the colour does. */
function renderGain(text, more = "") {
  if (text === null) return number(null, more);
  const isLoss = text.startsWith("-");
  const shown = formatFixed(text.replace("-", ""), VALUE_DECIMALS);
  const sign = /[1-9]/.test(shown) ? (isLoss ? "−" : "+") : "";
  const cell = number(`${sign}${shown}`, more);
  if (sign !== "") cell.classList.add(isLoss ? "loss" : "gain");
  return cell;
}

function describeUnvalued(position) {
  const count = position?.unvaluedFills ?? 0;
  if (count === 0) return "";
  return `${formatCount(count)} of ${formatCount(position.fills)} fills have no known value: they carry their cost over.`;
}

function renderTotal(positions) {
  if (positions === null) return [];
  const { realized, unrealized, unpriced } = sumGains(positions);
  const { reference, networkFeeLamports, method } = positions;
  const sol = formatFixed(String(networkFeeLamports), 0).replaceAll(",", "").padStart(LAMPORTS_DECIMALS + 1, "0");
  const fees = `${sol.slice(0, -LAMPORTS_DECIMALS)}.${sol.slice(-LAMPORTS_DECIMALS)}`;
  const rest = unpriced === 0 ? "" : ` (${unpriced} without a price)`;
  return [
    ["Realized", renderGain(realized), reference],
    ["Unrealized", renderGain(unrealized), `${reference}${rest}`],
    ["Fees of the network", number(formatLong(fees)), "SOL, not in the above"],
    ["Cost", number(method === "average" ? "average" : method), "of what is held"],
  ].map(([name, { textContent, className }, unit]) =>
    createElement(
      "div",
      {},
      createElement("dt", {}, name),
      createElement("dd", {}, createElement("b", { class: className.replace("number", "").trim() }, textContent), ` ${unit}`),
    ),
  );
}

/** The view of markets: the chart of a pair with its orders, and what all pools of it quote now. */

import { listFillMarks, listLines, listMetMarks } from "../../model/desk/chart_marks.js";
import { ChartWindow } from "../../model/desk/chart_window.js";
import { formatPrice } from "../../model/decimal.js";
import { buildPair } from "../../model/order.js";
import { readStored, writeStored } from "../../model/storage.js";
import { tokenLabel } from "../../model/tokens.js";
import { createElement, formatCounted, formatShortDuration, setText } from "../format.js";
import { ChartInput } from "./chart_input.js";
import { describeSpread, renderFills, renderLines, renderPools } from "./market_tables.js";
import { ChartScale, drawChart, findRange } from "./price_chart.js";

const PAIRS = ["SOL/USDC", "JUP/USDC", "BONK/USDC", "RAY/USDC", "USDT/USDC"];
const PAINT_INTERVAL_MS = 100;
const HOVER_PX = 8;
const FIT_KEY = "order-engine-fit-orders";
const STEP_NAMES = {
  1: "1 s", 5: "5 s", 15: "15 s", 60: "1 min", 300: "5 min", 900: "15 min", 3600: "1 h",
  14400: "4 h", 86400: "1 day",
};

export class MarketView extends EventTarget {
  #root;
  #store;
  #prices;
  #quotes;
  #window = new ChartWindow();
  #input;
  #pair = null;
  #isShown = false;
  #lit = null;
  #places = [];
  #paintedAt = 0;
  #pairsKey = "";
  #tableKeys = {};
  #getOpenId;
  #isLoading;

  /**
   * `prices` and `quotes` are the feeds of the pair that is shown; `getOpenId` tells the order whose
   * detail is, `isLoading` whether not all orders are in memory yet.
   */
  constructor(root, { store, prices, quotes, getOpenId, isLoading }) {
    super();
    this.#root = root;
    this.#store = store;
    this.#prices = prices;
    this.#quotes = quotes;
    this.#getOpenId = getOpenId;
    this.#isLoading = isLoading;
    const now = () => this.#nowS;
    this.#input = new ChartInput(this.#find("chart"), this.#window, now);
    this.#listen();
  }

  show() {
    this.#isShown = true;
    this.showPair();
  }

  hide() {
    this.#isShown = false;
    this.#prices.hide();
    this.#quotes.show(null);
    this.#pair = null;
  }

  /** Show the pair of the address, such as `#/markets/SOL/USDC`. */
  showPair() {
    const [base, quote] = readPair(location.hash);
    const pair = buildPair(base, quote);
    if (pair.base === this.#pair?.base && pair.quote === this.#pair.quote) return;
    this.#pair = pair;
    this.#prices.show(this.#pairName);
    this.#quotes.show(pair);
    this.#tableKeys = {};
    this.#repaint();
  }

  /** Zoom or move the chart by a key; returns whether it is one for that. */
  pressKey(key) {
    return this.#isShown && this.#input.press(key);
  }

  /** The pairs that can be chosen: those of the form, and those of orders. */
  listPairs() {
    return new Set([...PAIRS, ...this.#store.pairs]);
  }

  /** Show what there is by now, a few times a second at most. */
  paint(nowMs) {
    this.#nowS = nowMs / 1_000;
    const beganAt = performance.now();
    // Painting takes at most a tenth of the time, however many fills there are.
    const intervalMs = Math.max(PAINT_INTERVAL_MS, 10 * this.#paintMs);
    if (!this.#isShown || beganAt - this.#paintedAt < intervalMs) return;
    this.#paintedAt = beganAt;
    this.#paintPairs();
    this.#paintChart();
    this.#paintQuotes();
    this.#paintMs = performance.now() - beganAt;
  }

  #nowS = Date.now() / 1_000;
  #paintMs = 0;

  get #pairName() {
    return `${this.#pair.base}/${this.#pair.quote}`;
  }

  #find(name) {
    return this.#root.querySelector(`#market-${name}`);
  }

  #listen() {
    const repaint = () => this.#repaint();
    for (const name of ["change", "hover"]) this.#input.addEventListener(name, repaint);
    this.#input.addEventListener("hover", ({ detail: { y } }) => this.#light(this.#findLine(y)));
    this.#input.addEventListener("choose", ({ detail: { y } }) => {
      const id = this.#findLine(y);
      if (id !== null) this.dispatchEvent(new CustomEvent("open", { detail: id }));
    });
    this.#find("pair").addEventListener("change", ({ target }) => {
      const [base, quote] = target.value.split("/").map(encodeURIComponent);
      this.dispatchEvent(new CustomEvent("pair", { detail: `#/markets/${base}/${quote}` }));
    });
    const fit = this.#find("fit");
    fit.checked = readStored("localStorage", FIT_KEY) !== "no";
    fit.addEventListener("change", () => {
      writeStored("localStorage", FIT_KEY, fit.checked ? "yes" : "no");
      repaint();
    });
    this.#find("in").addEventListener("click", () => this.#input.zoom(0.5));
    this.#find("out").addEventListener("click", () => this.#input.zoom(2));
    this.#find("now").addEventListener("click", () => {
      this.#window.follow();
      repaint();
    });
    for (const name of ["lines", "fills"]) {
      const body = this.#find(name);
      const lightRow = ({ target }) => this.#light(target.closest("tr")?.dataset.order ?? null);
      body.addEventListener("pointerover", lightRow);
      body.addEventListener("focusin", lightRow);
      body.addEventListener("pointerleave", () => this.#light(null));
      body.addEventListener("focusout", () => this.#light(null));
    }
    for (const feed of [this.#prices, this.#quotes]) feed.addEventListener("news", () => this.#emitNews());
    new ResizeObserver(repaint).observe(this.#find("chart"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  }

  #emitNews() {
    this.dispatchEvent(new Event("news"));
  }

  #repaint() {
    this.#paintedAt = 0;
    this.#emitNews();
  }

  #light(id) {
    if (id === this.#lit) return;
    this.#lit = id;
    this.#repaint();
  }

  /** The order whose line or words are at a height of the chart. */
  #findLine(y) {
    if (y === null) return null;
    const distance = ({ y: lineY, labelY }) => Math.min(Math.abs(lineY - y), Math.abs(labelY - y));
    const near = this.#places.filter((place) => distance(place) < HOVER_PX);
    near.sort((a, b) => distance(a) - distance(b));
    return near[0]?.line.order.id ?? null;
  }

  #paintPairs() {
    const known = this.listPairs().add(this.#pairName);
    const key = [...known].join();
    const select = this.#find("pair");
    if (key !== this.#pairsKey) {
      this.#pairsKey = key;
      const options = [...known].map((name) =>
        createElement("option", { value: name }, name.split("/").map(tokenLabel).join("/")),
      );
      select.replaceChildren(...options);
    }
    if (select.value !== this.#pairName) select.value = this.#pairName;
  }

  #paintChart() {
    const canvas = this.#find("chart");
    const { clientWidth: width, clientHeight: height } = canvas;
    const { fromS, toS } = this.#window.compute(this.#nowS);
    const stepS = this.#window.chooseStep(width);
    this.#prices.load(stepS, fromS, toS);
    const { series } = this.#prices;
    const bars = series.list(stepS, fromS, toS);
    const { name } = this.#pair;
    const orders = this.#store.oldestFirst;
    const lines = listLines(orders, name, series.last?.closeText ?? null);
    const fills = listFillMarks(orders, name, fromS * 1_000, toS * 1_000);
    const mets = listMetMarks(orders, name, fromS * 1_000, toS * 1_000);
    const range = findRange(bars, fills, lines, this.#find("fit").checked);
    const lit = this.#lit ?? this.#getOpenId();
    if (range !== null && width > 0) {
      const scale = new ChartScale({ width, height, fromS, toS, ...range });
      const drawn = { scale, bars, stepS, fills, mets, lines, last: series.last, lit };
      this.#places = drawChart(canvas, drawn);
    } else canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    this.#describe(stepS, bars, fills, lines, series.last);
    this.#paintTable("lines", renderLines(lines, name), lit);
    this.#paintTable("fills", renderFills(fills), lit);
    this.#paintNone("no-lines", lines, "No order of this pair is open.");
    this.#paintNone("no-fills", fills, "No fill of this pair in this time.");
  }

  #paintNone(name, rows, text) {
    this.#find(name).hidden = rows.length > 0;
    setText(this.#find(name), this.#isLoading() ? "Loading…" : text);
  }

  #describe(stepS, bars, fills, lines, last) {
    const { name, quote, base } = this.#pair;
    const unit = `${tokenLabel(quote)} per ${tokenLabel(base)}`;
    setText(this.#find("price"), last === null ? "no price yet" : `${formatPrice(last.closeText, name)} ${unit}`);
    const ageMs = last === null ? 0 : Math.max((this.#nowS - last.endS) * 1_000, 0);
    const age = ageMs < 3_000 ? "now" : `${formatShortDuration(ageMs).replace(/\.\d+ s$/, " s")} ago`;
    setText(this.#find("age"), last === null ? "" : age);
    const span = formatShortDuration(this.#window.spanS * 1_000).replace(".00", "");
    setText(this.#find("step"), `${span} in bars of ${STEP_NAMES[stepS]}`);
    this.#find("now").disabled = this.#window.isFollowing;
    const empty = this.#prices.reason || "No price was read in this time.";
    setText(this.#find("empty"), bars.length === 0 ? empty : "");
    const text = `Chart of ${name}: ${formatCounted(bars.length, "bar")} of ${STEP_NAMES[stepS]}, ${formatCounted(fills.length, "fill")}, ${formatCounted(lines.length, "line")} of open orders; the tables below have them`;
    if (this.#find("chart").getAttribute("aria-label") !== text) this.#find("chart").setAttribute("aria-label", text);
  }

  /** Fill a table anew if its texts changed; a row that has the focus keeps it. */
  #paintTable(name, rows, lit) {
    const body = this.#find(name);
    const key = rows.map((row) => `${row.dataset.order ?? ""} ${row.textContent}`).join("\n");
    if (key !== this.#tableKeys[name]) {
      this.#tableKeys[name] = key;
      const focused = body.contains(document.activeElement)
        ? document.activeElement.closest("tr").dataset.order
        : null;
      body.replaceChildren(...rows);
      if (focused) body.querySelector(`[data-order="${focused}"] a`)?.focus({ preventScroll: true });
    }
    for (const row of body.rows) row.classList.toggle("lit", row.dataset.order === lit);
  }

  #paintQuotes() {
    const { quotes, reason } = this.#quotes;
    const words = quotes === null ? "" : describeSpread(quotes, this.#pair.name);
    setText(this.#find("spread"), reason === "" ? words || "Asking all pools…" : `Not quoted: ${reason}`);
    if (quotes !== null) this.#paintTable("pools", renderPools(quotes, this.#pair.name), null);
    else this.#find("pools").replaceChildren();
  }
}

/** The tokens of an address such as `#/markets/SOL/USDC`; those of the first pair if it has none. */
function readPair(hash) {
  try {
    const [, base, quote] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    if (base && quote && base !== quote) return [base, quote];
  } catch {
    // a broken escape names no pair
  }
  return PAIRS[0].split("/");
}

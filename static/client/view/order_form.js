/**
 * The order form: places the orders that its fields describe, and shows the API's errors beside
 * the fields.
 *
 * While the user types, a quote for the first order is requested: it previews the result, and the
 * API's errors, before anything is placed.
 */

import { newIdempotencyKey, ProblemError, UnreachableError } from "../connection/api.js";
import { differenceBps, formatShort } from "../model/decimal.js";
import { tokenLabel } from "../model/order.js";
import { generateOrders, needsPrices, splitPair } from "../model/order_plan.js";
import { Presets } from "../model/presets.js";
import { createElement, formatCount, formatCounted, formatSigned } from "./format.js";

const BATCH_ORDERS_MAX = 1_000;
const QUOTE_DELAY_MS = 350;
const ATTEMPTS_MAX = 8;
/** The API's field names, and the inputs of the form that they belong to. */
const FIELD_INPUTS = {
  tokenIn: "pairs",
  tokenOut: "pairs",
  amount: "low",
  amountIn: "low",
  slippageBps: "slippage",
  maxPriceImpactBps: "impact",
  minAmountOut: "minimum",
  type: "type",
  limitPrice: "limit",
  expiresAt: "type",
};

export class OrderForm extends EventTarget {
  #form;
  #client;
  #presets = new Presets();
  #prices = {};
  #quoteTimer;
  #quoteAbort = new AbortController();
  #isSending = false;
  #blockedReason = "";

  constructor(form, client) {
    super();
    this.#form = form;
    this.#client = client;
    const preset = form.elements.preset;
    preset.addEventListener("change", () => this.#choosePreset(preset.value));
    this.#find("preset-save").addEventListener("click", () => this.#savePreset());
    this.#find("preset-forget").addEventListener("click", () => this.#forgetPreset());
    form.addEventListener("input", (event) => {
      if (event.target !== preset) this.#update();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#listPresets();
    this.#choosePreset(preset.value);
  }

  /** Set some fields; the others keep their values. */
  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      if (name === "pairs") this.#choosePairs(value);
      else this.#form.elements[name].value = value;
    }
    this.#update();
  }

  /** Disable placing and show the reason; an empty reason enables it. */
  setBlocked(reason) {
    this.#blockedReason = reason;
    this.#find("place").disabled = reason !== "" || this.#isSending;
    this.#find("blocked").textContent = reason;
  }

  #find(name) {
    return this.#form.querySelector(`#${name}`);
  }

  // Presets

  #listPresets() {
    const options = (names) => names.map((name) => createElement("option", {}, name));
    const { builtInNames, savedNames } = this.#presets;
    const saved = createElement("optgroup", { label: "Saved" }, ...options(savedNames));
    this.#find("preset").replaceChildren(
      ...options(builtInNames),
      ...(savedNames.length > 0 ? [saved] : []),
    );
  }

  #choosePreset(name) {
    this.#form.elements.preset.value = name;
    this.#find("preset-forget").hidden = !this.#presets.savedNames.includes(name);
    this.fill(this.#presets.get(name));
  }

  #savePreset() {
    const { name, isStored } = this.#presets.save(this.#readForm());
    this.#listPresets();
    this.#choosePreset(name);
    const until = isStored ? "" : " until this page is closed: this browser keeps nothing";
    this.#find("outcome").replaceChildren(`Saved as “${name}”${until}.`);
  }

  #forgetPreset() {
    this.#presets.remove(this.#find("preset").value);
    this.#listPresets();
    this.#find("preset-forget").hidden = true;
    this.#find("preset").focus();
  }

  #choosePairs(pairs) {
    const boxes = [...this.#form.elements.pair];
    for (const box of boxes) box.checked = pairs.includes(box.value);
    const known = boxes.map((box) => box.value);
    this.#form.elements.others.value = pairs.filter((pair) => !known.includes(pair)).join(" ");
  }

  #readForm() {
    const data = new FormData(this.#form);
    const values = Object.fromEntries(data);
    const others = values.others.split(/\s+/).filter(Boolean);
    if (values.count === "1") values.high = values.low;
    return { ...values, pairs: [...data.getAll("pair"), ...others] };
  }

  #update() {
    const { elements } = this.#form;
    const count = Number(elements.count.value);
    const isMany = count > 1;
    for (const node of this.#form.querySelectorAll(".many")) node.hidden = !isMany;
    this.#find("limit-field").hidden = elements.type.value !== "limit";
    this.#find("low-label").textContent = isMany ? "Amount from" : "Amount";
    this.#find("slippage-percent").textContent = `= ${Number(elements.slippage.value) / 100} %`;
    if (!this.#isSending) this.#find("place").textContent = `Place ${formatCounted(count, "order")}`;
    this.#find("preview").classList.add("stale");
    clearTimeout(this.#quoteTimer);
    this.#quoteTimer = setTimeout(() => this.#preview(), QUOTE_DELAY_MS);
  }

  // Preview

  async #preview() {
    this.#quoteAbort.abort();
    const { signal } = (this.#quoteAbort = new AbortController());
    try {
      const form = this.#readForm();
      await this.#loadPrices(form, signal);
      const [terms] = generateOrders({ ...form, count: "1" }, this.#prices);
      const quote = await this.#client.getQuotes(terms, signal);
      this.#showErrors([]);
      this.#find("preview").replaceChildren(...renderQuote(quote));
    } catch (error) {
      if (signal.aborted) return;
      this.#showError(error, this.#find("preview"));
    }
    this.#find("preview").classList.remove("stale");
  }

  async #loadPrices(form, signal) {
    if (!needsPrices(form)) return;
    for (const pair of form.pairs.filter((each) => !(each in this.#prices))) {
      const [tokenIn, tokenOut] = splitPair(pair);
      const quote = await this.#client.getQuotes({ tokenIn, tokenOut, amount: "1" }, signal);
      this.#prices[pair] = quote.quotes.find(({ dex }) => dex === quote.dex).price;
    }
  }

  /** Show an error's reasons beside their fields, and those without a field in the target. */
  #showError(error, target) {
    if (error instanceof UnreachableError) {
      target.replaceChildren(error.message);
      return;
    }
    if (!(error instanceof ProblemError)) throw error;
    const otherReasons = this.#showErrors(error.errors);
    const reasons = error.errors.length > 0 ? otherReasons : [error.message];
    target.replaceChildren(reasons.join("; "));
  }

  /** Mark exactly these fields as invalid; returns the reasons that belong to no input. */
  #showErrors(errors) {
    const otherReasons = [];
    const reasonsByInput = new Map();
    for (const { field, reason } of errors) {
      const name = FIELD_INPUTS[field];
      if (name === undefined) otherReasons.push(`${field} ${reason}`.trim());
      else reasonsByInput.set(name, [...(reasonsByInput.get(name) ?? []), reason]);
    }
    for (const name of new Set(Object.values(FIELD_INPUTS))) {
      const reasons = reasonsByInput.get(name) ?? [];
      const input = this.#form.elements[name === "pairs" ? "others" : name];
      this.#find(`error-${name}`).textContent = reasons.join("; ");
      if (reasons.length > 0) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    return otherReasons;
  }

  // Placing

  async #submit() {
    const outcome = this.#find("outcome");
    outcome.replaceChildren();
    this.#isSending = true;
    this.setBlocked(this.#blockedReason);
    try {
      const form = this.#readForm();
      await this.#loadPrices(form);
      const orders = [...generateOrders(form, this.#prices)];
      if (orders.length === 1) await this.#placeOne(orders[0], outcome);
      else await this.#placeMany(orders, Number(form.pace), outcome);
    } catch (error) {
      this.#showError(error, outcome);
    } finally {
      this.#isSending = false;
      this.setBlocked(this.#blockedReason);
      this.#update();
    }
  }

  async #placeOne(order, outcome) {
    const send = (key) => this.#client.placeOrder(order, key);
    const { orderId } = await this.#sendWithRetries(send, outcome);
    this.#showErrors([]);
    const link = createElement("a", { href: `?order=${orderId}` }, orderId.slice(-8));
    outcome.replaceChildren("Accepted: order ", link);
    this.dispatchEvent(new CustomEvent("placed", { detail: orderId }));
  }

  async #placeMany(orders, pace, outcome) {
    const size = Math.min(pace || BATCH_ORDERS_MAX, BATCH_ORDERS_MAX);
    const result = { accepted: 0, batchIds: [], problems: [] };
    for (let start = 0; start < orders.length; start += size) {
      if (start > 0 && pace > 0) await sleep(1_000);
      const chunk = orders.slice(start, start + size);
      await this.#placeBatch(chunk, result, outcome);
      const placed = formatCount(start + chunk.length);
      this.#find("place").textContent = `Placed ${placed} of ${formatCount(orders.length)}`;
    }
    const [first] = result.problems;
    this.#showErrors(first?.errors ?? []);
    const texts = [`${formatCount(result.accepted)} accepted`];
    if (first) texts.push(`, ${formatCount(result.problems.length)} refused: ${first.detail}`);
    outcome.replaceChildren(...texts);
    if (result.batchIds.length > 0) {
      const query = new URLSearchParams(result.batchIds.map((id) => ["batch", id]));
      outcome.append(". ", createElement("a", { href: `?${query}` }, "Show only these"));
    }
  }

  async #placeBatch(chunk, result, outcome) {
    let response;
    try {
      response = await this.#sendWithRetries((key) => this.#client.placeBatch(chunk, key), outcome);
    } catch (error) {
      if (!error.orders) throw error;
      response = { accepted: 0, batchId: null, orders: error.orders };
    }
    result.accepted += response.accepted;
    if (response.batchId) result.batchIds.push(response.batchId);
    result.problems.push(...response.orders.map(({ problem }) => problem).filter(Boolean));
  }

  /** Send a request, with retries of temporary failures; one idempotency key makes them safe. */
  async #sendWithRetries(send, outcome) {
    const key = newIdempotencyKey();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send(key);
      } catch (error) {
        const isTemporary = error instanceof UnreachableError || error.isTemporary;
        if (!isTemporary || attempt === ATTEMPTS_MAX) throw error;
        const waitMs = Math.max(error.retryAfterMs || 0, attempt * 500);
        outcome.replaceChildren(`${error.message}; trying again in ${(waitMs / 1_000).toFixed(1)} s`);
        await sleep(waitMs);
      }
    }
  }
}

function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function toUnavailable({ dex, refused }) {
  return { dex, ...refused };
}

function renderQuote(quote) {
  const token = tokenLabel(quote.tokenOut);
  const best = quote.quotes.find(({ dex }) => dex === quote.dex);
  const refused = quote.quotes.filter((each) => each.refused !== undefined);
  const offers = quote.quotes.filter((each) => each.refused === undefined);
  const items = offers.map((each) => {
    const isBest = each === best;
    const bps = isBest ? "" : ` (${formatSigned(differenceBps(each.amountOut, best.amountOut))} bps)`;
    const amountOut = `${formatShort(each.amountOut, 8)} ${token}`;
    const text = `${isBest ? "▸ " : ""}${each.dex}: ${amountOut}${bps}`;
    return createElement("li", isBest ? { class: "best" } : {}, text);
  });
  for (const { dex, reason } of [...refused.map(toUnavailable), ...(quote.unavailable ?? [])]) {
    items.push(createElement("li", {}, `${dex}: ${reason}`));
  }
  const amountIn = `${formatShort(quote.amountIn, 8)} ${tokenLabel(quote.tokenIn)}`;
  const minimum = `At least ${formatShort(quote.minAmountOut, 8)} ${token} for ${amountIn}`;
  return [createElement("ul", {}, ...items), createElement("p", {}, minimum)];
}

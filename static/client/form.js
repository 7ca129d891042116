/**
 * The form: its fields become orders, and what the API says about them stands beside the fields.
 *
 * While somebody types, the first order is quoted: that shows what it would get, and the API's
 * objections before anything is placed.
 */

import { newKey, Refused, Unreachable } from "./api.js";
import { bpsAbove, short } from "./decimal.js";
import { count, counted, element, signed } from "./format.js";
import { symbol } from "./order.js";
import { needsPrices, orders, tokensOf } from "./plan.js";
import { Presets } from "./presets.js";

const BATCH_ORDERS_MAX = 1_000;
const QUOTE_AFTER_MS = 350;
const TRIES_MAX = 8;
/** Where the API's names of fields are in the form. */
const PLACES = {
  tokenIn: "pairs",
  tokenOut: "pairs",
  amount: "low",
  amountIn: "low",
  slippageBps: "slippage",
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
  #timer;
  #quoting = new AbortController();
  #isSending = false;
  #blocked = "";

  constructor(form, client) {
    super();
    this.#form = form;
    this.#client = client;
    const preset = form.elements.preset;
    preset.addEventListener("change", () => this.#choosePreset(preset.value));
    this.#part("preset-save").addEventListener("click", () => this.#savePreset());
    this.#part("preset-forget").addEventListener("click", () => this.#forgetPreset());
    form.addEventListener("input", (event) => {
      if (event.target !== preset) this.#changed();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#listPresets();
    this.#choosePreset(preset.value);
  }

  /** Put values into the fields; those that are not given stay. */
  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      if (name === "pairs") this.#choosePairs(value);
      else this.#form.elements[name].value = value;
    }
    this.#changed();
  }

  /** Let orders be placed, or say why that is not possible. */
  allow(reason) {
    this.#blocked = reason;
    this.#part("place").disabled = reason !== "" || this.#isSending;
    this.#part("blocked").textContent = reason;
  }

  #part(name) {
    return this.#form.querySelector(`#${name}`);
  }

  // Presets

  #listPresets() {
    const options = (names) => names.map((name) => element("option", {}, name));
    const { given, saved } = this.#presets;
    const own = saved.length > 0 ? [element("optgroup", { label: "Saved" }, ...options(saved))] : [];
    this.#part("preset").replaceChildren(...options(given), ...own);
  }

  #choosePreset(name) {
    this.#form.elements.preset.value = name;
    this.#part("preset-forget").hidden = !this.#presets.saved.includes(name);
    this.fill(this.#presets.get(name));
  }

  #savePreset() {
    const { name, isKept } = this.#presets.save(this.#read());
    this.#listPresets();
    this.#choosePreset(name);
    const until = isKept ? "" : " until this page is closed: this browser keeps nothing";
    this.#part("outcome").replaceChildren(`Saved as “${name}”${until}.`);
  }

  #forgetPreset() {
    this.#presets.forget(this.#part("preset").value);
    this.#listPresets();
    this.#part("preset-forget").hidden = true;
    this.#part("preset").focus();
  }

  #choosePairs(pairs) {
    const boxes = [...this.#form.elements.pair];
    for (const box of boxes) box.checked = pairs.includes(box.value);
    const known = boxes.map((box) => box.value);
    this.#form.elements.others.value = pairs.filter((pair) => !known.includes(pair)).join(" ");
  }

  #read() {
    const data = new FormData(this.#form);
    const values = Object.fromEntries(data);
    const others = values.others.split(/\s+/).filter(Boolean);
    if (values.count === "1") values.high = values.low;
    return { ...values, pairs: [...data.getAll("pair"), ...others] };
  }

  #changed() {
    const { elements } = this.#form;
    const total = Number(elements.count.value);
    const isMany = total > 1;
    for (const part of this.#form.querySelectorAll(".many")) part.hidden = !isMany;
    this.#part("limit-field").hidden = elements.type.value !== "limit";
    this.#part("low-label").textContent = isMany ? "Amount from" : "Amount";
    this.#part("slippage-percent").textContent = `= ${Number(elements.slippage.value) / 100} %`;
    if (!this.#isSending) this.#part("place").textContent = `Place ${counted(total, "order")}`;
    this.#part("preview").classList.add("stale");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#preview(), QUOTE_AFTER_MS);
  }

  // What the API says before anything is placed

  async #preview() {
    this.#quoting.abort();
    const { signal } = (this.#quoting = new AbortController());
    try {
      const form = this.#read();
      await this.#learnPrices(form, signal);
      const [terms] = orders({ ...form, count: "1" }, this.#prices);
      const quote = await this.#client.quote(terms, signal);
      this.#showErrors([]);
      this.#part("preview").replaceChildren(...quoteInWords(quote));
    } catch (error) {
      if (signal.aborted) return;
      this.#explain(error, this.#part("preview"));
    }
    this.#part("preview").classList.remove("stale");
  }

  async #learnPrices(form, signal) {
    if (!needsPrices(form)) return;
    for (const pair of form.pairs.filter((each) => !(each in this.#prices))) {
      const [tokenIn, tokenOut] = tokensOf(pair);
      const quote = await this.#client.quote({ tokenIn, tokenOut, amount: "1" }, signal);
      this.#prices[pair] = quote.quotes.find(({ dex }) => dex === quote.dex).price;
    }
  }

  /** What went wrong, beside its fields, and in words where it belongs to none. */
  #explain(error, place) {
    if (error instanceof Unreachable) {
      place.replaceChildren(error.message);
      return;
    }
    if (!(error instanceof Refused)) throw error;
    const rest = this.#showErrors(error.errors);
    const words = error.errors.length > 0 ? rest : [error.message];
    place.replaceChildren(words.join("; "));
  }

  /** Show bad fields, and none but these; what belongs to no field is returned. */
  #showErrors(errors) {
    const rest = [];
    const byPlace = new Map();
    for (const { field, reason } of errors) {
      const place = PLACES[field];
      if (place === undefined) rest.push(`${field} ${reason}`.trim());
      else byPlace.set(place, [...(byPlace.get(place) ?? []), reason]);
    }
    for (const place of new Set(Object.values(PLACES))) {
      const words = byPlace.get(place) ?? [];
      const input = this.#form.elements[place === "pairs" ? "others" : place];
      this.#part(`error-${place}`).textContent = words.join("; ");
      if (words.length > 0) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    return rest;
  }

  // Placing

  async #submit() {
    const outcome = this.#part("outcome");
    outcome.replaceChildren();
    this.#isSending = true;
    this.allow(this.#blocked);
    try {
      const form = this.#read();
      await this.#learnPrices(form);
      const made = [...orders(form, this.#prices)];
      if (made.length === 1) await this.#placeOne(made[0], outcome);
      else await this.#placeMany(made, Number(form.pace), outcome);
    } catch (error) {
      this.#explain(error, outcome);
    } finally {
      this.#isSending = false;
      this.allow(this.#blocked);
      this.#changed();
    }
  }

  async #placeOne(order, outcome) {
    const { orderId } = await this.#persist((key) => this.#client.place(order, key), outcome);
    this.#showErrors([]);
    const link = element("a", { href: `?order=${orderId}` }, orderId.slice(-8));
    outcome.replaceChildren("Accepted: order ", link);
    this.dispatchEvent(new CustomEvent("placed", { detail: orderId }));
  }

  async #placeMany(made, pace, outcome) {
    const size = Math.min(pace || BATCH_ORDERS_MAX, BATCH_ORDERS_MAX);
    const result = { accepted: 0, batchIds: [], problems: [] };
    for (let at = 0; at < made.length; at += size) {
      if (at > 0 && pace > 0) await wait(1_000);
      const part = made.slice(at, at + size);
      await this.#placeBatch(part, result, outcome);
      this.#part("place").textContent = `Placed ${count(at + part.length)} of ${count(made.length)}`;
    }
    const [first] = result.problems;
    this.#showErrors(first?.errors ?? []);
    const words = [`${count(result.accepted)} accepted`];
    if (first) words.push(`, ${count(result.problems.length)} refused: ${first.detail}`);
    outcome.replaceChildren(...words);
    if (result.batchIds.length > 0) {
      const query = new URLSearchParams(result.batchIds.map((id) => ["batch", id]));
      outcome.append(". ", element("a", { href: `?${query}` }, "Show only these"));
    }
  }

  async #placeBatch(part, result, outcome) {
    let answer;
    try {
      answer = await this.#persist((key) => this.#client.placeAll(part, key), outcome);
    } catch (error) {
      if (!error.orders) throw error;
      answer = { accepted: 0, batchId: null, orders: error.orders };
    }
    result.accepted += answer.accepted;
    if (answer.batchId) result.batchIds.push(answer.batchId);
    result.problems.push(...answer.orders.map(({ problem }) => problem).filter(Boolean));
  }

  /** Ask until it is answered; the same key makes that safe. */
  async #persist(call, outcome) {
    const key = newKey();
    for (let tries = 1; ; tries += 1) {
      try {
        return await call(key);
      } catch (error) {
        const isTemporary = error instanceof Unreachable || error.isTemporary;
        if (!isTemporary || tries === TRIES_MAX) throw error;
        const waitMs = Math.max(error.retryAfterMs || 0, tries * 500);
        outcome.replaceChildren(`${error.message}; trying again in ${(waitMs / 1_000).toFixed(1)} s`);
        await wait(waitMs);
      }
    }
  }
}

function wait(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function quoteInWords(quote) {
  const token = symbol(quote.tokenOut);
  const best = quote.quotes.find(({ dex }) => dex === quote.dex);
  const lines = quote.quotes.map((each) => {
    const isBest = each === best;
    const behind = isBest ? "" : ` (${signed(bpsAbove(each.amountOut, best.amountOut))} bps)`;
    const words = `${isBest ? "▸ " : ""}${each.dex}: ${short(each.amountOut, 8)} ${token}${behind}`;
    return element("li", isBest ? { class: "best" } : {}, words);
  });
  for (const { dex, reason } of quote.unavailable ?? []) {
    lines.push(element("li", {}, `${dex}: ${reason}`));
  }
  const sold = `${short(quote.amountIn, 8)} ${symbol(quote.tokenIn)}`;
  const least = `At least ${short(quote.minAmountOut, 8)} ${token} for ${sold}`;
  return [element("ul", {}, ...lines), element("p", {}, least)];
}

/**
 * The order form: places the orders that its fields describe, and shows the API's errors beside
 * the fields.
 *
 * While the user types, a quote for the first order is requested: it previews the result, and the
 * API's errors, before anything is placed.
 */

import { ProblemError, UnreachableError } from "../connection/api.js";
import { PriceCache } from "../connection/prices.js";
import { placeInBatches } from "../connection/order_placer.js";
import { sendWithRetries } from "../connection/retries.js";
import { listInputs } from "../model/plan/condition_plan.js";
import { compare, isDecimal } from "../model/decimal.js";
import { describeExitSides, nameLeg } from "../model/plan/group_plan.js";
import { countOrders, generateOrders, takePart } from "../model/plan/order_plan.js";
import { ASK_ABOVE, findValue, sumAmounts } from "../model/order_value.js";
import { loadLastForm, saveLastForm } from "../model/presets.js";
import { describeShares, takesShare } from "../model/shares.js";
import { readStored, writeStored } from "../model/storage.js";
import { FieldErrors } from "./field_errors.js";
import { createElement, formatCount, formatCounted } from "./format.js";
import { PresetPicker } from "./preset_picker.js";
import {
  describeQuestion, describeSlippage, describeSums, formatDollars, renderQuote, renderSense,
} from "./quote_summary.js";

const QUOTE_DELAY_MS = 350;
const ANSWER_DELAY_MS = 400;
const PAIR_INPUTS = ["pair", "others", "mint", "payWith"];
const PRICE_INPUTS = ["limit", "trigger", "activation", "profit", "loss", "minimum"];
const ASK_ABOVE_KEY = "order-engine-ask-above";

export class OrderForm extends EventTarget {
  #form;
  #client;
  #errors;
  #prices;
  #quoteTimer;
  #quoteAbort = new AbortController();
  #isSending = false;
  /** Whether the user was asked whether to place what the form says now. */
  #isAsked = false;
  #askedAtMs = 0;
  #blockedReason = "";

  constructor(form, client) {
    super();
    this.#form = form;
    this.#client = client;
    this.#errors = new FieldErrors(form);
    this.#prices = new PriceCache(client);
    const presets = new PresetPicker(form, {
      readForm: () => this.#readForm(),
      fillForm: (values) => this.fill(values),
      tell: (text) => this.#find("outcome").replaceChildren(text),
    });
    const askAbove = this.#find("ask-above");
    askAbove.value = readStored("localStorage", ASK_ABOVE_KEY) ?? ASK_ABOVE;
    askAbove.addEventListener("change", () =>
      writeStored("localStorage", ASK_ABOVE_KEY, askAbove.value),
    );
    form.addEventListener("input", ({ target }) => {
      if (target === presets.select) return;
      if (PAIR_INPUTS.includes(target.name)) this.#emptyPrices();
      this.#errors.forget(target.name);
      this.#onChange();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    presets.choose(presets.select.value);
  }

  /** Set some fields; the others keep their values. */
  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      if (name === "pairs") this.#choosePairs(value);
      else this.#form.elements[name].value = value;
    }
    this.#errors.forget();
    this.#onChange();
  }

  /** Fill the form with what was placed last by this browser; returns whether there is such. */
  repeatLast() {
    const last = loadLastForm();
    if (last === null) this.#find("outcome").replaceChildren("Nothing was placed from this browser yet.");
    else this.fill(last);
    return last !== null;
  }

  /** Disable placing and show the reason; an empty reason enables it. */
  setBlocked(reason) {
    const isAgain = this.#blockedReason !== "" && reason === "";
    this.#blockedReason = reason;
    if (isAgain) this.#update(); // what was said of a quote may be that no key was given
    this.#find("place").disabled = reason !== "" || this.#isSending;
    this.#find("blocked").textContent = reason;
  }

  #find(name) {
    return this.#form.querySelector(`#${name}`);
  }

  /** Prices are those of a pair: of another one they would say something else. */
  #emptyPrices() {
    for (const name of PRICE_INPUTS) {
      this.#form.elements[name].value = "";
      this.#errors.forget(name);
    }
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

  /** Forget what was said and asked of other values. */
  #onChange() {
    this.#isAsked = false;
    this.#quoteAbort.abort();
    this.#find("question").replaceChildren();
    this.#find("sum").replaceChildren();
    this.#find("preview").replaceChildren();
    this.#update();
  }

  #update() {
    const { elements } = this.#form;
    const isMany = Number(elements.count.value) > 1;
    for (const node of this.#form.querySelectorAll(".many")) node.hidden = !isMany;
    this.#showInputs();
    this.#find("low-label").textContent = isMany ? "Amount from" : "Amount";
    this.#find("slippage-percent").textContent = describeSlippage(elements.slippage.value);
    if (!this.#isSending && !this.#isAsked) {
      const count = countOrders({ count: elements.count.value, type: elements.type.value });
      this.#find("place").textContent = `Place ${formatCounted(count, "order")}`;
    }
    clearTimeout(this.#quoteTimer);
    this.#quoteTimer = setTimeout(() => this.#preview(), QUOTE_DELAY_MS);
  }

  /** Show the inputs that the chosen type and time in force have. */
  #showInputs() {
    const inputs = listInputs(this.#readForm());
    for (const node of this.#form.querySelectorAll("[data-input]")) {
      node.hidden = !inputs.includes(node.dataset.input);
    }
    const { hint, profit, loss } = describeExitSides(this.#readForm());
    const hasShare = takesShare(this.#form.elements.type.value);
    this.#form.elements.low.inputMode = hasShare ? "text" : "decimal";
    this.#form.elements.low.placeholder = hasShare ? "or all, 50%" : "";
    this.#find("exits-hint").textContent = inputs.includes("profit") ? hint : "";
    this.#form.elements.profit.placeholder = profit;
    this.#form.elements.loss.placeholder = loss;
  }

  // Preview

  async #preview() {
    this.#quoteAbort.abort();
    const { signal } = (this.#quoteAbort = new AbortController());
    try {
      const form = this.#readForm();
      await this.#prices.loadForAmounts(form, signal);
      const orders = [...generateOrders({ ...form, count: "1" }, this.#prices.byPair)];
      this.#find("preview").replaceChildren(...(await this.#renderPreview(orders, signal)));
      await this.#showSum(form, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#find("preview").replaceChildren(this.#describeError(error, "quote"));
    }
  }

  /** What the first order would get now, and whether it would wait. */
  async #renderPreview(orders, signal) {
    const [terms] = orders;
    if (terms.type === "sniper") return ["Waits for a pool of this token that passes its guards."];
    const quoted = takePart(terms);
    const quote = await this.#client.getQuotes(quoted, signal);
    this.#errors.show("quote", []);
    const senses = orders.flatMap((each) => renderSense({ ...each, amount: quoted.amount }, quote));
    const [share] = describeShares(orders);
    const note = share && `Sells ${share} that is free when it triggers. One of it:`;
    return [note, ...renderQuote(quote), ...senses].filter(Boolean);
  }

  /** Show beside the button what the orders of the form sell together. */
  async #showSum(form, signal) {
    const orders = [...generateOrders(form, this.#prices.byPair)];
    const sums = sumAmounts(orders);
    await this.#prices.loadForValue(sums, signal);
    const texts = [describeSums(sums, this.#prices.byPair), ...describeShares(orders)];
    this.#find("sum").replaceChildren(`Sells ${texts.filter(Boolean).join(" + ")}`);
  }

  /** Show an error's reasons beside their fields; returns a sentence with all others. */
  #describeError(error, source) {
    if (error instanceof UnreachableError) return error.message;
    if (!(error instanceof ProblemError)) throw error;
    const others = this.#errors.show(source, error.errors);
    return (error.errors.length > 0 ? others : [error.message]).join("; ");
  }

  // Placing

  async #submit() {
    // The second click of a double click answers nothing.
    if (this.#isAsked && performance.now() - this.#askedAtMs < ANSWER_DELAY_MS) return;
    const outcome = this.#find("outcome");
    outcome.replaceChildren();
    this.#isSending = true;
    this.setBlocked(this.#blockedReason);
    try {
      const form = this.#readForm();
      await this.#prices.loadForAmounts(form);
      const orders = [...generateOrders(form, this.#prices.byPair)];
      if (await this.#mustAsk(orders, form)) return;
      if (orders.length === 1) await this.#placeOne(orders[0], outcome);
      else await this.#placeMany(orders, Number(form.pace), outcome);
      saveLastForm(form);
      this.#isAsked = false;
      this.#find("question").replaceChildren();
    } catch (error) {
      this.#describeError(error, "try");
      outcome.replaceChildren(`Not placed: ${error.message}`);
    } finally {
      this.#isSending = false;
      this.setBlocked(this.#blockedReason);
      this.#update();
    }
  }

  /**
   * Ask once whether to place orders that sell more than the user's setting, or a share of the
   * wallet: its value is not known before they trigger.
   */
  async #mustAsk(orders, form) {
    if (this.#isAsked) return false;
    const sums = sumAmounts(orders);
    await this.#prices.loadForValue(sums);
    if (JSON.stringify(this.#readForm()) !== JSON.stringify(form)) {
      this.#find("question").replaceChildren("The form has changed: nothing was placed.");
      return true;
    }
    const value = findValue(sums, this.#prices.byPair);
    const limit = this.#find("ask-above").value;
    // The API refuses a share of any other type.
    const shares = describeShares(orders.filter(({ type }) => takesShare(type)));
    const isBelow = isDecimal(limit)
      ? shares.length === 0 && (value === null || compare(value, limit) <= 0)
      : limit === "";
    if (isBelow) return false;
    const count = formatCounted(orders.length, "order");
    const worth = value === null && shares.length > 0 ? [] : [formatDollars(value ?? "0")];
    this.#isAsked = true;
    this.#askedAtMs = performance.now();
    this.#find("place").textContent = `Place ${count}: ${[...worth, ...shares].join(" + ")}`;
    const text = describeQuestion(orders.length, sums, shares, this.#prices.byPair);
    this.#find("question").replaceChildren(text);
    return true;
  }

  async #placeOne(order, outcome) {
    const send = (key) => this.#client.placeOrder(order, key);
    const { orderId } = await sendWithRetries(send, (text) => outcome.replaceChildren(text));
    this.#errors.show("try", []);
    const link = createElement("a", { href: `?order=${orderId}` }, orderId.slice(-8));
    outcome.replaceChildren("Accepted: order ", link);
    this.dispatchEvent(new CustomEvent("placed", { detail: orderId }));
  }

  async #placeMany(orders, pace, outcome) {
    const { accepted, batchIds, refused } = await placeInBatches(this.#client, orders, pace, {
      onWait: (text) => outcome.replaceChildren(text),
      onProgress: (sent) => {
        this.#find("place").textContent = `Placed ${formatCount(sent)} of ${formatCount(orders.length)}`;
      },
    });
    const problems = refused.map(({ order, problem }) => nameLeg(problem, order));
    const [first] = problems;
    // Both orders of an OCO are refused, and only one of them says why.
    const shown = orders[0].ocoGroup === undefined ? 1 : 2;
    this.#errors.show("try", problems.slice(0, shown).flatMap(({ errors }) => errors ?? []));
    const texts = [`${formatCount(accepted)} accepted`];
    if (first) texts.push(`, ${formatCount(problems.length)} refused: ${first.detail}`);
    outcome.replaceChildren(...texts);
    if (batchIds.length > 0) {
      const query = new URLSearchParams(batchIds.map((id) => ["batch", id]));
      outcome.append(". ", createElement("a", { href: `?${query}` }, "Show only these"));
    }
  }
}

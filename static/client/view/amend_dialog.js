/**
 * The dialog that changes an order that waits: its fields as they are, sent with the step that was
 * seen. What another has changed meanwhile is shown, and asked again.
 */

import { ProblemError, UnreachableError } from "../connection/api.js";
import {
  buildAmendedTerms, buildAmendForm, buildChanges, listAmendFields,
} from "../model/plan/amendment.js";
import { describeSold, isShare } from "../model/shares.js";
import { FieldErrors } from "./field_errors.js";
import { createElement, setText } from "./format.js";
import { renderSense } from "./quote_summary.js";

const SENSE_DELAY_MS = 350;
const ANSWER_DELAY_MS = 400;
const PREFIX = "amend-error-";
const LABELS = {
  trigger: "Trigger", then: "Then", limit: "Limit", trail: "Trail, %", activation: "From",
  priceOf: "Price of", confirmations: "Confirmed by", low: "Amount", slippage: "Slippage, bps",
  impact: "Impact, bps", minimum: "Minimum out", until: "Until",
};
const OPTIONS = {
  then: { limit: "limit", market: "market" },
  priceOf: { base: "the pair's first token", quote: "the pair's second token" },
};
const PLACEHOLDERS = {
  until: "empty: until filled", impact: "empty: the server's cap", activation: "now, or a price",
  confirmations: "the server's number",
};

export class AmendDialog {
  #dialog;
  #form;
  #client;
  #store;
  #errors = null;
  #order = null;
  #before = {};
  #allowsImmediate = false;
  #askedAtMs = 0;
  #timer;
  #quoteAbort = new AbortController();
  #blockedReason = "";

  constructor(dialog, client, store) {
    this.#dialog = dialog;
    this.#client = client;
    this.#store = store;
    this.#form = dialog.querySelector("form");
    this.#find("close").addEventListener("click", () => dialog.close());
    this.#form.addEventListener("input", ({ target }) => {
      this.#errors.forget(target.name);
      this.#onChange();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    dialog.addEventListener("close", () => this.#stopQuotes());
  }

  /** Nothing can be sent now, for a reason; an empty reason ends that. */
  setBlocked(reason) {
    this.#blockedReason = reason;
    this.#find("send").disabled = reason !== "";
  }

  /** Show the fields of an order. */
  open(order) {
    this.#order = order;
    this.#before = buildAmendForm(order);
    const rows = listAmendFields(order).flatMap((name) => buildRow(name, this.#before[name] ?? ""));
    this.#find("fields").replaceChildren(...rows);
    this.#errors = new FieldErrors(this.#form, PREFIX);
    const swap = `${order.pair.side} ${order.pair.name}, ${describeSold(order, order.amountIn)}`;
    setText(this.#find("title"), `Amend ${order.shortId}`);
    setText(this.#find("subject"), `${order.type} ${swap}`);
    this.#dialog.showModal();
    this.#form.querySelector("input")?.focus();
    this.#onChange();
  }

  #find(name) {
    return this.#dialog.querySelector(`#amend-${name}`);
  }

  #readForm() {
    return { ...this.#before, ...Object.fromEntries(new FormData(this.#form)) };
  }

  /** Forget what was said and asked of other values. */
  #onChange() {
    this.#allowsImmediate = false;
    setText(this.#find("outcome"), this.#blockedReason);
    setText(this.#find("send"), "Amend");
    this.#find("sense").replaceChildren();
    this.#stopQuotes();
    this.#timer = setTimeout(() => this.#showSense(), SENSE_DELAY_MS);
  }

  #stopQuotes() {
    clearTimeout(this.#timer);
    this.#quoteAbort.abort();
  }

  async #showSense() {
    const { signal } = (this.#quoteAbort = new AbortController());
    try {
      const amended = buildAmendedTerms(this.#readForm());
      const terms = isShare(amended.amount) ? { ...amended, amount: "1" } : amended;
      const quote = await this.#client.getQuotes(terms, signal);
      this.#find("sense").replaceChildren(...renderSense(terms, quote));
    } catch (error) {
      const isExpected = error instanceof ProblemError || error instanceof UnreachableError;
      if (!signal.aborted && !isExpected) throw error;
    }
  }

  async #send() {
    // The second click of a double click answers nothing.
    if (this.#allowsImmediate && performance.now() - this.#askedAtMs < ANSWER_DELAY_MS) return;
    const order = this.#store.get(this.#order.id) ?? this.#order;
    if (JSON.stringify(buildAmendForm(order)) !== JSON.stringify(this.#before)) {
      this.#showCurrent(order);
      return;
    }
    const changes = buildChanges(this.#readForm(), this.#before);
    if (Object.keys(changes).length === 0) {
      setText(this.#find("outcome"), "Nothing is changed yet.");
      return;
    }
    if (this.#allowsImmediate) changes.allowImmediate = true;
    this.#find("send").disabled = true;
    try {
      this.#store.storePage([await this.#client.amendOrder(order.id, order.seq, changes)]);
      this.#dialog.close();
    } catch (error) {
      this.#showError(error, order);
    } finally {
      this.setBlocked(this.#blockedReason);
    }
  }

  #showError(error, order) {
    const outcome = this.#find("outcome");
    if (error instanceof UnreachableError) {
      setText(outcome, `${error.message}: it may be amended all the same.`);
      return;
    }
    if (!(error instanceof ProblemError)) throw error;
    if (error.order !== null) this.#store.storePage([error.order]);
    if (error.status === 412) {
      this.#showCurrent(this.#store.get(order.id));
    } else if (error.code === "would_be_met") {
      this.#allowsImmediate = true;
      this.#askedAtMs = performance.now();
      setText(outcome, `${error.message}. Press again to amend it all the same.`);
      setText(this.#find("send"), "Amend all the same");
    } else {
      const others = this.#errors.show("try", error.errors);
      setText(outcome, (error.errors.length > 0 ? others : [error.message]).join("; "));
    }
  }

  /** Show the order as it is now, but for the fields that the user has changed. */
  #showCurrent(order) {
    const [values, now] = [this.#readForm(), buildAmendForm(order)];
    for (const input of this.#form.querySelectorAll("input, select")) {
      if (values[input.name] === this.#before[input.name]) input.value = now[input.name];
    }
    this.#before = now;
    const changed = "It has changed meanwhile: this is how it is now, with your changes.";
    const ended = `It is ${order.status}: there is nothing to amend.`;
    setText(this.#find("outcome"), order.hasEnded ? ended : `${changed} Press again to amend it.`);
  }
}

function buildRow(name, value) {
  const id = `amend-${name}`;
  const attributes = { id, name, "aria-describedby": `${PREFIX}${name}`, autocomplete: "off" };
  const label = createElement("label", { for: id }, LABELS[name]);
  const error = createElement("p", { id: `${PREFIX}${name}`, class: "error", role: "alert" });
  let input;
  if (name in OPTIONS) {
    const options = Object.entries(OPTIONS[name]).map(([key, text]) =>
      createElement("option", { value: key }, text),
    );
    input = createElement("select", attributes, ...options);
  } else {
    const inputmode = name === "until" || name === "low" ? "text" : "decimal";
    input = createElement("input", { ...attributes, inputmode, placeholder: PLACEHOLDERS[name] ?? "" });
  }
  input.value = value;
  return [label, input, error];
}

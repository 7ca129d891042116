/**
 * The errors beside the fields of a form, by what reported them: a try to place stays beside its
 * field until that field changes, a quote only until the next quote.
 */

import { GUARD_FIELDS } from "../model/waiting.js";

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
  triggerPrice: "trigger",
  activationPrice: "activation",
  priceOf: "priceOf",
  trailBps: "trail",
  confirmations: "confirmations",
  slices: "slices",
  intervalS: "interval",
  jitterBps: "jitter",
  ...Object.fromEntries(GUARD_FIELDS.map((name) => [name, "guards"])),
  then: "trigger",
  timeInForce: "force",
  expiresAt: "until",
};
/** Inputs without an error text of their own, and the one whose text is about them. */
const INPUT_GROUPS = {
  pair: "pairs", others: "pairs", high: "low", of: "low", side: "pairs", then: "trigger",
  profitThen: "profit", lossTrail: "loss", payWith: "mint",
  ...Object.fromEntries(
    ["liquidity", "age", "authorities", "poolFee", "transferFee", "locked", "looks", "dexes"].map(
      (name) => [name, "guards"],
    ),
  ),
};
const NAMES = [...new Set([...Object.values(FIELD_INPUTS), "profit", "loss", "mint"])];

export class FieldErrors {
  #form;
  #prefix;
  #names;
  /** The reasons by input, of the last try and of the last quote. */
  #reasons = { try: new Map(), quote: new Map() };

  /** `prefix`: of the ids of the texts. The form need not have all inputs. */
  constructor(form, prefix = "error-") {
    this.#form = form;
    this.#prefix = prefix;
    this.#names = NAMES.filter((name) => form.querySelector(`#${prefix}${name}`) !== null);
  }

  /** Show the errors of a `source`, `try` or `quote`; returns the reasons that have no input. */
  show(source, errors) {
    const others = [];
    const byInput = new Map();
    for (const { field, reason } of errors) {
      const name = this.#findInput(field);
      if (name === undefined) others.push(`${field} ${reason}`.trim());
      else byInput.set(name, [...(byInput.get(name) ?? []), reason]);
    }
    this.#reasons[source] = byInput;
    this.#paint();
    return others;
  }

  /** Forget what was said of an input: it has changed. Without a name, of all of them. */
  forget(input) {
    const names = input === undefined ? this.#names : [INPUT_GROUPS[input] ?? input];
    for (const name of names) {
      this.#reasons.try.delete(name);
      this.#reasons.quote.delete(name);
    }
    this.#paint();
  }

  /** The input of a field of the API, if the form shows it. */
  #findInput(field) {
    const leg = /^bracket\.?(takeProfit|stop)?/.exec(field);
    const isSniper = this.#form.elements.type?.value === "sniper";
    let name = FIELD_INPUTS[field];
    if (leg !== null) name = leg[1] === "stop" ? "loss" : "profit";
    else if (name === "pairs" && isSniper) name = "mint";
    return this.#names.includes(name) ? name : undefined;
  }

  #paint() {
    for (const name of this.#names) {
      const { try: tried, quote } = this.#reasons;
      const reasons = new Set([...(tried.get(name) ?? []), ...(quote.get(name) ?? [])]);
      const input = this.#form.elements[{ pairs: "others", guards: "liquidity" }[name] ?? name];
      this.#form.querySelector(`#${this.#prefix}${name}`).textContent = [...reasons].join("; ");
      if (reasons.size > 0) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
}

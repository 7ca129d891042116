/**
 * The errors beside the fields of a form, by what reported them: a try to place stays beside its
 * field until that field changes, a quote only until the next quote.
 */

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
  then: "trigger",
  timeInForce: "force",
  expiresAt: "until",
};
/** Inputs without an error text of their own, and the one whose text is about them. */
const INPUT_GROUPS = { pair: "pairs", others: "pairs", high: "low", of: "low", side: "pairs", then: "trigger" };
const NAMES = [...new Set(Object.values(FIELD_INPUTS))];

export class FieldErrors {
  #form;
  /** The reasons by input, of the last try and of the last quote. */
  #reasons = { try: new Map(), quote: new Map() };

  constructor(form) {
    this.#form = form;
  }

  /** Show the errors of a `source`, `try` or `quote`; returns the reasons that have no input. */
  show(source, errors) {
    const others = [];
    const byInput = new Map();
    for (const { field, reason } of errors) {
      const name = FIELD_INPUTS[field];
      if (name === undefined) others.push(`${field} ${reason}`.trim());
      else byInput.set(name, [...(byInput.get(name) ?? []), reason]);
    }
    this.#reasons[source] = byInput;
    this.#paint();
    return others;
  }

  /** Forget what was said of an input: it has changed. Without a name, of all of them. */
  forget(input) {
    const names = input === undefined ? NAMES : [INPUT_GROUPS[input] ?? input];
    for (const name of names) {
      this.#reasons.try.delete(name);
      this.#reasons.quote.delete(name);
    }
    this.#paint();
  }

  #paint() {
    for (const name of NAMES) {
      const { try: tried, quote } = this.#reasons;
      const reasons = new Set([...(tried.get(name) ?? []), ...(quote.get(name) ?? [])]);
      const input = this.#form.elements[name === "pairs" ? "others" : name];
      this.#form.querySelector(`#error-${name}`).textContent = [...reasons].join("; ");
      if (reasons.size > 0) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
}

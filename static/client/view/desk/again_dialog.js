/** The dialog that sends failed orders again, with all terms that they had, as one new batch. */

import { ProblemError, UnreachableError } from "../../connection/api.js";
import { placeInBatches } from "../../connection/order_placer.js";
import { sumAmounts } from "../../model/order_value.js";
import { createElement, formatCount, formatCounted, setText } from "../format.js";
import { describeSums } from "../quote_summary.js";

export class AgainDialog {
  #dialog;
  #client;
  #terms = [];
  #outcome = null;

  constructor(dialog, client) {
    this.#dialog = dialog;
    this.#client = client;
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "again") this.#place();
    });
  }

  /**
   * Ask whether to send what `load` reads: `{ terms, leftOut }`, of which the latter counts what
   * cannot pass, by its reason. `outcome` is the place for what comes of it.
   */
  async ask(load, outcome) {
    this.#outcome = outcome;
    setText(outcome, "Reading the failed orders…");
    try {
      const { terms, leftOut } = await load(this.#client, Date.now());
      setText(outcome, "");
      this.#terms = terms;
      this.#fill(leftOut);
      this.#dialog.returnValue = "";
      this.#dialog.showModal();
      this.#find("no").focus();
    } catch (error) {
      this.#tellError(error);
    }
  }

  #find(name) {
    return this.#dialog.querySelector(`#again-${name}`);
  }

  #fill(leftOut) {
    const hasNone = this.#terms.length === 0;
    const count = formatCounted(this.#terms.length, "order");
    setText(this.#find("title"), hasNone ? "Nothing can pass" : `Send ${count} again?`);
    const sells = `Sells ${describeSums(sumAmounts(this.#terms), {})}, with the terms as they were, as one new batch.`;
    setText(this.#find("subject"), hasNone ? "" : sells);
    const rest = [...leftOut].map(([reason, number]) => createElement("li", {}, `${formatCount(number)} left out: ${reason}`));
    this.#find("rest").replaceChildren(...rest);
    this.#find("yes").hidden = hasNone;
    setText(this.#find("yes"), `Send ${count}`);
  }

  async #place() {
    const outcome = this.#outcome;
    setText(outcome, "Sending…");
    try {
      const onWait = (text) => setText(outcome, text);
      const { accepted, batchIds, refused } = await placeInBatches(this.#client, this.#terms, 0, { onWait });
      const refusals = refused.length === 0 ? "" : `, ${formatCount(refused.length)} refused: ${refused[0].problem.detail}`;
      setText(outcome, `${formatCount(accepted)} accepted${refusals}. `);
      if (batchIds.length > 0) outcome.append(linkToBatches(batchIds, "Show only these"));
    } catch (error) {
      this.#tellError(error);
    }
  }

  #tellError(error) {
    if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
    setText(this.#outcome, `Not sent again: ${error.message}`);
  }
}

/** A link to the orders of some batches. */
export function linkToBatches(ids, text) {
  const query = new URLSearchParams([...ids].map((id) => ["batch", id]));
  return createElement("a", { href: `?${query}` }, text);
}

/** The view of batches: progress, what failed and why, to cancel what is open, to send again. */

import { loadFailed } from "../../connection/desk/failed_orders.js";
import { countEnded, groupBatches } from "../../model/desk/batches.js";
import { explainCode } from "../../model/desk/failure_words.js";
import { canPass } from "../../model/desk/resubmission.js";
import { createElement, formatCount, formatCounted, formatShortDuration, setText } from "../format.js";
import { linkToBatches } from "./again_dialog.js";

const PAINT_INTERVAL_MS = 500;
const BATCHES_MAX = 200;

export class BatchView extends EventTarget {
  #root;
  #store;
  #again;
  #batches = new Map();
  #rows = new Map();
  #paintedAt = 0;
  #version = -1;

  /** `again` is the dialog that sends failed orders again. */
  constructor(root, store, again) {
    super();
    this.#root = root;
    this.#store = store;
    this.#again = again;
    this.#find("rows").addEventListener("click", ({ target }) => {
      const batch = this.#batches.get(target.closest("tr")?.dataset.batch);
      const { action } = target.dataset;
      if (action === "cancel") this.#cancel(batch);
      else if (action === "again") this.#again.ask(loadFailed.bind(null, batch.ids), this.#find("outcome"));
    });
  }

  show() {
    this.#version = -1;
    this.#paintedAt = 0;
  }

  hide() {}

  /** Show what there is by now, twice a second at most. */
  paint(nowMs) {
    const at = performance.now();
    if (at - this.#paintedAt < PAINT_INTERVAL_MS || this.#version === this.#store.version) return;
    this.#paintedAt = at;
    this.#version = this.#store.version;
    const batches = groupBatches(this.#store.oldestFirst, this.#store.isComplete);
    const shown = batches.slice(0, BATCHES_MAX);
    this.#batches = new Map(shown.map((batch) => [batch.id, batch]));
    const rows = shown.map((batch) => this.#renderRow(batch, nowMs));
    const body = this.#find("rows");
    if (rows.some((row, index) => body.rows[index] !== row) || body.rows.length !== rows.length) {
      body.replaceChildren(...rows);
    }
    for (const id of this.#rows.keys()) if (!this.#batches.has(id)) this.#rows.delete(id);
    this.#find("empty").hidden = batches.length > 0;
    const rest = batches.length - shown.length;
    setText(this.#find("rest"), rest > 0 ? `and ${formatCounted(rest, "older batch").replace("batchs", "batches")}` : "");
  }

  #find(name) {
    return this.#root.querySelector(`#batches-${name}`);
  }

  #renderRow(batch, nowMs) {
    let row = this.#rows.get(batch.id);
    if (row === undefined) this.#rows.set(batch.id, (row = createRow(batch)));
    fillRow(row, batch, nowMs);
    return row.tr;
  }

  /** Ask to cancel what is open of a batch: the list of orders does it, with its dialog. */
  #cancel(batch) {
    const orders = this.#store.oldestFirst.filter(({ batchId, hasEnded }) => batch.ids.has(batchId) && !hasEnded);
    if (orders.length === 0) return;
    const detail = { orders, filterText: `batch:${[...batch.ids].join(",")} status:open` };
    this.dispatchEvent(new CustomEvent("cancelAll", { detail }));
  }
}

function createRow({ id, ids }) {
  const link = linkToBatches(ids, id.slice(-8));
  const parts = ["confirmed", "failed", "withdrawn"].map((name) => createElement("span", { class: `part ${name}` }));
  const bar = createElement("span", { class: "progress", "aria-hidden": "true" }, ...parts);
  const [progress, withdrawn] = [0, 1].map(() => createElement("span"));
  const names = ["total", "confirmed", "open", "took"];
  const numbers = Object.fromEntries(names.map((name) => [name, createElement("td", { class: "number" })]));
  const [sent, pairs] = [0, 1].map(() => createElement("td"));
  const reasons = createElement("td", { class: "words" });
  const cancel = createElement("button", { type: "button", "data-action": "cancel" }, "Cancel open");
  const again = createElement("button", { type: "button", "data-action": "again" }, "Send again");
  const tr = createElement(
    "tr",
    { "data-batch": id },
    createElement("th", { scope: "row" }, link),
    sent, pairs, numbers.total,
    createElement("td", {}, createElement("span", { class: "together" }, bar, " ", progress), withdrawn),
    numbers.confirmed, numbers.open, numbers.took, reasons,
    createElement("td", { class: "actions" }, cancel, " ", again),
  );
  return { tr, parts, progress, withdrawn, numbers, sent, pairs, reasons, cancel, again };
}

function fillRow(row, batch, nowMs) {
  const { total, confirmed, failed, withdrawn, waiting, inFlight, sentMs, changedMs, isPartial } = batch;
  const ended = countEnded(batch);
  const [some, open] = [isPartial ? "≥ " : "", waiting + inFlight];
  setText(row.numbers.total, some + formatCount(total));
  setText(row.numbers.confirmed, formatCount(confirmed));
  setText(row.numbers.open, open === waiting ? formatCount(open) : `${formatCount(open)} (${formatCount(inFlight)} in flight)`);
  setText(row.numbers.took, formatShortDuration((open === 0 ? changedMs : nowMs) - sentMs));
  [confirmed, failed, withdrawn].forEach((number, index) => {
    row.parts[index].style.width = `${(100 * number) / total}%`;
  });
  setText(row.progress, `${Math.floor((100 * ended) / total)} %`);
  setText(row.withdrawn, withdrawn === 0 ? "" : `, ${formatCount(withdrawn)} withdrawn`);
  const date = new Date(sentMs);
  const isToday = date.toDateString() === new Date(nowMs).toDateString();
  setText(row.sent, `${isToday ? "" : `${date.toLocaleDateString("en-CA")} `}${date.toLocaleTimeString("en-GB")}`);
  const names = [...batch.pairs.keys()];
  setText(row.pairs, names[0] + (names.length > 1 ? ` +${names.length - 1}` : ""));
  row.pairs.title = names.join(", ");
  const reasons = [...batch.reasons].sort(([, a], [, b]) => b - a);
  const words = reasons.map(([code, count]) => `${code} ${formatCount(count)}`).join(", ");
  row.reasons.title = reasons.map(([code]) => `${code}: ${explainCode(code)}`).join("\n");
  setText(row.reasons, failed === 0 ? "0" : `${formatCount(failed)}: ${words}`);
  row.cancel.hidden = open === 0;
  const passing = reasons.filter(([code]) => canPass(code)).reduce((sum, [, count]) => sum + count, 0);
  row.again.hidden = passing === 0;
  setText(row.again, `Send ${formatCount(passing)} again`);
}

/** The dialog that names what would be cancelled and asks, and the outcome in words. */

import { cancelOrders } from "../connection/order_canceller.js";
import { describeAwaited } from "../model/conditions.js";
import { formatLong } from "../model/decimal.js";
import { STATUS_SYMBOLS, STATUSES } from "../model/order.js";
import { describeSold } from "../model/shares.js";
import { tokenLabel } from "../model/tokens.js";
import { createElement, formatCount, formatCounted, setText } from "./format.js";

const ALL = "none, all orders are shown";
const PAINT_INTERVAL_MS = 250;

export class CancelDialog extends EventTarget {
  #dialog;
  #outcome;
  #client;
  #store;
  #orders = [];
  #filterText = null;
  #running = 0;
  #blockedReason = "";

  /** `outcome` is the element that tells what became of the orders. */
  constructor(dialog, outcome, client, store) {
    super();
    this.#dialog = dialog;
    this.#outcome = outcome;
    this.#client = client;
    this.#store = store;
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "cancel") this.#cancel();
      this.dispatchEvent(new Event("close"));
    });
  }

  /** Ask whether to cancel one order. */
  askOne(order) {
    this.#ask([order], null);
  }

  /**
   * Ask whether to cancel all open orders that are shown, of which `filterText` says which these
   * are; or, if the user has marked `marked` orders, the open ones of these.
   */
  askAll(orders, filterText, marked = 0) {
    this.#ask(orders, filterText, marked);
  }

  /** Nothing can be cancelled now, for a reason; an empty reason ends that. */
  setBlocked(reason) {
    this.#blockedReason = reason;
    this.paint();
  }

  /** Show the orders as they are by now. */
  paint() {
    if (!this.#dialog.open) return;
    const counts = countOpen(this.#orders);
    const isOne = this.#filterText === null;
    this.#find("counts").replaceChildren(...(isOne ? [] : renderCounts(counts)));
    if (isOne) this.#paintOne(this.#orders[0]);
    const ended = this.#orders.length - sum(counts);
    const meanwhile = !isOne && ended > 0 ? ` ${formatCount(ended)} ended meanwhile.` : "";
    const effects = isOne ? describeEffects(this.#orders[0], this.#store) : "";
    setText(this.#find("chances"), describeChances(counts) + meanwhile + effects);
    setText(this.#find("blocked"), this.#blockedReason);
    this.#find("yes").disabled = this.#blockedReason !== "";
  }

  #find(name) {
    return this.#dialog.querySelector(`#cancel-${name}`);
  }

  #ask(orders, filterText, marked = 0) {
    this.#orders = orders;
    this.#filterText = filterText;
    const isOne = filterText === null;
    const count = formatCounted(orders.length, "order");
    const open = formatCounted(orders.length, "open order");
    const all = marked > 0 ? `Cancel ${open} of ${formatCount(marked)} marked?` : `Cancel all ${open} shown?`;
    const which = marked > 0 ? "" : `Filter: ${filterText || ALL}`;
    setText(this.#find("title"), isOne ? "Cancel this order?" : all);
    setText(this.#find("subject"), isOne ? describeOrder(orders[0]) : which);
    setText(this.#find("id"), isOne ? orders[0].id : "");
    setText(this.#find("yes"), isOne ? "Cancel order" : `Cancel ${count}`);
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
    this.#find("no").focus();
    this.paint();
    const timer = setInterval(() => this.paint(), PAINT_INTERVAL_MS);
    this.#dialog.addEventListener("close", () => clearInterval(timer), { once: true });
  }

  #paintOne({ status }) {
    const node = createElement("span", { class: "status" }, `${STATUS_SYMBOLS[status]} ${status}`);
    node.dataset.status = status;
    this.#find("counts").replaceChildren(node);
  }

  async #cancel() {
    const orders = this.#orders;
    const subject =
      orders.length === 1
        ? `Order ${orders[0].shortId}, ${describeOrder(orders[0])}`
        : formatCounted(orders.length, "order");
    this.#running += 1;
    const run = this.#running;
    const tell = (text) => {
      if (run === this.#running) setText(this.#outcome, `${subject}: ${text}`);
    };
    tell("cancelling…");
    const ids = orders.map(({ id }) => id);
    const onProgress = ({ cancelled }) => {
      if (cancelled > 0 && cancelled < ids.length) tell(`cancelled ${formatCount(cancelled)}…`);
    };
    const batchIds = findWholeBatches(orders, this.#store);
    tell(describeOutcome(await cancelOrders(this.#client, ids, batchIds, onProgress)));
  }
}

function sum(counts) {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function countOpen(orders) {
  const counts = {};
  for (const { hasEnded, status } of orders) {
    if (!hasEnded) counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** The batches of which all open orders are meant; no order is added to a batch later. */
function findWholeBatches(orders, store) {
  if (!store.isComplete) return []; // there may be more that are open
  const countByBatch = (all) => {
    const counts = new Map();
    for (const { batchId, hasEnded } of all) {
      if (batchId !== null && !hasEnded) counts.set(batchId, (counts.get(batchId) ?? 0) + 1);
    }
    return counts;
  };
  const open = countByBatch(store.oldestFirst);
  return [...countByBatch(orders)]
    .filter(([batchId, count]) => count > 1 && count === open.get(batchId))
    .map(([batchId]) => batchId);
}

/** `sell SOL/USDC: 2.5 SOL for USDC`. */
function describeOrder(order) {
  const { amountIn, tokenOut, pair, condition, type } = order;
  const swap = `${describeSold(order, formatLong(amountIn))} for ${tokenLabel(tokenOut)}`;
  const waits = order.canWait ? `, ${type}` : "";
  const awaited = condition === null ? waits : `, ${type} ${describeAwaited(order)}`;
  return `${pair.side} ${pair.name}: ${swap}${awaited}`;
}

/** What cancelling an order does to those that belong to it. */
function describeEffects(order, store) {
  const { sibling } = store.findRelatives(order);
  const parts = [
    sibling && !sibling.hasEnded && `The other order of its OCO, ${sibling.shortId} ${sibling.type}, goes on.`,
    order.bracket && "Its take-profit and stop are then never placed.",
    order.slices &&
      `${order.slices.slicesPlaced} of ${order.slices.slices} slices are placed; no other one will be.`,
  ];
  return parts.filter(Boolean).map((part) => ` ${part}`).join("");
}

function renderCounts(counts) {
  return STATUSES.filter((status) => counts[status] > 0).map((status) => {
    const text = `${STATUS_SYMBOLS[status]} ${status} ${formatCount(counts[status])}`;
    const node = createElement("span", { class: "status" }, text);
    node.dataset.status = status;
    return node;
  });
}

function describeChances(counts) {
  const submitted = counts.submitted ?? 0;
  const canCount = sum(counts) - submitted;
  if (canCount + submitted === 0) return "Too late: nothing of it is open any more.";
  if (submitted === 0) return "What is cancelled is never executed.";
  const late = "what is submitted may land, and goes on unless it is tried again";
  return canCount > 0 ? `What is cancelled is never executed; ${late}.` : `Too late: ${late}.`;
}

function describeOutcome(outcome) {
  const { total, cancelled, tooLate, unknown, unanswered, error } = outcome;
  const late = sum(tooLate);
  const rest = total - cancelled - late - unknown - unanswered;
  const parts = total === 1 ? describeSingle(outcome, late) : describeMany(outcome, late, rest);
  return `${[...parts, error].filter(Boolean).join("; ")}.`;
}

function describeSingle({ cancelled, tooLate, mayLandUntil, unknown, unanswered }, late) {
  const [status] = Object.keys(tooLate);
  if (cancelled) return ["cancelled, it will never be executed"];
  if (late) return [`too late, it is ${status}${describeDeadline(status, mayLandUntil)}`];
  if (unknown) return ["the server does not know this order"];
  return [unanswered ? "no answer, it may be cancelled all the same" : "not cancelled"];
}

function describeMany({ cancelled, tooLate, mayLandUntil, unknown, unanswered }, late, rest) {
  const ends = STATUSES.filter((status) => tooLate[status]).map(
    (status) => `${formatCount(tooLate[status])} ${status}${describeDeadline(status, mayLandUntil)}`,
  );
  return [
    cancelled && `cancelled ${formatCount(cancelled)}, they will never be executed`,
    late && `too late for ${formatCount(late)}: ${ends.join(", ")}`,
    unknown && `${formatCount(unknown)} are not known to the server`,
    unanswered && `${formatCount(unanswered)} without an answer may be cancelled all the same`,
    rest && `not cancelled ${formatCount(rest)}`,
  ];
}

function describeDeadline(status, mayLandUntil) {
  if (status !== "submitted" || mayLandUntil === 0) return "";
  return `, may land up to block height ${formatCount(mayLandUntil)}`;
}

/**
 * The list of orders and that of open orders: filtered and sorted a few times a second, which is
 * linear in the number of orders, and painted each frame, which is not.
 */

import { canPass } from "./model/desk/resubmission.js";
import { FilterError, parseFilter } from "./model/filter.js";
import { PausedView } from "./model/paused_view.js";
import { canAmend } from "./model/plan/amendment.js";
import { formatCount, formatCounted, setText } from "./view/format.js";
import { COLUMNS, saveCsv, sortOrders } from "./view/table/columns.js";
import { OPEN_COLUMNS } from "./view/table/open_columns.js";
import { OrderTable } from "./view/table/order_table.js";

const VIEW_INTERVAL_MS = 200;

const byId = (id) => document.getElementById(id);

export class OrderList extends EventTarget {
  table = new OrderTable(byId("scroller"), byId("orders"));
  /** Whether only open orders are listed. */
  #isOpenOnly = false;
  #paused = new PausedView();
  #store;
  #feed;
  #summaryBar;
  #countOpen;
  #orders = [];
  #version = -1;
  #updatedAt = 0;
  #updateMs = 0;
  #isStale = true;
  #timer = null;
  #isMatch = parseFilter("");
  #isDisconnected = true;

  /** `countOpen` tells how many orders are open, also of those that are not in memory. */
  constructor({ store, feed, summaryBar, countOpen }) {
    super();
    this.#store = store;
    this.#feed = feed;
    this.#summaryBar = summaryBar;
    this.#countOpen = countOpen;
    this.table.setColumns(COLUMNS);
    this.table.addEventListener("sort", () => this.invalidate());
    this.table.addEventListener("paint", () => this.#emit("news"));
    summaryBar.addEventListener("change", () => this.invalidate());
    byId("to-top").addEventListener("click", () => this.table.scrollToTop());
    byId("pause").addEventListener("click", () => this.#togglePause());
    byId("csv").addEventListener("click", () => this.saveCsv());
    byId("unmark").addEventListener("click", () => this.unmark());
    byId("send-again").addEventListener("click", () => this.sendAgain());
    this.table.addEventListener("marks", () => this.#paintState());
    byId("cancel-shown").addEventListener("click", () => this.cancelShown());
  }

  /** List all orders, or only those that are open. */
  show(isOpenOnly) {
    this.#isOpenOnly = isOpenOnly;
    this.table.setColumns(isOpenOnly ? OPEN_COLUMNS : COLUMNS, isOpenOnly ? canAmend : undefined);
    byId("order-list").dataset.view = isOpenOnly ? "open" : "orders";
    setText(byId("orders-title"), isOpenOnly ? "Open orders" : "Orders");
    this.invalidate();
  }

  /** Nothing can be asked of the server now, or it can again. */
  setDisconnected(isDisconnected) {
    this.#isDisconnected = isDisconnected;
    this.#paintState();
  }

  /** Count events that came while the view is paused. */
  addEvents(count) {
    this.#paused.heldEvents += count;
  }

  /** Show what is there now, and go on from it. */
  endPause() {
    this.#paused.end();
    this.invalidate();
  }

  /** Filter and sort anew with the next frame. */
  invalidate() {
    this.#isStale = true;
    this.#emit("news");
  }

  /** Show the orders that match the text of the filter, or what is wrong with it. */
  applyFilter() {
    try {
      this.#isMatch = parseFilter(byId("filter").value);
      setText(byId("filter-error"), "");
      byId("filter").removeAttribute("aria-invalid");
      this.invalidate();
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      setText(byId("filter-error"), error.message);
      byId("filter").setAttribute("aria-invalid", "true");
    }
  }

  /** Take all marks away. */
  unmark() {
    this.table.marks.clear();
    this.#paintState();
    this.#emit("news");
  }

  /** Save the marked orders, or all that are shown, as a file. */
  saveCsv() {
    saveCsv(this.#hasMarks ? this.#listMarked() : this.#orders);
  }

  /** Ask to send marked orders that have failed again: tells `again` with their ids. */
  sendAgain() {
    const failed = this.#listPassing();
    if (failed.length === 0 || this.#isDisconnected) return;
    this.dispatchEvent(new CustomEvent("again", { detail: failed.map(({ id }) => id) }));
  }

  /**
   * Ask to cancel the open ones of the marked orders, or of all that are shown: tells `cancelAll`
   * with the orders, and a filter.
   */
  cancelShown() {
    const orders = this.#hasMarks ? this.#listMarked().filter(({ hasEnded }) => !hasEnded) : this.#listOpenShown();
    if (orders.length === 0 || this.#isDisconnected) return;
    if (this.#hasMarks) {
      const detail = { orders, filterText: "", marked: this.table.marks.size };
      this.dispatchEvent(new CustomEvent("cancelAll", { detail }));
      return;
    }
    const statuses = [...this.#summaryBar.statuses].join(",");
    const isOpenAsked = statuses === "" && this.#isOpenOnly;
    const words = [
      statuses && `status:${statuses}`, isOpenAsked && "status:open", byId("filter").value.trim(),
    ];
    const detail = { orders, filterText: words.filter(Boolean).join(" ") };
    this.dispatchEvent(new CustomEvent("cancelAll", { detail }));
  }

  /** Update the list if it is due, at `frameAt`, and its visible rows. */
  paint(frameAt, nowMs) {
    // Updates of the view take at most a twentieth of the time, however many orders there are.
    const intervalMs = Math.max(VIEW_INTERVAL_MS, 20 * this.#updateMs);
    if (this.#isStale || frameAt - this.#updatedAt > intervalMs) this.#update(frameAt, nowMs);
    else if (this.#version !== this.#store.version) this.#scheduleUpdate();
    this.table.paint(this.#paused.selectTime(nowMs));
    this.#paintPauseButton();
  }

  #emit(name) {
    this.dispatchEvent(new Event(name));
  }

  #scheduleUpdate() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#emit("news");
    }, VIEW_INTERVAL_MS);
  }

  #update(frameAt, nowMs) {
    if (this.#isStale || (this.#version !== this.#store.version && !this.#paused.isPaused)) {
      const shownMs = this.#paused.selectTime(nowMs);
      const { statuses } = this.#summaryBar;
      const isShown = (order) =>
        !(this.#isOpenOnly && order.hasEnded) &&
        (statuses.size === 0 || statuses.has(order.status)) &&
        this.#isMatch(order, shownMs);
      const { key, isDescending } = this.table.sort;
      this.#orders = this.#known.filter(isShown);
      if (key !== "order") {
        this.#orders = sortOrders(this.#orders, this.table.sortColumn, isDescending, shownMs);
      } else if (isDescending) this.#orders.reverse();
      this.table.setOrders(this.#orders);
      this.#paintState();
    }
    this.#isStale = false;
    this.#version = this.#store.version;
    this.#updatedAt = frameAt;
    this.#updateMs = performance.now() - frameAt;
  }

  get #known() {
    return this.#paused.selectOrders(this.#store.oldestFirst);
  }

  #paintState() {
    setText(byId("shown"), this.#describeShown());
    byId("empty-message").hidden = this.#orders.length > 0;
    const isLoading = this.#feed.state.name === "loading";
    setText(byId("empty-message"), isLoading ? "Loading…" : this.#describeEmpty());
    this.#paintMarks();
    byId("to-top").hidden = this.table.isFollowing || this.table.sort.key !== "order";
  }

  /** What the buttons do, and to how many: to the marked orders, or to all that are shown. */
  #paintMarks() {
    const marked = this.#listMarked();
    const isOpen = ({ hasEnded }) => !hasEnded;
    const openCount = (this.#hasMarks ? marked.filter(isOpen) : this.#listOpenShown()).length;
    const count = openCount === 0 ? "" : ` (${formatCount(openCount)})`;
    setText(byId("cancel-shown"), `Cancel ${this.#hasMarks ? "marked" : "all shown"}${count}`);
    byId("cancel-shown").disabled = openCount === 0 || this.#isDisconnected;
    const passing = this.#listPassing().length;
    byId("send-again").hidden = passing === 0;
    byId("send-again").disabled = this.#isDisconnected;
    setText(byId("send-again"), `Send ${formatCount(passing)} again`);
    byId("unmark").hidden = !this.#hasMarks;
    setText(byId("unmark"), `Unmark ${formatCount(marked.length)}`);
    setText(byId("csv"), this.#hasMarks ? "CSV of marked" : "CSV");
  }

  get #hasMarks() {
    return this.table.marks.size > 0;
  }

  /** The marked orders as they are now, the oldest first. */
  #listMarked() {
    if (!this.#hasMarks) return [];
    const marked = [...this.table.marks].map((id) => this.#store.get(id)).filter(Boolean);
    return marked.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Those of the marked orders that have failed for a reason of the moment. */
  #listPassing() {
    return this.#listMarked().filter(({ status, code }) => status === "failed" && canPass(code));
  }

  #describeShown() {
    const shown = formatCount(this.#orders.length);
    if (this.#isOpenOnly) {
      const open = this.#known.filter(({ hasEnded }) => !hasEnded).length;
      return `${shown} of ${formatCounted(open, "open order")}`;
    }
    const known = this.#known.length;
    const total = formatCount(Math.max(this.#feed.total, known));
    const newest = this.#store.isComplete ? "" : ` (the newest of ${total})`;
    return `${shown} of ${formatCounted(known, "order")}${newest}`;
  }

  #describeEmpty() {
    if (this.#store.size === 0) return "No orders yet. The form places one.";
    const isOther = this.#known.some(({ hasEnded }) => !hasEnded) || (!this.#store.isComplete && this.#countOpen() > 0);
    const isNothingOpen = this.#isOpenOnly && !isOther;
    return isNothingOpen ? "Nothing is open: no order waits or is in flight." : "No order matches.";
  }

  /** The orders that are shown and have not ended by now, also while the view is paused. */
  #listOpenShown() {
    const now = this.#orders.map(({ id }) => this.#store.get(id));
    return now.filter((order) => order && !order.hasEnded);
  }

  #togglePause() {
    if (this.#paused.isPaused) this.#paused.end();
    else this.#paused.begin(this.#store.oldestFirst, this.#feed.serverNow());
    this.invalidate();
  }

  #paintPauseButton() {
    const goOn = `Go on (${formatCount(this.#paused.heldEvents)} held)`;
    setText(byId("pause"), this.#paused.isPaused ? goOn : "Pause");
    byId("pause").classList.toggle("primary", this.#paused.isPaused);
  }
}

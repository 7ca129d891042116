/**
 * The virtual table of orders: any number of orders, of which only the visible ones have rows.
 *
 * A pool of some forty rows is filled anew as the table scrolls; two empty spacer rows have the
 * height of all that is above and below. Texts are compared before they are set, so that a frame
 * touches only what changed.
 */

import { createElement } from "../format.js";
import { createRow, createSpacer, fillRow, markSelected, setHeight, showMark } from "./order_row.js";

const OVERSCAN_ROWS = 6;

export class OrderTable extends EventTarget {
  sort = { key: "order", isDescending: true };
  /** The ids of the orders that the user has marked. */
  marks = new Set();
  #scroller;
  #table;
  #body;
  #above = createSpacer();
  #below = createSpacer();
  #rows = [];
  #orders = [];
  #first = 0;
  #rowPx = 32;
  #headerPx = 32;
  #cursor = null;
  #selected = null;
  #columns = [];
  #canAmend = null;
  #nowMs = 0;

  constructor(scroller, table) {
    super();
    this.#scroller = scroller;
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#body.append(this.#above, this.#below);
    scroller.addEventListener("scroll", () => this.#emit("paint"), { passive: true });
    scroller.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#body.addEventListener("click", (event) => this.#handleClick(event));
    this.#body.addEventListener("focusin", (event) => {
      const row = this.#rows.find(({ tr }) => tr.contains(event.target));
      if (row) this.#cursor = row.order.id;
    });
    new ResizeObserver(() => this.#measureRows()).observe(scroller);
  }

  /** Show these columns, sorted by the first one; `canAmend`: which orders get a button, if any. */
  setColumns(columns, canAmend = null) {
    if (this.#columns === columns) return;
    this.#columns = columns;
    this.#canAmend = canAmend;
    this.sort = { key: "order", isDescending: true };
    for (const { tr } of this.#rows.splice(0)) tr.remove();
    const headerRow = this.#table.tHead.rows[0];
    headerRow.replaceChildren();
    this.#createHeader(headerRow);
    this.#scroller.scrollTop = 0;
  }

  /** The column that the orders are sorted by. */
  get sortColumn() {
    return this.#columns.find(({ key }) => key === this.sort.key);
  }

  /** Whether new rows push the others down: until the user scrolls or focuses a row. */
  get isFollowing() {
    return this.#scroller.scrollTop === 0 && !this.#hasFocus;
  }

  /** Show these orders; unless following, the rows that the user looks at stay in place. */
  setOrders(orders) {
    const anchor = this.isFollowing ? null : this.#findAnchor();
    this.#orders = orders;
    this.#table.setAttribute("aria-rowcount", orders.length + 1);
    if (anchor !== null) {
      const newIndex = orders.findIndex(({ id }) => id === anchor.order.id);
      if (newIndex >= 0 && newIndex !== anchor.index) {
        this.#layOutSpacers();
        this.#scroller.scrollTop += (newIndex - anchor.index) * this.#rowPx;
      }
    }
  }

  /** Update the visible rows. */
  paint(nowMs) {
    this.#nowMs = nowMs;
    const visible = Math.ceil(this.#scroller.clientHeight / this.#rowPx);
    const top = Math.floor(this.#scroller.scrollTop / this.#rowPx) - OVERSCAN_ROWS;
    const size = Math.min(visible + 2 * OVERSCAN_ROWS, this.#orders.length);
    this.#first = Math.max(0, Math.min(top, this.#orders.length - size));
    this.#resizePool(size);
    this.#layOutSpacers();
    const hadFocus = this.#hasFocus;
    const focused = document.activeElement;
    const isOnButton = hadFocus && focused.localName === "button";
    const isOnMark = hadFocus && focused.type === "checkbox";
    const tabStop = this.#findTabStop();
    // The row of the detail stays the cursor's, also while it is out of sight.
    if (hadFocus || this.#cursor !== this.#selected) this.#cursor = tabStop;
    this.#rows.forEach((row, offset) => {
      const index = this.#first + offset;
      fillRow(row, this.#orders[index], index, nowMs);
      if (row.amend) row.amend.hidden = !this.#canAmend(row.order);
      markSelected(row, row.order.id === this.#selected);
      showMark(row, this.marks.has(row.order.id));
      const isCursor = row.order.id === tabStop;
      for (const node of [row.link, row.mark, row.cancel, row.amend]) if (node) node.tabIndex = isCursor ? 0 : -1;
      if (isCursor && hadFocus) {
        // A button disappears with the end of its order.
        const isOnOwn = isOnButton && row.tr.contains(focused) && !focused.hidden;
        const target = isOnMark ? row.mark : isOnOwn ? focused : isOnButton && !row.cancel.hidden ? row.cancel : row.link;
        if (document.activeElement !== target) target.focus({ preventScroll: true });
      }
    });
  }

  /** Mark the order whose detail is shown. */
  select(id) {
    this.#selected = id;
    this.#cursor = id ?? this.#cursor;
    this.#emit("paint");
  }

  /** Focus the row of the cursor, wherever it is. */
  focus() {
    const index = this.#orders.findIndex(({ id }) => id === this.#cursor);
    if (index >= 0 && !this.#rows.some(({ order }) => order.id === this.#cursor)) {
      this.#moveCursor(index);
      this.paint(this.#nowMs);
    }
    (this.#rows.find(({ link }) => link.tabIndex === 0)?.link ?? this.#scroller).focus();
  }

  /** Move the cursor by a key from outside of the table: into it first. */
  moveRow(key) {
    if (this.#orders.length === 0) return;
    if (!this.#hasFocus) this.focus();
    else this.#move(key);
  }

  /** Mark an order, or take its mark away. */
  toggleMark(id) {
    if (!this.marks.delete(id)) this.marks.add(id);
    this.#emit("marks");
    this.#emit("paint");
  }

  /** Mark the order of the cursor, or take its mark away, and go to the next row. */
  markRow() {
    if (!this.#hasFocus) this.focus();
    if (this.#cursor === null) return;
    this.toggleMark(this.#cursor);
    this.#move("j");
  }

  /** Scroll to the newest order, and follow the newest from there. */
  scrollToTop() {
    if (this.#hasFocus) document.activeElement.blur();
    this.#cursor = null;
    this.#scroller.scrollTop = 0;
    this.#emit("paint");
  }

  #emit(name) {
    this.dispatchEvent(new Event(name));
  }

  get #hasFocus() {
    return this.#body.contains(document.activeElement);
  }

  #createHeader(headerRow) {
    const markTitle = createElement("span", { class: "visually-hidden" }, "Marked");
    headerRow.append(createElement("th", { scope: "col", class: "c-mark" }, markTitle));
    for (const { key, title, help = "", isNumber, isDescendingFirst = isNumber } of this.#columns) {
      const button = createElement("button", { type: "button", title: help }, title);
      const cell = createElement("th", { scope: "col", class: `c-${key}` }, button);
      if (isNumber) cell.classList.add("number");
      button.addEventListener("click", () => {
        const isSame = this.sort.key === key;
        this.sort = { key, isDescending: isSame ? !this.sort.isDescending : isDescendingFirst };
        this.#markSorted(headerRow);
        this.#emit("sort");
      });
      headerRow.append(cell);
    }
    const cancelTitle = createElement("span", { class: "visually-hidden" }, "Cancel");
    headerRow.append(createElement("th", { scope: "col", class: "c-cancel" }, cancelTitle));
    this.#markSorted(headerRow);
  }

  #markSorted(headerRow) {
    this.#columns.forEach(({ key }, index) => {
      const cell = headerRow.cells[index + 1]; // behind that of marks
      if (key !== this.sort.key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.sort.isDescending ? "descending" : "ascending");
    });
  }

  #measureRows() {
    this.#rowPx = parseFloat(getComputedStyle(this.#table).getPropertyValue("--row-px"));
    this.#headerPx = this.#table.tHead.offsetHeight;
    this.#emit("paint");
  }

  #resizePool(size) {
    while (this.#rows.length < size) {
      const row = createRow(this.#columns, this.#canAmend !== null);
      this.#rows.push(row);
      this.#body.insertBefore(row.tr, this.#below);
    }
    for (const { tr } of this.#rows.splice(size)) tr.remove();
  }

  #layOutSpacers() {
    const rest = this.#orders.length - this.#first - this.#rows.length;
    setHeight(this.#above, this.#first * this.#rowPx);
    setHeight(this.#below, Math.max(0, rest) * this.#rowPx);
  }

  /** Find the row that is to stay in place: that of the cursor, else the first visible one. */
  #findAnchor() {
    if (this.#hasFocus) {
      const row = this.#rows.find(({ order }) => order?.id === this.#cursor);
      if (row) return { order: row.order, index: row.index };
    }
    const index = Math.floor(this.#scroller.scrollTop / this.#rowPx);
    const order = this.#orders[index];
    return order === undefined ? null : { order, index };
  }

  /** The order whose row the Tab key leads to: the cursor's, else the first one in sight. */
  #findTabStop() {
    const rows = this.#orders.slice(this.#first, this.#first + this.#rows.length);
    if (rows.some(({ id }) => id === this.#cursor)) return this.#cursor;
    const top = Math.ceil(this.#scroller.scrollTop / this.#rowPx);
    return this.#orders[Math.min(top, this.#orders.length - 1)]?.id ?? null;
  }

  #handleClick(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
    const row = this.#rows.find(({ tr }) => tr.contains(event.target));
    if (!row) return;
    if (event.target.closest(".c-mark")) {
      this.toggleMark(row.order.id);
      return;
    }
    event.preventDefault();
    for (const action of ["cancel", "amend"]) {
      if (!row[action]?.contains(event.target)) continue;
      this.dispatchEvent(new CustomEvent(action, { detail: row.order.id }));
      return;
    }
    row.link.focus({ preventScroll: true });
    this.dispatchEvent(new CustomEvent("open", { detail: row.order.id }));
  }

  #handleKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.#hasFocus) return;
    const action = { x: "cancel", Delete: "cancel", e: "amend" }[event.key];
    if (action !== undefined) {
      event.preventDefault(); // the key is not typed into the field of the dialog
      this.dispatchEvent(new CustomEvent(action, { detail: this.#cursor }));
      return;
    }
    if (this.#move(event.key)) event.preventDefault();
  }

  /** Move the cursor by a key, if it is one for that. */
  #move(key) {
    const index = this.#orders.findIndex(({ id }) => id === this.#cursor);
    const last = this.#orders.length - 1;
    const page = Math.floor(this.#scroller.clientHeight / this.#rowPx) - 1;
    const target = {
      ArrowUp: index - 1,
      ArrowDown: index + 1,
      k: index - 1,
      j: index + 1,
      Home: 0,
      End: last,
      PageUp: index - page,
      PageDown: index + page,
    }[key];
    if (target === undefined) return false;
    this.#moveCursor(Math.max(0, Math.min(target, last)));
    return true;
  }

  #moveCursor(index) {
    this.#cursor = this.#orders[index].id;
    const room = this.#scroller.clientHeight - this.#headerPx - this.#rowPx;
    const y = index * this.#rowPx;
    const { scrollTop } = this.#scroller;
    this.#scroller.scrollTop = Math.min(y, Math.max(scrollTop, y - room));
    this.#emit("paint");
  }
}

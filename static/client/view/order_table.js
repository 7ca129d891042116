/**
 * The virtual table of orders: any number of orders, of which only the visible ones have rows.
 *
 * A pool of some forty rows is filled anew as the table scrolls; two empty spacer rows have the
 * height of all that is above and below. Texts are compared before they are set, so that a frame
 * touches only what changed.
 */

import { COLUMNS } from "./columns.js";
import { createElement, setText } from "./format.js";

const OVERSCAN_ROWS = 6;

export class OrderTable extends EventTarget {
  sort = { key: "order", isDescending: true };
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

  constructor(scroller, table) {
    super();
    this.#scroller = scroller;
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#body.append(this.#above, this.#below);
    this.#createHeader(table.tHead.rows[0]);
    scroller.addEventListener("scroll", () => this.#emit("paint"), { passive: true });
    scroller.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#body.addEventListener("click", (event) => this.#handleClick(event));
    this.#body.addEventListener("focusin", (event) => {
      const row = this.#rows.find(({ tr }) => tr.contains(event.target));
      if (row) this.#cursor = row.order.id;
    });
    new ResizeObserver(() => this.#measureRows()).observe(scroller);
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
    const visible = Math.ceil(this.#scroller.clientHeight / this.#rowPx);
    const top = Math.floor(this.#scroller.scrollTop / this.#rowPx) - OVERSCAN_ROWS;
    const size = Math.min(visible + 2 * OVERSCAN_ROWS, this.#orders.length);
    this.#first = Math.max(0, Math.min(top, this.#orders.length - size));
    this.#resizePool(size);
    this.#layOutSpacers();
    const hadFocus = this.#hasFocus;
    const isOnButton = hadFocus && document.activeElement.localName === "button";
    this.#keepCursorVisible();
    this.#rows.forEach((row, offset) => {
      const index = this.#first + offset;
      fillRow(row, this.#orders[index], index, nowMs);
      markSelected(row, row.order.id === this.#selected);
      const isCursor = row.order.id === this.#cursor;
      row.link.tabIndex = row.cancel.tabIndex = isCursor ? 0 : -1;
      if (isCursor && hadFocus) {
        // A button disappears with the end of its order.
        const target = isOnButton && !row.cancel.hidden ? row.cancel : row.link;
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

  /** Focus the row of the cursor. */
  focus() {
    (this.#rows.find(({ link }) => link.tabIndex === 0)?.link ?? this.#scroller).focus();
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
    for (const { key, title, isNumber, isDescendingFirst = isNumber } of COLUMNS) {
      const button = createElement("button", { type: "button" }, title);
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
    COLUMNS.forEach(({ key }, index) => {
      const cell = headerRow.cells[index];
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
      const row = createRow();
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

  /** Move the cursor to the first visible row when its own row leaves the pool. */
  #keepCursorVisible() {
    const rows = this.#orders.slice(this.#first, this.#first + this.#rows.length);
    if (rows.some(({ id }) => id === this.#cursor)) return;
    const top = Math.ceil(this.#scroller.scrollTop / this.#rowPx);
    this.#cursor = this.#orders[Math.min(top, this.#orders.length - 1)]?.id ?? null;
  }

  #handleClick(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
    const row = this.#rows.find(({ tr }) => tr.contains(event.target));
    if (!row) return;
    event.preventDefault();
    if (row.cancel.contains(event.target)) {
      this.dispatchEvent(new CustomEvent("cancel", { detail: row.order.id }));
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
    const index = this.#orders.findIndex(({ id }) => id === this.#cursor);
    const last = this.#orders.length - 1;
    const page = Math.floor(this.#scroller.clientHeight / this.#rowPx) - 1;
    const target = {
      ArrowUp: index - 1,
      ArrowDown: index + 1,
      Home: 0,
      End: last,
      PageUp: index - page,
      PageDown: index + page,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.#moveCursor(Math.max(0, Math.min(target, last)));
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

function createSpacer() {
  return createElement("tr", { class: "spacer", "aria-hidden": "true" });
}

function setHeight(row, px) {
  const height = `${px}px`;
  if (row.style.height !== height) row.style.height = height;
}

function createRow() {
  const link = createElement("a");
  const cells = COLUMNS.map(({ key, isNumber }) =>
    createElement("td", { class: isNumber ? `c-${key} number` : `c-${key}` }),
  );
  cells[0].append(link);
  const texts = [link, ...cells.slice(1)];
  const word = createElement("span", {}, "Cancel");
  const symbol = createElement("span", { class: "symbol", "aria-hidden": "true" }, "⊘");
  const cancel = createElement("button", { type: "button", title: "Cancel (x)" }, word, symbol);
  const cancelCell = createElement("td", { class: "c-cancel" }, cancel);
  const tr = createElement("tr", {}, ...cells, cancelCell);
  return { tr, link, cancel, texts, order: null, version: -1, index: -1, isSelected: false };
}

function fillRow(row, order, index, nowMs) {
  if (row.index !== index) {
    row.index = index;
    row.tr.setAttribute("aria-rowindex", index + 2);
  }
  const isOtherOrder = row.order !== order;
  if (isOtherOrder) {
    row.order = order;
    row.tr.dataset.order = order.id;
    row.link.href = `?order=${order.id}`;
    row.cancel.setAttribute("aria-label", `Cancel order ${order.shortId}`);
  }
  if (isOtherOrder || row.version !== order.version) {
    row.version = order.version;
    row.tr.dataset.status = order.status;
    row.tr.dataset.side = order.pair.side;
    row.cancel.hidden = order.hasEnded;
    COLUMNS.forEach(({ text, label, hint }, column) => {
      setText(row.texts[column], text(order, nowMs));
      if (label !== undefined) row.texts[column].dataset.label = label(order);
      if (hint !== undefined) row.texts[column].title = hint(order);
    });
  } else if (!order.hasEnded) {
    COLUMNS.forEach(({ changesWithTime, text }, column) => {
      if (changesWithTime) setText(row.texts[column], text(order, nowMs));
    });
  }
}

function markSelected(row, isSelected) {
  if (row.isSelected === isSelected) return;
  row.isSelected = isSelected;
  row.tr.classList.toggle("selected", isSelected);
  if (isSelected) row.link.setAttribute("aria-current", "true");
  else row.link.removeAttribute("aria-current");
}

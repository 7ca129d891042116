/**
 * The table of orders: any number of them, of which only those in sight have rows.
 *
 * Some forty rows are filled again as the table scrolls; two rows without content stand for all
 * that is above and below. What is written is compared first, so that a frame touches only what
 * changed.
 */

import { COLUMNS } from "./columns.js";
import { element, write } from "./format.js";

const OVERSCAN = 6;

export class Table extends EventTarget {
  sort = { key: "order", isDescending: true };
  #scroller;
  #table;
  #body;
  #above = spacer();
  #below = spacer();
  #rows = [];
  #view = [];
  #first = 0;
  #rowPx = 32;
  #headPx = 32;
  #cursor = null;
  #selected = null;

  constructor(scroller, table) {
    super();
    this.#scroller = scroller;
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#body.append(this.#above, this.#below);
    this.#makeHead(table.tHead.rows[0]);
    scroller.addEventListener("scroll", () => this.#ask("paint"), { passive: true });
    scroller.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("click", (event) => this.#click(event));
    this.#body.addEventListener("focusin", (event) => {
      const row = this.#rows.find(({ tr }) => tr.contains(event.target));
      if (row) this.#cursor = row.order.id;
    });
    new ResizeObserver(() => this.#measure()).observe(scroller);
  }

  /** Whether the newest rows push the others down, as they do until the reader moves. */
  get isFollowing() {
    return this.#scroller.scrollTop === 0 && !this.#hasFocus;
  }

  /** Show these orders; what the reader looks at stays where it is. */
  show(view) {
    const anchor = this.isFollowing ? null : this.#anchor();
    this.#view = view;
    this.#table.setAttribute("aria-rowcount", view.length + 1);
    if (anchor !== null) {
      const now = view.findIndex(({ id }) => id === anchor.order.id);
      if (now >= 0 && now !== anchor.index) {
        this.#layOut();
        this.#scroller.scrollTop += (now - anchor.index) * this.#rowPx;
      }
    }
  }

  /** Bring the rows in sight up to date. */
  paint(nowMs) {
    const visible = Math.ceil(this.#scroller.clientHeight / this.#rowPx);
    const top = Math.floor(this.#scroller.scrollTop / this.#rowPx) - OVERSCAN;
    const size = Math.min(visible + 2 * OVERSCAN, this.#view.length);
    this.#first = Math.max(0, Math.min(top, this.#view.length - size));
    this.#pool(size);
    this.#layOut();
    const hadFocus = this.#hasFocus;
    this.#keepCursorInSight();
    this.#rows.forEach((row, at) => {
      const index = this.#first + at;
      fill(row, this.#view[index], index, nowMs);
      mark(row, row.order.id === this.#selected);
      const isCursor = row.order.id === this.#cursor;
      row.link.tabIndex = isCursor ? 0 : -1;
      if (isCursor && hadFocus) row.link.focus({ preventScroll: true });
    });
  }

  /** Mark the order whose detail is shown. */
  select(id) {
    this.#selected = id;
    this.#cursor = id ?? this.#cursor;
    this.#ask("paint");
  }

  /** Give the keyboard back to the row that had it. */
  focus() {
    (this.#rows.find(({ link }) => link.tabIndex === 0)?.link ?? this.#scroller).focus();
  }

  /** Go to the newest, and follow from there. */
  toTop() {
    if (this.#hasFocus) document.activeElement.blur();
    this.#cursor = null;
    this.#scroller.scrollTop = 0;
    this.#ask("paint");
  }

  #ask(what) {
    this.dispatchEvent(new Event(what));
  }

  get #hasFocus() {
    return this.#body.contains(document.activeElement);
  }

  #makeHead(head) {
    for (const { key, title, isNumber, startsHigh = isNumber } of COLUMNS) {
      const button = element("button", { type: "button" }, title);
      const cell = element("th", { scope: "col", class: `c-${key}` }, button);
      if (isNumber) cell.classList.add("number");
      button.addEventListener("click", () => {
        const isSame = this.sort.key === key;
        this.sort = { key, isDescending: isSame ? !this.sort.isDescending : startsHigh };
        this.#markSorted(head);
        this.#ask("sort");
      });
      head.append(cell);
    }
    this.#markSorted(head);
  }

  #markSorted(head) {
    COLUMNS.forEach(({ key }, at) => {
      const cell = head.cells[at];
      if (key !== this.sort.key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.sort.isDescending ? "descending" : "ascending");
    });
  }

  #measure() {
    this.#rowPx = parseFloat(getComputedStyle(this.#table).getPropertyValue("--row-px"));
    this.#headPx = this.#table.tHead.offsetHeight;
    this.#ask("paint");
  }

  #pool(size) {
    while (this.#rows.length < size) {
      const row = newRow();
      this.#rows.push(row);
      this.#body.insertBefore(row.tr, this.#below);
    }
    for (const { tr } of this.#rows.splice(size)) tr.remove();
  }

  #layOut() {
    const rest = this.#view.length - this.#first - this.#rows.length;
    setHeight(this.#above, this.#first * this.#rowPx);
    setHeight(this.#below, Math.max(0, rest) * this.#rowPx);
  }

  /** The row that is to stay in its place: that of the cursor, else the first in sight. */
  #anchor() {
    if (this.#hasFocus) {
      const row = this.#rows.find(({ order }) => order?.id === this.#cursor);
      if (row) return { order: row.order, index: row.index };
    }
    const index = Math.floor(this.#scroller.scrollTop / this.#rowPx);
    const order = this.#view[index];
    return order === undefined ? null : { order, index };
  }

  /** The cursor goes along when its row leaves the window. */
  #keepCursorInSight() {
    const rows = this.#view.slice(this.#first, this.#first + this.#rows.length);
    if (rows.some(({ id }) => id === this.#cursor)) return;
    const top = Math.ceil(this.#scroller.scrollTop / this.#rowPx);
    this.#cursor = this.#view[Math.min(top, this.#view.length - 1)]?.id ?? null;
  }

  #click(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
    const row = this.#rows.find(({ tr }) => tr.contains(event.target));
    if (!row) return;
    event.preventDefault();
    row.link.focus({ preventScroll: true });
    this.dispatchEvent(new CustomEvent("open", { detail: row.order.id }));
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.#hasFocus) return;
    const at = this.#view.findIndex(({ id }) => id === this.#cursor);
    const last = this.#view.length - 1;
    const page = Math.floor(this.#scroller.clientHeight / this.#rowPx) - 1;
    const to = {
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      Home: 0,
      End: last,
      PageUp: at - page,
      PageDown: at + page,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#goTo(Math.max(0, Math.min(to, last)));
  }

  #goTo(index) {
    this.#cursor = this.#view[index].id;
    const room = this.#scroller.clientHeight - this.#headPx - this.#rowPx;
    const y = index * this.#rowPx;
    const { scrollTop } = this.#scroller;
    this.#scroller.scrollTop = Math.min(y, Math.max(scrollTop, y - room));
    this.#ask("paint");
  }
}

function spacer() {
  return element("tr", { class: "spacer", "aria-hidden": "true" });
}

function setHeight(row, px) {
  const height = `${px}px`;
  if (row.style.height !== height) row.style.height = height;
}

function newRow() {
  const link = element("a");
  const cells = COLUMNS.map(({ key, isNumber }) =>
    element("td", { class: isNumber ? `c-${key} number` : `c-${key}` }),
  );
  cells[0].append(link);
  const texts = [link, ...cells.slice(1)];
  const tr = element("tr", {}, ...cells);
  return { tr, link, texts, order: null, version: -1, index: -1, isSelected: false };
}

function fill(row, order, index, nowMs) {
  if (row.index !== index) {
    row.index = index;
    row.tr.setAttribute("aria-rowindex", index + 2);
  }
  const isOther = row.order !== order;
  if (isOther) {
    row.order = order;
    row.tr.dataset.order = order.id;
    row.link.href = `?order=${order.id}`;
  }
  if (isOther || row.version !== order.version) {
    row.version = order.version;
    row.tr.dataset.status = order.status;
    row.tr.dataset.side = order.pair.side;
    COLUMNS.forEach(({ text }, at) => write(row.texts[at], text(order, nowMs)));
  } else if (!order.isEnd) {
    COLUMNS.forEach(({ isRunning, text }, at) => {
      if (isRunning) write(row.texts[at], text(order, nowMs));
    });
  }
}

function mark(row, isSelected) {
  if (row.isSelected === isSelected) return;
  row.isSelected = isSelected;
  row.tr.classList.toggle("selected", isSelected);
  if (isSelected) row.link.setAttribute("aria-current", "true");
  else row.link.removeAttribute("aria-current");
}

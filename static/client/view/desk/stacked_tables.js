/**
 * Tables that are never cut: one that is wider than its place shows each row as a block of named
 * values. Which it is follows from its texts, and not from the width of the page alone.
 */

const CLASS = "stacked";

/** Watch tables, and the places that they have, from now on. */
export function stackTables(tables) {
  for (const table of tables) new StackedTable(table);
}

class StackedTable {
  #place;
  #table;
  /** The width that the table had when it was too wide. */
  #neededPx = 0;

  constructor(table) {
    this.#place = table.parentElement;
    this.#table = table;
    // In the next frame: it changes what is observed.
    const observer = new ResizeObserver(() => requestAnimationFrame(() => this.#fit()));
    observer.observe(this.#place);
    observer.observe(table);
    new MutationObserver(() => this.#nameCells()).observe(table.tBodies[0], { childList: true });
  }

  #fit() {
    const { clientWidth } = this.#place;
    const isStacked = this.#table.classList.contains(CLASS);
    if (isStacked && clientWidth >= this.#neededPx) this.#table.classList.remove(CLASS);
    if (isStacked || this.#table.offsetWidth <= clientWidth) return;
    this.#neededPx = this.#table.offsetWidth;
    this.#table.classList.add(CLASS);
  }

  /** Name each cell after its column; one over several columns has no name. */
  #nameCells() {
    const names = [...this.#table.tHead.rows[0].cells].map(({ textContent }) => textContent.trim());
    for (const { cells } of this.#table.tBodies[0].rows) {
      [...cells].forEach((cell, index) => {
        if (cell.colSpan === 1 && index > 0) cell.dataset.name = names[index];
      });
    }
  }
}

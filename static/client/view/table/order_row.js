/** The rows of the table of orders: created once, filled again and again. */

import { createElement, setText } from "../format.js";

/** A row of the pool, without an order yet; `hasAmend`: with a button to amend it. */
export function createRow(columns, hasAmend) {
  const link = createElement("a");
  const cells = columns.map(({ key, isNumber }) =>
    createElement("td", { class: isNumber ? `c-${key} number` : `c-${key}` }),
  );
  cells[0].append(link);
  const mark = createElement("input", { type: "checkbox" });
  const markCell = createElement("td", { class: "c-mark" }, mark);
  const texts = [link, ...cells.slice(1)];
  const cancel = createElement("button", { type: "button", title: "Cancel (x)" }, ...nameButton("Cancel", "⊘"));
  const amend = hasAmend
    ? createElement("button", { type: "button", title: "Amend (e)" }, ...nameButton("Amend", "✎"))
    : null;
  const cancelCell = createElement("td", { class: "c-cancel" }, ...[amend, cancel].filter(Boolean));
  const tr = createElement("tr", {}, markCell, ...cells, cancelCell);
  return { tr, mark, link, cancel, amend, columns, texts, order: null, version: -1, index: -1, isSelected: false };
}

/** The word of a button, and the symbol in its place where there is no room. */
function nameButton(word, symbol) {
  return [
    createElement("span", {}, word),
    createElement("span", { class: "symbol", "aria-hidden": "true" }, symbol),
  ];
}

/** Show an order in a row; texts are compared before they are set. */
export function fillRow(row, order, index, nowMs) {
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
    row.mark.setAttribute("aria-label", `Mark order ${order.shortId} (v)`);
    if (row.amend) row.amend.setAttribute("aria-label", `Amend order ${order.shortId}`);
  }
  if (isOtherOrder || row.version !== order.version) {
    row.version = order.version;
    row.tr.dataset.status = order.status;
    row.tr.dataset.side = order.pair.side;
    row.cancel.hidden = order.hasEnded;
    row.columns.forEach(({ text, label, narrowLabel, hint }, column) => {
      setText(row.texts[column], text(order, nowMs));
      if (label !== undefined) row.texts[column].dataset.label = label(order);
      if (narrowLabel !== undefined) row.texts[column].dataset.narrowLabel = narrowLabel(order);
      if (hint !== undefined) row.texts[column].title = hint(order);
    });
  } else if (!order.hasEnded) {
    row.columns.forEach(({ changesWithTime, text }, column) => {
      if (changesWithTime) setText(row.texts[column], text(order, nowMs));
    });
  }
}

/** Show whether the user has marked the order. */
export function showMark(row, isMarked) {
  if (row.mark.checked !== isMarked) row.mark.checked = isMarked;
  row.tr.classList.toggle("marked", isMarked);
}

/** Light the row of the order whose detail is shown. */
export function markSelected(row, isSelected) {
  if (row.isSelected === isSelected) return;
  row.isSelected = isSelected;
  row.tr.classList.toggle("selected", isSelected);
  if (isSelected) row.link.setAttribute("aria-current", "true");
  else row.link.removeAttribute("aria-current");
}

/** A row with the height of those that have none. */
export function createSpacer() {
  return createElement("tr", { class: "spacer", "aria-hidden": "true" });
}

/** Set the height of a row if it differs. */
export function setHeight(row, px) {
  const height = `${px}px`;
  if (row.style.height !== height) row.style.height = height;
}

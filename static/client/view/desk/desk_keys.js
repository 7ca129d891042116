/** What the keys of the page do, in words, and by whom: the rows of the list of keys. */

import { VIEWS } from "../../model/desk/views.js";

/** `actions` has a function for each key that works everywhere; the other keys are only listed. */
export function listShortcuts(actions) {
  const { showView, filter, newOrder, repeatOrder, moveRow, markRow, unmark, closeDetail, cancelShown,
    sendAgain, saveCsv, explore, pressChart, help } = actions;
  const everywhere = [
    ...VIEWS.map(({ key, title, name }) => ({ keys: [key], text: title, run: () => showView(name) })),
    { keys: ["n"], text: "New order: into the form", run: newOrder },
    { keys: ["."], text: "The last order of this page again, in the form", run: repeatOrder },
    { keys: ["Escape"], text: "Close the detail of an order", run: closeDetail },
    { keys: ["u"], text: "Open the signature of the order in the detail in an explorer", run: explore },
    { keys: ["?"], text: "This list", run: help },
  ];
  const orders = [
    { keys: ["/"], text: "Filter", run: filter },
    { keys: ["j", "k"], text: "Next and previous row", run: moveRow },
    { keys: ["ArrowDown", "ArrowUp"], text: "The same, in the list" },
    { keys: ["Home", "End", "PageUp", "PageDown"], text: "First and last row, and pages" },
    { keys: ["Enter"], text: "Detail" },
    { keys: ["x", "Delete"], text: "Cancel the order of the row" },
    { keys: ["e"], text: "Amend it, if it waits" },
    { keys: ["v"], text: "Mark the order of the row, and go to the next; a click on its box does so too", run: markRow },
    { keys: ["V"], text: "Take all marks away", run: unmark },
    { keys: ["X"], text: "Cancel the open ones of those that are marked; without marks of all that are shown", run: cancelShown },
    { keys: ["R"], text: "Send those that are marked and have failed again", run: sendAgain },
    { keys: ["S"], text: "Save those that are marked as a CSV file; without marks all that are shown", run: saveCsv },
  ];
  const chart = [
    { keys: ["+", "-"], text: "Zoom in and out; the wheel and two fingers do so too", run: pressChart },
    { keys: ["ArrowLeft", "ArrowRight"], text: "Earlier and later; dragging does so too", run: pressChart },
    { keys: ["0"], text: "Back to now", run: pressChart },
  ];
  return [
    { title: "Everywhere", rows: everywhere },
    { title: "Lists of orders", rows: orders },
    { title: "Chart", rows: chart },
  ];
}

/** Histograms as SVG, with their figures below. */

import { createElement, formatDuration, formatSigned } from "../format.js";
import { UNKNOWN } from "../table/columns.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 60;
const BAR = 10;

/** How many fills took how long, of `buildHistograms`. */
export function renderTimes({ name, count, bars, mostMs, p50, p95 }) {
  const words = count === 0 ? UNKNOWN : `p50 ${formatDuration(p50)} · p95 ${formatDuration(p95)}`;
  return render({
    name,
    bars,
    marks: [p50, p95].filter((ms) => ms !== null).map((ms) => ms / mostMs),
    text: count === 0 ? `${name}: no fill` : `${name}: half within ${formatDuration(p50)}, 95 % within ${formatDuration(p95)}`,
    caption: ["0", words, formatDuration(mostMs)],
  });
}

/** How many fills were paid how much more or less than quoted, of `buildDifferences`. */
export function renderDifferences({ count, bars, mostBps, p50, p5 }) {
  const [half, worst] = [p50, p5].map((bps) => (bps === null ? UNKNOWN : formatSigned(bps)));
  const name = "vs quote, bps: + is more";
  return render({
    name,
    bars,
    marks: [p50, p5].filter((bps) => bps !== null).map((bps) => (bps + mostBps) / (2 * mostBps)),
    text: count === 0 ? `${name}: no fill` : `${name}: half at least ${half}, 95 % at least ${worst}`,
    caption: [`−${mostBps}`, count === 0 ? UNKNOWN : `p50 ${half} · p5 ${worst}`, `+${mostBps}`],
  });
}

/** `marks`: where lines are, from 0 to 1; `caption`: below the left end, the middle, the right end. */
function render({ name, bars, marks, text, caption }) {
  const width = bars.length * BAR;
  const svg = createSvg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": text, preserveAspectRatio: "none" });
  const highest = Math.max(...bars, 1);
  bars.forEach((value, index) => {
    const height = value === 0 ? 0.5 : Math.max(1.5, (value / highest) * HEIGHT);
    svg.append(createSvg("rect", { x: index * BAR, y: HEIGHT - height, width: BAR - 1, height, class: "count" }));
  });
  for (const mark of marks) {
    const x = Math.min(Math.max(mark, 0), 1) * width;
    svg.append(createSvg("rect", { x: x - 0.75, y: 0, width: 1.5, height: HEIGHT, class: "mark" }));
  }
  const words = caption.map((each) => createElement("span", {}, each));
  return createElement("figure", {}, createElement("h4", {}, name), svg, createElement("figcaption", {}, ...words));
}

function createSvg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

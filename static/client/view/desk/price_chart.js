/**
 * Draws the chart of a pair on a canvas, in the colours of the style sheet: bars, fills as marks,
 * open orders as lines with their distance. A time without a bar stays blank.
 */

import { formatShort } from "../../model/decimal.js";

const AXIS_PX = 84;
const TIMES_PX = 20;
const PAD_PX = 10;
const LABEL_PX = 15;
const FONT = "12px system-ui, sans-serif";
const MARK_PX = { min: 3.5, max: 9 };
const TIME_STEPS_S = [
  5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 604_800, 2_592_000,
];

/** Where times and prices are on a canvas of a size. */
export class ChartScale {
  constructor({ width, height, fromS, toS, low, high }) {
    Object.assign(this, { width: width - AXIS_PX, height: height - TIMES_PX, fromS, toS, low, high });
  }

  x(seconds) {
    return ((seconds - this.fromS) / (this.toS - this.fromS)) * this.width;
  }

  y(price) {
    return PAD_PX + ((this.high - price) / (this.high - this.low)) * (this.height - 2 * PAD_PX);
  }

  /** Whether a price is within the chart; else its line is at the edge. */
  has(price) {
    return price <= this.high && price >= this.low;
  }
}

/** The lowest and the highest price to show, with some room; null if there is none. Fitted: of all lines. */
export function findRange(bars, fills, lines, isFitted) {
  const prices = [...bars.flatMap(({ low, high }) => [low, high]), ...findEnds(fills)];
  if (isFitted || prices.length === 0) prices.push(...lines.map(({ price }) => price));
  if (prices.length === 0) return null;
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const room = Math.max((high - low) * 0.05, high * 0.0002);
  return { low: low - room, high: high + room };
}

/** The lowest and the highest price of fills; nothing of none. */
function findEnds(fills) {
  if (fills.length === 0) return [];
  const [{ price }] = fills;
  return fills.reduce(([low, high], each) => [Math.min(low, each.price), Math.max(high, each.price)], [price, price]);
}

/** Draw everything; `lit` is the id of the order under the cursor. Returns where the lines are. */
export function drawChart(canvas, { scale, bars, stepS, fills, mets, lines, last, lit }) {
  const { context, colors } = prepare(canvas);
  drawGrid(context, scale, colors);
  context.save();
  context.beginPath();
  context.rect(0, 0, scale.width, scale.height);
  context.clip();
  for (const bar of bars) drawBar(context, scale, bar, stepS, colors);
  for (const mark of mets) drawMet(context, scale, mark, colors, mark.order.id === lit);
  drawFills(context, scale, fills, colors, lit);
  context.restore();
  const places = placeLabels(lines, scale);
  const isLit = ({ line }) => line.order.id === lit;
  for (const place of places) drawLine(context, scale, place, colors, isLit(place));
  for (const place of places) drawLabel(context, scale, place, colors, isLit(place));
  if (last !== null && scale.has(last.close)) drawLast(context, scale, last, colors);
  return places;
}

function prepare(canvas) {
  const ratio = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  return { context, colors: readColors(canvas) };
}

/** The colours are those of hidden elements: a canvas cannot use the variables of a style sheet. */
function readColors(canvas) {
  const swatches = canvas.parentElement.querySelectorAll(".swatches [data-color]");
  return Object.fromEntries([...swatches].map((node) => [node.dataset.color, getComputedStyle(node).color]));
}

function drawGrid(context, scale, colors) {
  context.strokeStyle = colors.line;
  context.fillStyle = colors.muted;
  context.lineWidth = 1;
  context.textAlign = "left";
  const step = chooseNiceStep((scale.high - scale.low) / Math.max(scale.height / 48, 1));
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  for (let price = Math.ceil(scale.low / step) * step; price <= scale.high; price += step) {
    const y = Math.round(scale.y(price)) + 0.5;
    strokeLine(context, 0, y, scale.width, y);
    context.fillText(formatShort(price.toFixed(Math.min(decimals, 18)), 8), scale.width + 6, y);
  }
  context.textAlign = "center";
  const spanS = scale.toS - scale.fromS;
  const timeStepS = TIME_STEPS_S.find((each) => each >= (spanS * 84) / scale.width) ?? TIME_STEPS_S.at(-1);
  const offsetS = new Date(scale.toS * 1_000).getTimezoneOffset() * 60;
  const firstS = Math.ceil((scale.fromS - offsetS) / timeStepS) * timeStepS + offsetS;
  for (let at = firstS; at < scale.toS; at += timeStepS) {
    const x = Math.round(scale.x(at)) + 0.5;
    strokeLine(context, x, 0, x, scale.height);
    if (x > 24 && x < scale.width - 24) context.fillText(formatAxisTime(at, timeStepS), x, scale.height + TIMES_PX / 2 + 2);
  }
}

function chooseNiceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].find((each) => each * power >= least) * power;
}

function formatAxisTime(seconds, stepS) {
  const date = new Date(seconds * 1_000);
  if (stepS >= 86_400) return date.toLocaleDateString("en-CA").slice(5);
  const time = date.toLocaleTimeString("en-GB");
  return stepS >= 60 ? time.slice(0, 5) : time;
}

function strokeLine(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

/** A rising bar is hollow, a falling one is filled: the colour says it once more. */
function drawBar(context, scale, { at, open, high, low, close }, stepS, colors) {
  const [left, right] = [scale.x(at), scale.x(at + stepS)];
  const width = Math.max(1, Math.min(right - left - 1, 14));
  const middle = (left + right) / 2;
  const isRising = close >= open;
  context.strokeStyle = context.fillStyle = isRising ? colors.rise : colors.fall;
  context.lineWidth = 1;
  strokeLine(context, middle, scale.y(high), middle, Math.max(scale.y(low), scale.y(high) + 1));
  const [top, bottom] = [scale.y(Math.max(open, close)), scale.y(Math.min(open, close))];
  const height = Math.max(bottom - top, 1.5);
  if (!isRising || width < 5 || height < 4) context.fillRect(middle - width / 2, top, width, height);
  else {
    context.clearRect(middle - width / 2 + 1, top, width - 2, height);
    context.strokeRect(middle - width / 2 + 0.5, top, width - 1, height);
  }
}

/** A triangle for each fill: a purchase points up, a sale down; its area is its value. */
function drawFills(context, scale, fills, colors, lit) {
  const most = fills.reduce((largest, { value }) => Math.max(largest, value), Number.MIN_VALUE);
  for (const { order, side, price, atMs, value } of dropCovered(fills, scale, lit)) {
    const size = Math.max(MARK_PX.min, MARK_PX.max * Math.sqrt(value / most));
    const [x, y] = [scale.x(atMs / 1_000), scale.y(price)];
    const way = side === "buy" ? 1 : -1;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - size, y + way * size * 1.6);
    context.lineTo(x + size, y + way * size * 1.6);
    context.closePath();
    context.fillStyle = side === "buy" ? colors.buy : colors.sell;
    context.fill();
    context.strokeStyle = order.id === lit ? colors.text : colors.card;
    context.lineWidth = order.id === lit ? 2.5 : 1;
    context.stroke();
  }
}

/** The fills without those that a larger one covers: of a batch, hundreds are at one place. */
function dropCovered(fills, scale, lit) {
  const shown = new Map();
  for (const fill of fills) {
    const isLit = fill.order.id === lit ? "lit" : "";
    const place = `${Math.round(scale.x(fill.atMs / 1_000))} ${Math.round(scale.y(fill.price))} ${fill.side}${isLit}`;
    if (!(shown.get(place)?.value >= fill.value)) shown.set(place, fill);
  }
  return shown.values();
}

/** A diamond where a price met a condition. */
function drawMet(context, scale, { atMs, price }, colors, isLit) {
  const [x, y] = [scale.x(atMs / 1_000), scale.y(price)];
  context.beginPath();
  context.moveTo(x, y - 6);
  context.lineTo(x + 6, y);
  context.lineTo(x, y + 6);
  context.lineTo(x - 6, y);
  context.closePath();
  context.strokeStyle = colors.waiting;
  context.lineWidth = isLit ? 3 : 1.5;
  context.stroke();
}

/** Where the words of each line are, so that none covers another. */
function placeLabels(lines, scale) {
  const places = lines.map((line) => {
    const y = Math.min(Math.max(scale.y(line.price), LABEL_PX / 2), scale.height - LABEL_PX / 2);
    return { line, y, labelY: y - LABEL_PX / 2 };
  });
  let lowest = -Infinity;
  for (const place of places) {
    place.labelY = Math.max(place.labelY, lowest + LABEL_PX, LABEL_PX / 2);
    lowest = place.labelY;
  }
  let highest = scale.height - LABEL_PX / 2 + LABEL_PX;
  for (const place of [...places].reverse()) {
    place.labelY = Math.min(place.labelY, highest - LABEL_PX);
    highest = place.labelY;
  }
  return places;
}

function drawLine(context, scale, { line, y }, colors, isLit) {
  if (!scale.has(line.price)) return;
  context.strokeStyle = line.order.pair.side === "buy" ? colors.buy : colors.sell;
  context.lineWidth = isLit ? 2.5 : 1;
  context.setLineDash(isLit ? [] : line.isSecond ? [2, 4] : line.isProgress ? [8, 3, 2, 3] : [6, 4]);
  strokeLine(context, 0, y, scale.width, y);
  context.setLineDash([]);
}

/** The words of a line, on a ground of their own; an arrow leads to one that is beyond the chart. */
function drawLabel(context, scale, { line, labelY }, colors, isLit) {
  const color = line.order.pair.side === "buy" ? colors.buy : colors.sell;
  const way = scale.has(line.price) ? "" : line.price > scale.high ? "▲ " : "▼ ";
  const away = line.distance === "" ? "" : ` · ${line.distance}`;
  const text = `${way}${line.text} ${formatShort(line.priceText, 7)}${away}`;
  context.textAlign = "right";
  const width = context.measureText(text).width;
  context.fillStyle = colors.card;
  context.fillRect(scale.width - width - 10, labelY - LABEL_PX / 2, width + 8, LABEL_PX);
  context.fillStyle = isLit ? colors.text : color;
  context.fillText(text, scale.width - 6, labelY);
}

function drawLast(context, scale, last, colors) {
  const y = scale.y(last.close);
  context.fillStyle = colors.text;
  context.fillRect(scale.width + 1, y - 9, AXIS_PX - 1, 18);
  context.fillStyle = colors.card;
  context.textAlign = "left";
  context.fillText(formatShort(last.closeText, 7), scale.width + 6, y);
}

/** Draws the two charts on canvases, in the colours that the style sheet gives them. */

import { formatCount, formatDuration } from "./format.js";
import { percentile } from "../model/summary.js";

const BARS = 30;
const GAP_PX = 1;
const SCALES_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000];

/**
 * Draw the latency histogram of confirmed orders from 0 to `mostMs`, with lines at p50 and p95.
 * The last bar has all that took longer.
 */
export function drawLatencyHistogram(canvas, durationsMs, mostMs) {
  const { context, width, height, color, accent } = prepareCanvas(canvas);
  const bars = new Array(BARS).fill(0);
  for (const ms of durationsMs) bars[Math.min(Math.floor((ms / mostMs) * BARS), BARS - 1)] += 1;
  const highestBar = Math.max(...bars, 1);
  const step = width / BARS;
  context.fillStyle = color;
  bars.forEach((value, index) => {
    const barHeight = value === 0 ? 1 : Math.max(2, (value / highestBar) * (height - 2));
    context.fillRect(index * step, height - barHeight, step - GAP_PX, barHeight);
  });
  context.fillStyle = accent;
  for (const share of [0.5, 0.95]) {
    const ms = percentile(durationsMs, share);
    if (ms !== null) context.fillRect(Math.min(ms / mostMs, 1) * width, 0, 1, height);
  }
  canvas.setAttribute("aria-label", describeLatency(durationsMs));
}

/** Choose the smallest scale that has room for the 99th percentile. */
export function chooseLatencyScale(durationsMs) {
  const p99 = percentile(durationsMs, 0.99) ?? 0;
  return SCALES_MS.find((scale) => p99 <= scale) ?? SCALES_MS.at(-1);
}

function describeLatency(durationsMs) {
  if (durationsMs.length === 0) return "Latency: no order is confirmed yet";
  const [p50, p95] = [0.5, 0.95].map((share) => formatDuration(percentile(durationsMs, share)));
  const orders = `${formatCount(durationsMs.length)} confirmed orders`;
  return `Latency of ${orders}: half within ${p50}, 95 % within ${p95}`;
}

/** Draw how the confirmed orders are split between the two venues; `share` is the left one's. */
export function drawVenueShare(canvas, share, label) {
  const { context, width, height, color, accent } = prepareCanvas(canvas);
  const left = Math.round(share * width);
  context.fillStyle = color;
  context.fillRect(0, 0, Math.max(0, left - GAP_PX), height);
  context.fillStyle = accent;
  context.fillRect(left, 0, width - left, height);
  canvas.setAttribute("aria-label", label);
}

/** Clear a canvas and fit it to the device's pixels; its CSS colours are the drawing colours. */
function prepareCanvas(canvas) {
  const scale = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [pixelWidth, pixelHeight] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const { color, outlineColor } = getComputedStyle(canvas);
  return { context, width, height, color, accent: outlineColor };
}

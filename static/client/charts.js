/** The two small charts, drawn with the colours that the style sheet gives their canvas. */

import { count, span } from "./format.js";
import { percentile } from "./stats.js";

const BARS = 30;
const GAP_PX = 1;
const SCALES_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000];

/**
 * How long confirmed orders took, from nothing to `mostMs`; lines stand at p50 and at p95. The
 * last bar has all that took longer.
 */
export function drawLatency(canvas, took, mostMs) {
  const { context, width, height, ink, accent } = prepared(canvas);
  const bars = new Array(BARS).fill(0);
  for (const ms of took) bars[Math.min(Math.floor((ms / mostMs) * BARS), BARS - 1)] += 1;
  const tallest = Math.max(...bars, 1);
  const step = width / BARS;
  context.fillStyle = ink;
  bars.forEach((value, at) => {
    const tall = value === 0 ? 1 : Math.max(2, (value / tallest) * (height - 2));
    context.fillRect(at * step, height - tall, step - GAP_PX, tall);
  });
  context.fillStyle = accent;
  for (const part of [0.5, 0.95]) {
    const ms = percentile(took, part);
    if (ms !== null) context.fillRect(Math.min(ms / mostMs, 1) * width, 0, 1, height);
  }
  canvas.setAttribute("aria-label", latencyInWords(took));
}

/** The scale on which nearly all of these have a place. */
export function latencyScale(took) {
  const most = percentile(took, 0.99) ?? 0;
  return SCALES_MS.find((scale) => most <= scale) ?? SCALES_MS.at(-1);
}

function latencyInWords(took) {
  if (took.length === 0) return "Latency: no order is confirmed yet";
  const [p50, p95] = [0.5, 0.95].map((part) => span(percentile(took, part)));
  return `Latency of ${count(took.length)} confirmed orders: half within ${p50}, 95 % within ${p95}`;
}

/** How the confirmed orders are shared between the two venues: `share` is that of the left one. */
export function drawShare(canvas, share, words) {
  const { context, width, height, ink, accent } = prepared(canvas);
  const left = Math.round(share * width);
  context.fillStyle = ink;
  context.fillRect(0, 0, Math.max(0, left - GAP_PX), height);
  context.fillStyle = accent;
  context.fillRect(left, 0, width - left, height);
  canvas.setAttribute("aria-label", words);
}

/** A clean canvas in the pixels of the screen; `color` and `outline-color` are what it draws with. */
function prepared(canvas) {
  const scale = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const { color, outlineColor } = getComputedStyle(canvas);
  return { context, width, height, ink: color, accent: outlineColor };
}

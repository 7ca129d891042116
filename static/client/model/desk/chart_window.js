/** The time that a chart shows: its length, and its end or that it follows the present. */

import { STEPS_S } from "./price_series.js";

const SPAN_MIN_S = 30;
const SPAN_MAX_S = 3 * 365 * 86_400;
const SPAN_DEFAULT_S = 600;
/** So much of the time lies behind the last bar while the chart follows the present. */
const MARGIN = 0.04;
const BAR_PX_MIN = 4;

export class ChartWindow {
  spanS = SPAN_DEFAULT_S;
  /** The end in seconds since 1970; null while it follows the present. */
  #endS = null;

  get isFollowing() {
    return this.#endS === null;
  }

  /** The shown time, at a present time: `{ fromS, toS }`. */
  compute(nowS) {
    const toS = this.#endS ?? nowS + this.spanS * MARGIN;
    return { fromS: toS - this.spanS, toS };
  }

  /** The step of bars that are wide enough to be seen. */
  chooseStep(widthPx) {
    const leastS = (this.spanS * BAR_PX_MIN) / Math.max(widthPx, 1);
    return STEPS_S.find((step) => step >= leastS) ?? STEPS_S.at(-1);
  }

  /** Make the time longer or shorter around a point of it, from 0 to 1. */
  zoom(factor, at, nowS) {
    const { fromS } = this.compute(nowS);
    const pointS = fromS + at * this.spanS;
    const spanS = Math.min(Math.max(this.spanS * factor, SPAN_MIN_S), SPAN_MAX_S);
    // While it follows the present, the present stays where it is.
    if (!this.isFollowing) this.#setEnd(pointS + (1 - at) * spanS, spanS, nowS);
    this.spanS = spanS;
  }

  /** Move by a part of the length; what would lie ahead of the present follows it. */
  pan(part, nowS) {
    const { toS } = this.compute(nowS);
    this.#setEnd(toS + part * this.spanS, this.spanS, nowS);
  }

  /** Follow the present. */
  follow() {
    this.#endS = null;
  }

  #setEnd(endS, spanS, nowS) {
    this.#endS = endS >= nowS + spanS * MARGIN ? null : Math.max(endS, 0);
  }
}

/**
 * The bars of one pair, by the length of their step: what the server has stored, and the bars of
 * seconds that it tells. A time in which no price was read has no bar.
 */

/** The steps that the server has, in seconds. */
export const STEPS_S = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400];
const BARS_MAX = 20_000;

export class PriceSeries {
  /** The newest bar of a second, with `closeText` as it was told; null before there is one. */
  last = null;
  #byStep = new Map(STEPS_S.map((step) => [step, new Map()]));
  /** The times of the bars of a step in their order, until another one is added. */
  #times = new Map();

  /** Add bars as the server stores them; each takes the place of what was known of its time. */
  store(stepS, bars) {
    const known = this.#byStep.get(stepS);
    for (const told of bars) {
      const bar = parseBar(told);
      // What was told meanwhile may be newer than what was read.
      const before = known.get(bar.at);
      known.set(bar.at, before === undefined ? bar : merge(bar, before));
      this.#noteLast(bar, stepS);
    }
    this.#evict(known);
    this.#times.clear();
  }

  /** Add bars of seconds that are new or have changed, to those of longer steps as well. */
  addSeconds(bars) {
    for (const told of bars) {
      const second = parseBar(told);
      for (const [stepS, known] of this.#byStep) {
        const at = Math.floor(second.at / stepS) * stepS;
        const before = known.get(at);
        if (stepS === 1 || before === undefined) known.set(at, { ...second, at });
        else known.set(at, merge(before, second));
      }
      this.#noteLast(second, 1);
    }
    for (const known of this.#byStep.values()) this.#evict(known);
    if (bars.length > 0) this.#times.clear();
  }

  /** The bars of a step from a time until another, in seconds since 1970, the oldest first. */
  list(stepS, fromS, toS) {
    const known = this.#byStep.get(stepS);
    let times = this.#times.get(stepS);
    if (times === undefined) {
      times = Float64Array.from(known.keys()).sort();
      this.#times.set(stepS, times);
    }
    const bars = [];
    // From the end: it is the newest that are looked at.
    for (let index = times.length - 1; index >= 0 && times[index] + stepS > fromS; index -= 1) {
      if (times[index] < toS) bars.push(known.get(times[index]));
    }
    return bars.reverse();
  }

  #noteLast(bar, stepS) {
    const endS = bar.at + stepS;
    const isNewer = this.last === null || bar.slot > this.last.slot || (bar.slot === this.last.slot && endS < this.last.endS);
    if (isNewer) this.last = { ...bar, endS };
  }

  #evict(known) {
    if (known.size <= BARS_MAX) return;
    const oldest = [...known.keys()].sort((a, b) => a - b).slice(0, known.size - BARS_MAX);
    for (const at of oldest) known.delete(at);
  }
}

function parseBar({ at, open, high, low, close, slot }) {
  return {
    at: Date.parse(at) / 1_000, open: Number(open), high: Number(high), low: Number(low),
    close: Number(close), closeText: close, slot,
  };
}

/** One bar of two of the same time, of which the newer slot closes it. */
function merge(bar, other) {
  const newer = other.slot >= bar.slot ? other : bar;
  return {
    ...bar, high: Math.max(bar.high, other.high), low: Math.min(bar.low, other.low),
    close: newer.close, closeText: newer.closeText, slot: newer.slot,
  };
}

/** Forms to begin with: those that come with the page, and those that its reader saved. */

import { PRESETS } from "./plan.js";
import { recall, remember } from "./storage.js";

const KEY = "order-engine-presets";
const SAVED_MAX = 20;
const [ONE] = Object.values(PRESETS);

export class Presets {
  #saved = stored();

  /** The names of those that come with the page. */
  get given() {
    return Object.keys(PRESETS);
  }

  /** The names of those that were saved, the oldest first. */
  get saved() {
    return [...this.#saved.keys()];
  }

  get(name) {
    return this.#saved.get(name) ?? PRESETS[name];
  }

  /** Keep a form under a name that says what is in it; past twenty the oldest go. */
  save(form) {
    const name = nameOf(form);
    this.#saved.delete(name);
    this.#saved.set(name, known(form));
    for (const oldest of this.saved.slice(0, -SAVED_MAX)) this.#saved.delete(oldest);
    return { name, isKept: this.#keep() };
  }

  forget(name) {
    this.#saved.delete(name);
    this.#keep();
  }

  #keep() {
    return remember("localStorage", KEY, JSON.stringify([...this.#saved]));
  }
}

function nameOf({ count, side, pairs, low, high, type, slippage, minimum }) {
  const words = [count, side, pairs.join(" "), low === high ? low : `${low}-${high}`];
  if (type !== ONE.type) words.push(type);
  if (slippage !== ONE.slippage) words.push(`${slippage} bps`);
  if (minimum !== ONE.minimum) words.push(`≥ ${minimum}`);
  return words.join(" ");
}

/** The fields of a form, and nothing else. */
function known(form) {
  return Object.fromEntries(Object.keys(ONE).map((field) => [field, form[field] ?? ONE[field]]));
}

/** What was kept; what somebody else may have written there is left out. */
function stored() {
  try {
    const entries = JSON.parse(recall("localStorage", KEY)) ?? [];
    return new Map(entries.map(([name, form]) => [String(name), known(form)]).filter(isForm));
  } catch {
    return new Map();
  }
}

function isForm([, { pairs, ...rest }]) {
  const texts = [...Object.values(rest), ...(Array.isArray(pairs) ? pairs : [null])];
  return texts.every((text) => typeof text === "string");
}

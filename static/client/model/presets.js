/** Presets of the form: the built-in ones, and those that the user saved in the browser. */

import { listInputs } from "./plan/condition_plan.js";
import { PRESETS } from "./plan/order_plan.js";
import { readStored, writeStored } from "./storage.js";

const KEY = "order-engine-presets";
const LAST_KEY = "order-engine-last-order";
const SAVED_PRESETS_MAX = 20;
const [SINGLE_ORDER] = Object.values(PRESETS);

export class Presets {
  #saved = loadSaved();

  /** The names of the built-in presets. */
  get builtInNames() {
    return Object.keys(PRESETS);
  }

  /** The names of the saved presets, the oldest first. */
  get savedNames() {
    return [...this.#saved.keys()];
  }

  get(name) {
    return this.#saved.get(name) ?? PRESETS[name];
  }

  /** Save a form under a name made of its fields; past twenty the oldest are removed. */
  save(form) {
    const name = describeForm(form);
    this.#saved.delete(name);
    this.#saved.set(name, pickFields(form));
    for (const oldest of this.savedNames.slice(0, -SAVED_PRESETS_MAX)) this.#saved.delete(oldest);
    return { name, isStored: this.#persist() };
  }

  remove(name) {
    this.#saved.delete(name);
    this.#persist();
  }

  #persist() {
    return writeStored("localStorage", KEY, JSON.stringify([...this.#saved]));
  }
}

/** Keep what was placed last, for this browser. */
export function saveLastForm(form) {
  writeStored("localStorage", LAST_KEY, JSON.stringify(pickFields(form)));
}

/** What was placed last; null if nothing was. */
export function loadLastForm() {
  try {
    const form = pickFields(JSON.parse(readStored("localStorage", LAST_KEY)) ?? {});
    return readStored("localStorage", LAST_KEY) !== null && isForm(["", form]) ? form : null;
  } catch {
    return null;
  }
}

function describeForm({ count, side, pairs, low, high, type, slippage, impact, minimum, ...rest }) {
  const words = [count, side, pairs.join(" "), low === high ? low : `${low}-${high}`];
  if (type !== SINGLE_ORDER.type) words.push(type);
  for (const input of listInputs({ type, ...rest })) {
    const text = input === "trail" ? `${rest.trail} %` : rest[input];
    if (text && text !== SINGLE_ORDER[input]) words.push(text);
  }
  if (slippage !== SINGLE_ORDER.slippage) words.push(`${slippage} bps`);
  if (impact !== SINGLE_ORDER.impact) words.push(`impact ≤ ${impact} bps`);
  if (minimum !== SINGLE_ORDER.minimum) words.push(`≥ ${minimum}`);
  return words.join(" ");
}

/** The fields of a form, without any others. */
function pickFields(form) {
  const fields = Object.keys(SINGLE_ORDER);
  return Object.fromEntries(fields.map((field) => [field, form[field] ?? SINGLE_ORDER[field]]));
}

/** Load the saved presets; invalid entries, which another script wrote, are skipped. */
function loadSaved() {
  try {
    const entries = JSON.parse(readStored("localStorage", KEY)) ?? [];
    return new Map(entries.map(([name, form]) => [String(name), pickFields(form)]).filter(isForm));
  } catch {
    return new Map();
  }
}

function isForm([, { pairs, ...rest }]) {
  const texts = [...Object.values(rest), ...(Array.isArray(pairs) ? pairs : [null])];
  return texts.every((text) => typeof text === "string");
}

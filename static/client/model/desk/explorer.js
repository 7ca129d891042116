/**
 * The address of a transaction in an explorer, by the user's pattern; the dashboard has the same
 * setting.
 */

import { readStored, writeStored } from "../storage.js";

const STORAGE_KEY = "order-engine-explorer";
const DEFAULT = "https://explorer.solana.com/tx/{signature}?cluster={cluster}";
/** What explorers call the clusters of the API. The simulated chain is in none. */
const NAMES = { "mainnet-beta": "mainnet-beta", devnet: "devnet", testnet: "testnet", localnet: "custom" };

export class Explorer extends EventTarget {
  #pattern = readStored("localStorage", STORAGE_KEY) ?? DEFAULT;
  #cluster = "";

  get pattern() {
    return this.#pattern;
  }

  /** Set the pattern, or the default with an empty one; returns what is wrong with it, if anything. */
  setPattern(text) {
    const pattern = text.trim() || DEFAULT;
    if (!/^https?:\/\//.test(pattern) || !pattern.includes("{signature}")) {
      return "An address that begins with https:// and has {signature}, please.";
    }
    this.#pattern = pattern;
    writeStored("localStorage", STORAGE_KEY, pattern);
    this.dispatchEvent(new Event("change"));
    return "";
  }

  /** Set the cluster that signatures are on, as the API tells it. */
  setCluster(name = "") {
    if (name === this.#cluster) return;
    this.#cluster = name;
    this.dispatchEvent(new Event("change"));
  }

  /** The address of a transaction; null if no explorer shows it. */
  buildAddress(signature) {
    const name = Object.hasOwn(NAMES, this.#cluster) ? NAMES[this.#cluster] : null;
    const isFree = !this.#pattern.includes("{cluster}") && this.#cluster !== "simulated";
    if (name === null && !isFree) return null;
    const address = this.#pattern.replaceAll("{signature}", encodeURIComponent(signature));
    return address.replaceAll("{cluster}", name ?? "");
  }
}

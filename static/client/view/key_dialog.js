/** The dialog that asks for the API key of a server that requires one. */

import { readStored, writeStored } from "../model/storage.js";
import { setText } from "./format.js";

const STORAGE_KEY = "order-engine-key";

export class KeyDialog {
  #dialog;
  #client;

  /** `onGiven` is called with every key that is given. The key of this session is used at once. */
  constructor(dialog, client, onGiven) {
    this.#dialog = dialog;
    this.#client = client;
    client.key = readStored("sessionStorage", STORAGE_KEY);
    dialog.addEventListener("close", () => {
      client.key = dialog.querySelector("#key").value;
      writeStored("sessionStorage", STORAGE_KEY, client.key);
      onGiven();
    });
  }

  /** Ask, unless that is done already. */
  ask() {
    if (this.#dialog.open) return;
    const refused = this.#client.key === null ? "" : "It does not take this key.";
    setText(this.#dialog.querySelector("#key-message"), refused);
    this.#dialog.querySelector("#key").value = "";
    this.#dialog.showModal();
  }
}

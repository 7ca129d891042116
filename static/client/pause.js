/** The view held still, while everything behind it goes on. */

export class Pause {
  /** How many transitions are held back. */
  held = 0;
  #orders = null;
  #nowMs = 0;

  get isOn() {
    return this.#orders !== null;
  }

  /** Show from now on what is shown now. */
  begin(orders, nowMs) {
    this.#orders = orders.map((order) => order.copy());
    this.#nowMs = nowMs;
    this.held = 0;
  }

  end() {
    this.#orders = null;
  }

  /** The orders to be shown, of those that there are. */
  orders(live) {
    return this.#orders ?? live;
  }

  /** The time to be shown. */
  now(nowMs) {
    return this.isOn ? this.#nowMs : nowMs;
  }
}

/** A paused view: the table shows copies of the orders while live orders keep changing. */

export class PausedView {
  /** How many events arrived since the view was paused. */
  heldEvents = 0;
  #frozenOrders = null;
  #frozenMs = 0;

  get isPaused() {
    return this.#frozenOrders !== null;
  }

  /** Pause the view at these orders and this time. */
  begin(orders, nowMs) {
    this.#frozenOrders = orders.map((order) => order.copy());
    this.#frozenMs = nowMs;
    this.heldEvents = 0;
  }

  end() {
    this.#frozenOrders = null;
  }

  /** The orders to show: the frozen ones while paused, else the live ones. */
  selectOrders(liveOrders) {
    return this.#frozenOrders ?? liveOrders;
  }

  /** The time to show: that of the pause, else the present. */
  selectTime(nowMs) {
    return this.isPaused ? this.#frozenMs : nowMs;
  }
}

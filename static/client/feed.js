/**
 * Follows the server: everything that is stored, then everything that happens.
 *
 * The stream is opened first and the stored orders are read while it runs, so that nothing falls
 * between them. When the connection breaks it is made again behind the last event that came, and
 * the server tells what happened meanwhile. A server with another journal says `reset`: then
 * everything is loaded anew.
 */

import { ORDERS_MAX } from "./book.js";
import { Refused, Unreachable } from "./api.js";

const PAGE_ORDERS = 500;
const OPEN_MS = 10_000;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;
/** So much later than promised a heartbeat makes the connection quiet, and then lost. */
const QUIET_AFTER_MS = 3_000;
const LOST_AFTER_MS = 10_000;
/** Refused so often by a server that answers otherwise, a cursor is given up. */
const REFUSALS_MAX = 3;
const BYES = {
  shutting_down: "the server is stopping",
  too_slow: "this page read too slowly",
};

export class Feed extends EventTarget {
  /** What the badge shows. `name`: connecting, loading, live, quiet or offline. */
  state = { name: "connecting", reason: "", retryAtMs: 0, tries: 1 };
  /** The server's clock is this far ahead of ours. */
  skewMs = 0;
  /** How many orders the server has, as it last told. */
  total = 0;
  #client;
  #book;
  #cursor = null;
  #isLoaded = false;
  #heartbeatMs = 5_000;
  #reason = "";
  #refusals = 0;
  #wake = () => {};

  constructor(client, book) {
    super();
    this.#client = client;
    this.#book = book;
  }

  /** Follow for as long as the page is open. */
  async run() {
    for (let tries = 1; ; tries += 1) {
      this.#enter("connecting", { tries });
      this.#reason = "the connection was lost";
      const wasOpen = await this.#follow();
      if (wasOpen) tries = 1;
      const afterMs = wasOpen ? 0 : await this.#askWhy();
      const backoffMs = Math.min(RETRY_MIN_MS * 2 ** (tries - 1), RETRY_MAX_MS);
      const waitMs = Math.max(afterMs, backoffMs * (0.5 + Math.random() / 2));
      this.#enter("offline", { reason: this.#reason, retryAtMs: Date.now() + waitMs, tries });
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, waitMs);
      });
    }
  }

  /** Do not wait any longer before the next try. */
  retryNow() {
    this.#wake();
  }

  #enter(name, rest = {}) {
    this.state = { reason: "", retryAtMs: 0, tries: 1, ...rest, name };
    this.dispatchEvent(new Event("state"));
  }

  /** One connection, to its end; whether it ever was one. */
  #follow() {
    return new Promise((resolve) => {
      const over = new AbortController();
      let isOpen = false;
      let quiet, lost;
      const socket = new WebSocket(this.#client.streamUrl(this.#cursor));
      const end = () => {
        over.abort();
        clearTimeout(quiet);
        clearTimeout(lost);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(isOpen);
      };
      const giveUp = () => {
        this.#reason = "the server says nothing";
        end();
      };
      const expectMore = () => {
        clearTimeout(quiet);
        clearTimeout(lost);
        if (this.state.name === "quiet") this.#enter("live");
        quiet = setTimeout(() => {
          if (this.state.name === "live") this.#enter("quiet");
        }, this.#heartbeatMs + QUIET_AFTER_MS);
        lost = setTimeout(giveUp, this.#heartbeatMs + LOST_AFTER_MS);
      };
      lost = setTimeout(giveUp, OPEN_MS);
      socket.onclose = end;
      socket.onmessage = ({ data }) => {
        isOpen = true;
        const message = JSON.parse(data);
        this.#take(message);
        if (message.hello && !this.#isLoaded) this.#load(over.signal).catch(end);
        expectMore();
      };
    });
  }

  #take(message) {
    if (Array.isArray(message)) {
      this.#cursor = message.at(-1).cursor;
      this.#book.apply(message);
      this.dispatchEvent(new CustomEvent("events", { detail: message }));
    } else if (message.hello) {
      this.#greet(message.hello);
    } else if (message.heartbeat) {
      this.#cursor = message.heartbeat.cursor;
    } else if (message.bye) {
      this.#reason = BYES[message.bye.reason] ?? message.bye.reason;
    }
  }

  #greet(hello) {
    this.#refusals = 0;
    this.skewMs = Date.parse(hello.at) - Date.now();
    this.#heartbeatMs = hello.heartbeatS * 1_000;
    this.#cursor = hello.cursor;
    if (hello.reset) {
      this.#book.clear();
      this.#isLoaded = false;
      this.dispatchEvent(new Event("reset"));
    }
    this.#enter(this.#isLoaded ? "live" : "loading");
  }

  /** Read what is stored; an error ends the connection, and the next one begins this again. */
  async #load(signal) {
    this.#book.beginLoading();
    try {
      this.total = (await this.#client.stats()).total;
      let query = { limit: PAGE_ORDERS };
      for (let loaded = 0; query !== null && loaded < ORDERS_MAX; ) {
        const page = await this.#client.orders(query);
        if (signal.aborted) return;
        this.#book.store(page.orders);
        this.dispatchEvent(new Event("page"));
        loaded += page.orders.length;
        query = page.next === null ? null : { limit: PAGE_ORDERS, cursor: page.next };
      }
      this.#isLoaded = true;
      this.#book.endLoading(query === null);
      this.#enter("live");
    } catch (error) {
      this.#reason = reasonOf(error);
      throw error;
    }
  }

  /** A browser does not tell why a WebSocket was refused: ask in a way that does. */
  async #askWhy() {
    try {
      await this.#client.stats();
    } catch (error) {
      this.#reason = reasonOf(error);
      if (error.status === 401) this.dispatchEvent(new Event("key"));
      return error.retryAfterMs ?? 0;
    }
    this.#refusals += 1;
    if (this.#refusals >= REFUSALS_MAX) {
      this.#cursor = null;
      this.#isLoaded = false;
    }
    this.#reason = "the server does not open the stream";
    return 0;
  }
}

function reasonOf(error) {
  if (error instanceof Refused || error instanceof Unreachable) return error.message;
  throw error;
}

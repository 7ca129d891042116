/**
 * Keeps the order store in step with the server: loads all stored orders, then follows the stream.
 *
 * The stream is opened first and the pages of stored orders are read while it runs, so that no
 * event falls between them. A dead connection is reopened with the cursor of the last event, and
 * the server replays what happened meanwhile. If the server has another journal its `hello` has
 * `reset`: then everything is loaded again.
 */

import { ORDERS_MAX } from "../model/order_store.js";
import { ProblemError, UnreachableError } from "./api.js";

const PAGE_ORDERS = 500;
const CONNECT_TIMEOUT_MS = 10_000;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** A heartbeat this late makes the state quiet, and one this late ends the connection. */
const QUIET_AFTER_MS = 3_000;
const LOST_AFTER_MS = 10_000;
/** After this many refused streams from a server that is up, the cursor is dropped. */
const REFUSALS_MAX = 3;
const CLOSE_REASONS = {
  shutting_down: "the server is stopping",
  too_slow: "this page read too slowly",
  access_ended: "the access has ended: the key was revoked or has expired, or one is asked for from now on",
  try_again_later: "the server could not open the stream now",
  internal_error: "the server met a fault of its own",
};

export class EventFeed extends EventTarget {
  /** The connection's state. `name`: connecting, loading, live, quiet, offline or refused. */
  state = { name: "connecting", reason: "", retryAtMs: 0, attempt: 1 };
  /** How far the server's clock is ahead of the browser's. */
  skewMs = 0;
  /** How many orders the server had when loading began. */
  total = 0;
  #client;
  #store;
  #cursor = null;
  #isLoaded = false;
  #heartbeatMs = 5_000;
  #reason = "";
  #refusals = 0;
  #error = null;
  #endWait = () => {};
  #endConnection = () => {};
  /** The pairs whose prices the stream tells as well. */
  #pairs = [];
  /** Those that the present connection was opened with. */
  #openPairs = [];
  /** Whether the connection is ended for another one at once, which asks for other prices. */
  #isReopening = false;

  constructor(client, store) {
    super();
    this.#client = client;
    this.#store = store;
  }

  /**
   * Connect, and reconnect with backoff, for as long as the page is open. After a refusal it waits
   * for `retryNow`.
   */
  async run() {
    for (let attempt = 1; ; attempt += 1) {
      if (!this.#isReopening) this.#setState("connecting", { attempt });
      this.#isReopening = false;
      this.#reason = "the connection was lost";
      const wasOpen = await this.#connect();
      if (this.#isReopening) {
        attempt = 0;
        continue;
      }
      if (wasOpen) attempt = 1;
      const error = wasOpen ? null : await this.#diagnoseFailure();
      if (error?.isRefusal) {
        attempt = 0;
        await this.#awaitUser(error);
        continue;
      }
      const backoffMs = Math.min(BACKOFF_MIN_MS * 2 ** (attempt - 1), BACKOFF_MAX_MS);
      const waitMs = Math.max(error?.retryAfterMs || 0, backoffMs * (0.5 + Math.random() / 2));
      this.#setState("offline", { reason: this.#reason, retryAtMs: Date.now() + waitMs, attempt });
      await new Promise((resolve) => {
        this.#endWait = resolve;
        setTimeout(resolve, waitMs);
      });
    }
  }

  /** Wait until the user has given a key, or asks to try again. */
  async #awaitUser(error) {
    const isAnswered = new Promise((resolve) => {
      this.#endWait = resolve;
    });
    this.#setState("refused", { reason: this.#reason });
    if (error.status === 401) this.dispatchEvent(new Event("key"));
    await isAnswered;
  }

  /** Tell `prices` of these pairs too: the stream is opened anew, and goes on where it was. */
  watchPrices(pairs) {
    this.#pairs = pairs;
    this.#reopen();
  }

  /** Open the stream anew if it tells other prices than are asked for; not while orders load. */
  #reopen() {
    const isOpen = ["live", "quiet"].includes(this.state.name);
    if (!isOpen || this.#openPairs.join() === this.#pairs.join()) return;
    this.#isReopening = true;
    this.#endConnection();
  }

  /** The time by the server's clock. */
  serverNow() {
    return Date.now() + this.skewMs;
  }

  /** Skip the rest of the backoff. */
  retryNow() {
    this.#endWait();
  }

  /** Load all orders of a batch, also those that are too old to be in the store. */
  async loadBatch(batchId) {
    let query = { batchId, limit: PAGE_ORDERS };
    while (query !== null) {
      const page = await this.#client.listOrders(query);
      this.#store.storePage(page.orders);
      query = page.next === null ? null : { batchId, limit: PAGE_ORDERS, cursor: page.next };
    }
  }

  /** Load all orders that are open, also those that are too old to be in the store. */
  async #loadOpen() {
    let query = { status: "open", limit: PAGE_ORDERS };
    for (let loaded = 0; query !== null && loaded < ORDERS_MAX; ) {
      const page = await this.#client.listOrders(query);
      this.#store.storePage(page.orders);
      loaded += page.orders.length;
      query = page.next === null ? null : { ...query, cursor: page.next };
    }
  }

  #setState(name, rest = {}) {
    this.state = { reason: "", retryAtMs: 0, attempt: 1, ...rest, name };
    this.dispatchEvent(new Event("state"));
  }

  /** Open one connection and run it to its end; resolves to whether it was ever open. */
  async #connect() {
    this.#error = null;
    try {
      this.#openPairs = this.#pairs;
      return await this.#runConnection(await this.#client.getStreamUrl(this.#cursor, this.#pairs));
    } catch (error) {
      this.#reason = describeError(error);
      this.#error = error;
      return false;
    }
  }

  #runConnection(url) {
    return new Promise((resolve) => {
      const connectionEnd = new AbortController();
      let isOpen = false;
      let quietTimer, lostTimer;
      const socket = new WebSocket(url);
      const end = () => {
        connectionEnd.abort();
        clearTimeout(quietTimer);
        clearTimeout(lostTimer);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(isOpen);
      };
      this.#endConnection = end;
      const onTimeout = () => {
        this.#reason = "the server says nothing";
        end();
      };
      const restartTimers = () => {
        clearTimeout(quietTimer);
        clearTimeout(lostTimer);
        if (this.state.name === "quiet") this.#setState("live");
        quietTimer = setTimeout(() => {
          if (this.state.name === "live") this.#setState("quiet");
        }, this.#heartbeatMs + QUIET_AFTER_MS);
        lostTimer = setTimeout(onTimeout, this.#heartbeatMs + LOST_AFTER_MS);
      };
      lostTimer = setTimeout(onTimeout, CONNECT_TIMEOUT_MS);
      socket.onclose = end;
      socket.onmessage = ({ data }) => {
        isOpen = true;
        const message = JSON.parse(data);
        this.#handleMessage(message);
        if (message.hello && !this.#isLoaded) this.#loadOrders(connectionEnd.signal).catch(end);
        restartTimers();
      };
    });
  }

  #handleMessage(message) {
    if (Array.isArray(message)) {
      this.#cursor = message.at(-1).cursor;
      this.#store.applyEvents(message);
      this.dispatchEvent(new CustomEvent("events", { detail: message }));
    } else if (message.hello) {
      this.#handleHello(message.hello);
    } else if (message.prices) {
      this.dispatchEvent(new CustomEvent("prices", { detail: message.prices }));
    } else if (message.heartbeat) {
      this.#cursor = message.heartbeat.cursor;
    } else if (message.bye) {
      this.#reason = CLOSE_REASONS[message.bye.reason] ?? message.bye.reason;
    }
  }

  #handleHello(hello) {
    this.#refusals = 0;
    this.skewMs = Date.parse(hello.at) - Date.now();
    this.#heartbeatMs = hello.heartbeatS * 1_000;
    this.#cursor = hello.cursor;
    if (hello.reset) {
      this.#store.clear();
      this.#isLoaded = false;
      this.dispatchEvent(new Event("reset"));
    }
    this.#setState(this.#isLoaded ? "live" : "loading");
    this.dispatchEvent(new Event("hello"));
    this.#reopen(); // what is asked for may have changed since the address was made
  }

  /** Load the stored orders; an error ends the connection, and the next one starts over. */
  async #loadOrders(signal) {
    this.#store.beginLoading();
    try {
      this.total = (await this.#client.getStats()).total;
      let query = { limit: PAGE_ORDERS };
      for (let loaded = 0; query !== null && loaded < ORDERS_MAX; ) {
        const page = await this.#client.listOrders(query);
        if (signal.aborted) return;
        this.#store.storePage(page.orders);
        this.dispatchEvent(new Event("page"));
        loaded += page.orders.length;
        query = page.next === null ? null : { limit: PAGE_ORDERS, cursor: page.next };
      }
      if (query !== null) await this.#loadOpen();
      if (signal.aborted) return;
      this.#isLoaded = true;
      this.#store.endLoading(query === null);
      this.#setState("live");
      this.#reopen();
    } catch (error) {
      this.#reason = describeError(error);
      throw error;
    }
  }

  /**
   * The error that kept the connection from being opened, or null. Browsers hide why a WebSocket
   * was refused: a plain request gets the reason.
   */
  async #diagnoseFailure() {
    if (this.#error !== null) return this.#error;
    try {
      await this.#client.getStats();
    } catch (error) {
      this.#reason = describeError(error);
      return error;
    }
    this.#refusals += 1;
    if (this.#refusals >= REFUSALS_MAX) {
      this.#cursor = null;
      this.#isLoaded = false;
    }
    this.#reason = "the server does not open the stream; behind a proxy, check its settings";
    return null;
  }
}

function describeError(error) {
  if (error instanceof ProblemError || error instanceof UnreachableError) return error.message;
  throw error;
}

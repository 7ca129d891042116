/** Client of the HTTP API: a method returns the response's body, or throws. It keeps no state. */

const REQUEST_TIMEOUT_MS = 30_000;
const FILE_TIMEOUT_MS = 600_000;
const QUOTE_FIELDS = [
  "tokenIn", "tokenOut", "amount", "slippageBps", "maxPriceImpactBps", "minAmountOut",
];
/** What the server's paths are relative to: a proxy may serve it under a prefix. */
const BASE_URL = new URL("../../../", import.meta.url);

/** The server responded with a problem (RFC 9457). */
export class ProblemError extends Error {
  constructor(status, problem, retryAfterMs) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? String(status);
    this.errors = problem.errors ?? [];
    this.orders = problem.orders ?? null;
    this.order = problem.order ?? null;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the server refuses whoever asks: it does so again until something is changed. */
  get isRefusal() {
    return this.status === 401 || this.status === 403;
  }

  /** Whether a retry of the same request may succeed. */
  get isTemporary() {
    return this.status === 429 || this.status === 503;
  }
}

/** There is no response: the network failed or the request timed out. */
export class UnreachableError extends Error {}

export class ApiClient {
  /** The API key, on servers that require one. */
  key = null;

  /** One page of stored orders: `{orders, next}`. */
  listOrders(query = {}) {
    return this.#request("GET", `api/orders?${new URLSearchParams(query)}`);
  }

  getOrder(id) {
    return this.#request("GET", `api/orders/${encodeURIComponent(id)}`);
  }

  async listEvents(id) {
    return (await this.#request("GET", `api/orders/${encodeURIComponent(id)}/events`)).events;
  }

  getStats() {
    return this.#request("GET", "api/stats");
  }

  /** What the wallets hold, and the changes of it that no order explains, the last one first. */
  getBalances() {
    return this.#request("GET", "api/balances");
  }

  /** What fills did to each token, and what that is worth now. */
  getPositions() {
    return this.#request("GET", "api/positions");
  }

  /** The limits of the owner, what is used and what is left. */
  getLimits() {
    return this.#request("GET", "api/limits");
  }

  /** One page of fills: `{fills, next}`. */
  listFills(query = {}) {
    return this.#request("GET", `api/fills?${new URLSearchParams(query)}`);
  }

  /** The fills of a time as a CSV file, a `Blob`. */
  getFillsFile(query = {}) {
    const headers = { Accept: "text/csv" };
    return this.#request("GET", `api/fills?${new URLSearchParams(query)}`, { headers, timeoutMs: FILE_TIMEOUT_MS });
  }

  /** The sums over the orders that ended in a time. */
  getReport(query = {}) {
    return this.#request("GET", `api/report?${new URLSearchParams(query)}`);
  }

  /** The bars of a pair: `{bars}`. */
  listPrices(query, signal) {
    return this.#request("GET", `api/prices?${new URLSearchParams(query)}`, { signal });
  }

  /** Both venues' quotes for an order, without placing it. */
  getQuotes(terms, signal) {
    const swap = Object.fromEntries(QUOTE_FIELDS.map((name) => [name, terms[name]]));
    return this.#request("POST", "api/quotes", { body: swap, signal });
  }

  /** Place one order. `key` makes retries idempotent: they get the first response again. */
  placeOrder(order, key) {
    return this.#request("POST", "api/orders/execute", { body: order, key });
  }

  /** Place many orders; the result has an entry for each, at the same index. */
  placeBatch(orders, key) {
    return this.#request("POST", "api/orders/batch", { body: { orders }, key });
  }

  /** Change an order that waits, as of its step `seq`: else 412, with the order as it is. */
  amendOrder(id, seq, changes) {
    const headers = { "If-Match": `"${seq}"` };
    return this.#request("PATCH", `api/orders/${encodeURIComponent(id)}`, { body: changes, headers });
  }

  /** Cancel an order that is not submitted, else `too_late`; a repeat gets the same. */
  cancelOrder(id) {
    return this.#request("DELETE", `api/orders/${encodeURIComponent(id)}`);
  }

  /** Cancel the open orders of a filter, a bounded number: `{cancelled, tooLate, next}`. */
  cancelMatching(query) {
    return this.#request("DELETE", `api/orders?${new URLSearchParams(query)}`);
  }

  /**
   * The URL of the stream of events behind a cursor, or from now on, and of the prices of pairs; it
   * opens one socket.
   */
  async getStreamUrl(after, pairs = []) {
    const url = new URL("api/orders/stream", BASE_URL);
    url.protocol = url.protocol.replace("http", "ws");
    if (after) url.searchParams.set("after", after);
    if (pairs.length > 0) url.searchParams.set("prices", pairs.join(","));
    // A browser cannot give a WebSocket headers, and a key in an address ends in logs.
    if (this.key) {
      const { ticket } = await this.#request("POST", "api/tickets");
      url.searchParams.set("ticket", ticket);
    }
    return url;
  }

  async #request(method, path, { body, key, signal, headers: given, timeoutMs = REQUEST_TIMEOUT_MS } = {}) {
    const headers = { ...given };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key !== undefined) headers["Idempotency-Key"] = key;
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    const timeout = AbortSignal.timeout(timeoutMs);
    let response, result;
    try {
      response = await fetch(new URL(path, BASE_URL), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      const isFile = response.headers.get("Content-Type")?.startsWith("text/csv");
      result = await (isFile ? response.blob() : response.json());
    } catch (error) {
      signal?.throwIfAborted();
      throw new UnreachableError(describeFailure(error, response, timeoutMs), { cause: error });
    }
    if (response.ok) return result;
    throw new ProblemError(response.status, result, Number(response.headers.get("Retry-After")) * 1_000);
  }
}

/** What went wrong, in words: those of browsers are of programs, and differ. */
function describeFailure({ name }, response, timeoutMs) {
  if (name === "TimeoutError") {
    return `the server has not answered within ${timeoutMs / 1_000} s`;
  }
  if (response === undefined) return "the server cannot be reached";
  return `the answer of the server (${response.status}) broke off, or is none of its API`;
}

/** A new idempotency key, for one request and all its retries. */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The API as calls: an answer is returned, a refusal or silence is thrown. Nothing is remembered. */

const ANSWER_MS = 30_000;

/** The server answers with a problem (RFC 9457). */
export class Refused extends Error {
  constructor(status, problem, retryAfterMs) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? String(status);
    this.errors = problem.errors ?? [];
    this.orders = problem.orders ?? null;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed at another time. */
  get isTemporary() {
    return this.status === 429 || this.status === 503;
  }
}

/** The server gives no answer. */
export class Unreachable extends Error {}

export class Client {
  /** The key that some servers ask for. */
  key = null;

  /** One page of stored orders: `{orders, next}`. */
  orders(query = {}) {
    return this.#ask("GET", `/api/orders?${new URLSearchParams(query)}`);
  }

  order(id) {
    return this.#ask("GET", `/api/orders/${encodeURIComponent(id)}`);
  }

  async events(id) {
    return (await this.#ask("GET", `/api/orders/${encodeURIComponent(id)}/events`)).events;
  }

  stats() {
    return this.#ask("GET", "/api/stats");
  }

  /** Both venues' offers for an order, without placing it. */
  quote(terms, signal) {
    const { type, limitPrice, ...swap } = terms;
    return this.#ask("POST", "/api/quotes", { body: swap, signal });
  }

  /** Place one order. `key` names this request: asked twice, it is answered twice alike. */
  place(order, key) {
    return this.#ask("POST", "/api/orders/execute", { body: order, key });
  }

  /** Place many orders; each is answered in its place. */
  placeAll(orders, key) {
    return this.#ask("POST", "/api/orders/batch", { body: { orders }, key });
  }

  /** The address of the stream behind a cursor, or from now on. */
  streamUrl(after) {
    const url = new URL("/api/orders/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (after) url.searchParams.set("after", after);
    // A browser cannot give a WebSocket headers.
    if (this.key) url.searchParams.set("access_token", this.key);
    return url;
  }

  async #ask(method, path, { body, key, signal } = {}) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key !== undefined) headers["Idempotency-Key"] = key;
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    const ends = AbortSignal.timeout(ANSWER_MS);
    let response, answer;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, ends]) : ends,
      });
      answer = await response.json();
    } catch (error) {
      signal?.throwIfAborted();
      throw new Unreachable(`the server does not answer (${error.name})`, { cause: error });
    }
    if (response.ok) return answer;
    throw new Refused(response.status, answer, Number(response.headers.get("Retry-After")) * 1_000);
  }
}

/** A key for one request that may have to be sent more than once. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

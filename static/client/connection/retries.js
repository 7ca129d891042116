/** Retries of a request that fails for a while; one idempotency key makes them safe. */

import { newIdempotencyKey, UnreachableError } from "./api.js";

const ATTEMPTS_MAX = 8;

/** Send with a new idempotency key until it succeeds or fails for good; `onWait` gets the reason. */
export async function sendWithRetries(send, onWait) {
  const key = newIdempotencyKey();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send(key);
    } catch (error) {
      const isTemporary = error instanceof UnreachableError || error.isTemporary;
      if (!isTemporary || attempt === ATTEMPTS_MAX) throw error;
      const waitMs = Math.max(error.retryAfterMs || 0, attempt * 500);
      onWait(`${error.message}; trying again in ${(waitMs / 1_000).toFixed(1)} s`);
      await sleep(waitMs);
    }
  }
}

export function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Requests that repeat, for what is no step of an order, so that no event tells it. */

import { ProblemError, UnreachableError } from "./api.js";

/**
 * Call `ask` every `intervalMs` as long as the page is open, while it is visible and `isNeeded`.
 *
 * Otherwise that is looked at again after `idleMs`. What the server refuses is passed over.
 */
export async function poll(isNeeded, ask, intervalMs, idleMs = intervalMs) {
  for (;;) {
    const isAsked = isNeeded() && !document.hidden;
    if (isAsked) await askOnce(ask);
    await new Promise((resolve) => {
      setTimeout(resolve, isAsked ? intervalMs : idleMs);
    });
  }
}

async function askOnce(ask) {
  try {
    await ask();
  } catch (error) {
    // The feed of events tells what is wrong with the connection; what was shown last stays.
    if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
  }
}

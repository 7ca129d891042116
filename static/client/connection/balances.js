/**
 * Asks the server, twice a minute, for differences of balances that no order explains.
 *
 * They are no steps of an order, so no event tells them, and the server compares balances once a
 * minute. Nothing is asked while the page is hidden.
 */

import { ProblemError, UnreachableError } from "./api.js";

const INTERVAL_MS = 30_000;
const LIVE_CHECK_MS = 1_000;

/** Show the latest differences in a `line`, as long as the page is open, while `isLive`. */
export async function followDifferences(client, isLive, line) {
  for (;;) {
    const isAsked = isLive() && !document.hidden;
    if (isAsked) await refresh(client, line);
    await new Promise((resolve) => {
      setTimeout(resolve, isAsked ? INTERVAL_MS : LIVE_CHECK_MS);
    });
  }
}

async function refresh(client, line) {
  try {
    line.show(await client.listDifferences());
  } catch (error) {
    // The node may be away: the last ones stay.
    if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
  }
}

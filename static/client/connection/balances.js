/**
 * Asks the server, twice a minute, for differences of balances that no order explains.
 *
 * They are no steps of an order, so no event tells them, and the server compares balances once a
 * minute. Nothing is asked while the page is hidden.
 */

import { poll } from "./polling.js";

const INTERVAL_MS = 30_000;
const LIVE_CHECK_MS = 1_000;

/** Show the latest differences in a `line`, as long as the page is open, while `isLive`. */
export async function followDifferences(client, isLive, line) {
  const refresh = async () => line.show(await client.listDifferences());
  await poll(isLive, refresh, INTERVAL_MS, LIVE_CHECK_MS);
}

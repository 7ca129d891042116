/**
 * Cancels orders: whole batches at once, the others by their ids, and counts what becomes of each.
 *
 * A cancellation can be repeated: an order that is cancelled already is cancelled again without
 * any change. So a request without an answer is sent again, and no order is counted twice.
 */

import { ProblemError, UnreachableError } from "./api.js";
import { sendWithRetries } from "./retries.js";

const REQUESTS_MAX = 6;

/**
 * Cancel each of the orders that can be. `batchIds` are those of which they are all open orders;
 * `onProgress` gets the outcome after each answer. The first refusal of this client, and a server
 * that does not answer, ends it: `error` says why.
 */
export async function cancelOrders(client, ids, batchIds, onProgress) {
  const outcome = {
    total: ids.length, cancelled: 0, tooLate: {}, mayLandUntil: 0, unknown: 0, unanswered: 0, error: "",
  };
  const cancelled = await cancelBatches(client, batchIds);
  const rest = ids.filter((id) => !cancelled.has(id));
  outcome.cancelled = ids.length - rest.length;
  onProgress(outcome);
  const queue = rest.values(); // shared: each sender takes the next order
  const senders = Array.from({ length: REQUESTS_MAX }, () =>
    cancelFromQueue(client, queue, outcome, onProgress),
  );
  await Promise.all(senders);
  return outcome;
}

/** The ids that are cancelled for certain; what goes wrong is met again when the rest is cancelled. */
async function cancelBatches(client, batchIds) {
  const cancelled = new Set();
  try {
    for (const batchId of batchIds) {
      let query = { batchId };
      while (query !== null) {
        const page = await client.cancelMatching(query);
        for (const id of page.cancelled) cancelled.add(id);
        query = page.next === null ? null : { batchId, cursor: page.next };
      }
    }
  } catch (error) {
    if (!(error instanceof ProblemError || error instanceof UnreachableError)) throw error;
  }
  return cancelled;
}

async function cancelFromQueue(client, queue, outcome, onProgress) {
  for (const id of queue) {
    if (outcome.error !== "") return;
    try {
      await sendWithRetries(() => client.cancelOrder(id), () => {});
      outcome.cancelled += 1;
    } catch (error) {
      countError(outcome, error);
    }
    onProgress(outcome);
  }
}

function countError(outcome, error) {
  const isProblem = error instanceof ProblemError;
  if (!(isProblem || error instanceof UnreachableError)) throw error;
  if (isProblem && error.code === "too_late") {
    const { status, mayLandUntil } = error.order;
    outcome.tooLate[status] = (outcome.tooLate[status] ?? 0) + 1;
    outcome.mayLandUntil = Math.max(outcome.mayLandUntil, mayLandUntil ?? 0);
  } else if (isProblem && error.status === 404) {
    outcome.unknown += 1;
  } else {
    // Without an answer it may have been cancelled all the same.
    if (!isProblem || error.isTemporary) outcome.unanswered += 1;
    outcome.error = error.message;
  }
}

/** Places many orders as batches, each of which is safe to send again. */

import { saveSent } from "../model/desk/batches.js";
import { sendWithRetries, sleep } from "./retries.js";

const BATCH_ORDERS_MAX = 1_000;

/**
 * Place orders, at most `pace` a second, or all at once for 0. `onWait` gets why a request is sent
 * again, `onProgress` how many are sent. The result has how many were accepted, the ids of the
 * batches, and each refused order with its problem.
 */
export async function placeInBatches(client, orders, pace, { onWait, onProgress = () => {} }) {
  const size = Math.min(pace || BATCH_ORDERS_MAX, BATCH_ORDERS_MAX);
  const result = { accepted: 0, batchIds: [], refused: [] };
  for (let start = 0; start < orders.length; start += size) {
    if (start > 0 && pace > 0) await sleep(1_000);
    const chunk = orders.slice(start, start + size);
    const answer = await placeBatch(client, chunk, onWait);
    result.accepted += answer.accepted;
    if (answer.batchId) result.batchIds.push(answer.batchId);
    chunk.forEach((order, index) => {
      const { problem } = answer.orders[index];
      if (problem) result.refused.push({ order, problem });
    });
    onProgress(start + chunk.length);
  }
  saveSent(result.batchIds);
  return result;
}

async function placeBatch(client, orders, onWait) {
  try {
    return await sendWithRetries((key) => client.placeBatch(orders, key), onWait);
  } catch (error) {
    if (!error.orders) throw error;
    return { accepted: 0, batchId: null, orders: error.orders };
  }
}

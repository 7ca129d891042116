/** Reads failed orders as they are stored, to send those again that may pass. */

import { buildTerms, canPass, explainLeftOut } from "../../model/desk/resubmission.js";

const PAGE_ORDERS = 500;
const REQUESTS_MAX = 8;

/** The terms of the failed orders of some batches that may pass, and how many are left out. */
export async function loadFailed(batchIds, client, nowMs) {
  const found = { terms: [], leftOut: new Map() };
  for (const batchId of batchIds) {
    let query = { batchId, status: "failed", limit: PAGE_ORDERS };
    while (query !== null) {
      const page = await client.listOrders(query);
      for (const stored of page.orders) addOrder(found, stored, nowMs);
      query = page.next === null ? null : { ...query, cursor: page.next };
    }
  }
  return found;
}

/** The same of orders by their ids, the oldest first. */
export async function loadFailedById(ids, client, nowMs) {
  const found = { terms: [], leftOut: new Map() };
  for (let start = 0; start < ids.length; start += REQUESTS_MAX) {
    const orders = await Promise.all(ids.slice(start, start + REQUESTS_MAX).map((id) => client.getOrder(id)));
    for (const stored of orders) if (stored.status === "failed") addOrder(found, stored, nowMs);
  }
  return found;
}

function addOrder({ terms, leftOut }, stored, nowMs) {
  const code = /^(\w+): /.exec(stored.lastError ?? "")?.[1] ?? "unknown";
  const reason = canPass(code) ? explainLeftOut(stored) : `${code} cannot pass as it was sent`;
  if (reason === "") terms.push(buildTerms(stored, nowMs));
  else leftOut.set(reason, (leftOut.get(reason) ?? 0) + 1);
}

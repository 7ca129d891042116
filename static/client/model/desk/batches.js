/** Batches: what was sent as one is one, whatever the number of requests that it took. */

import { readStored, writeStored } from "../storage.js";

const SENT_KEY = "order-engine-sent-batches";
const SENT_MAX = 100;
let sentCache = null;

/** Keep the ids of the requests of one batch of this browser, if it took several. */
export function saveSent(batchIds) {
  if (batchIds.length < 2) return;
  const sent = [...loadSent(), batchIds].slice(-SENT_MAX);
  sentCache = sent;
  writeStored("localStorage", SENT_KEY, JSON.stringify(sent));
}

/** How many batches some requests were. */
export function countBatches(batchIds) {
  const others = loadSent().flatMap(([first, ...rest]) => (batchIds.has(first) ? rest : rest.slice(1)));
  return batchIds.size - others.filter((id) => batchIds.has(id)).length;
}

function loadSent() {
  sentCache ??= parseSent(readStored("localStorage", SENT_KEY));
  return sentCache;
}

function parseSent(text) {
  try {
    const sent = JSON.parse(text) ?? [];
    return sent.filter((ids) => Array.isArray(ids) && ids.every((id) => typeof id === "string"));
  } catch {
    return []; // another script wrote it
  }
}

/**
 * The batches of some orders, the newest first, with their counts. `isComplete`: whether all orders
 * of the server are among them; else the oldest batch may have more.
 */
export function groupBatches(orders, isComplete) {
  const first = new Map(loadSent().flatMap((ids) => ids.map((id) => [id, ids[0]])));
  const batches = new Map();
  for (const order of orders) {
    if (order.batchId === null) continue;
    const id = first.get(order.batchId) ?? order.batchId;
    let batch = batches.get(id);
    if (batch === undefined) batches.set(id, (batch = createBatch(id)));
    addOrder(batch, order);
  }
  const found = [...batches.values()].sort((a, b) => b.sentMs - a.sentMs);
  const oldest = found.at(-1);
  if (oldest !== undefined) oldest.isPartial = !isComplete;
  return found;
}

function createBatch(id) {
  return {
    id, ids: new Set(), total: 0, confirmed: 0, failed: 0, withdrawn: 0, waiting: 0, inFlight: 0,
    sentMs: Infinity, changedMs: 0, pairs: new Map(), reasons: new Map(), isPartial: false,
  };
}

function addOrder(batch, order) {
  const { status, pair } = order;
  batch.ids.add(order.batchId);
  batch.total += 1;
  if (status === "confirmed" || status === "failed" || status === "waiting") batch[status] += 1;
  else batch[order.hasEnded ? "withdrawn" : "inFlight"] += 1;
  batch.sentMs = Math.min(batch.sentMs, order.createdMs);
  batch.changedMs = Math.max(batch.changedMs, order.updatedMs);
  batch.pairs.set(pair.name, (batch.pairs.get(pair.name) ?? 0) + 1);
  if (status !== "failed") return;
  batch.reasons.set(order.code, (batch.reasons.get(order.code) ?? 0) + 1);
}

/** How many orders of a batch have ended. */
export function countEnded({ confirmed, failed, withdrawn }) {
  return confirmed + failed + withdrawn;
}

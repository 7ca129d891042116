/**
 * The page: connects the event feed, the order store and the views.
 *
 * Events only schedule a frame, so that the page is rendered at most once a frame. The orders to
 * show are filtered and sorted a few times a second, and the summary is computed twice a second:
 * both are linear in the number of orders, rendering the visible rows is not.
 */

import { ApiClient } from "./connection/api.js";
import { followDifferences } from "./connection/balances.js";
import { DistanceFeed } from "./connection/distances.js";
import { EventFeed } from "./connection/feed.js";
import { StoppedFeed } from "./connection/stopped_feed.js";
import { FilterError, parseFilter } from "./model/filter.js";
import { OrderStore } from "./model/order_store.js";
import { PausedView } from "./model/paused_view.js";
import { canAmend } from "./model/plan/amendment.js";
import { describeTerms } from "./model/plan/order_plan.js";
import { summarize } from "./model/summary.js";
import { AmendDialog } from "./view/amend_dialog.js";
import { CancelDialog } from "./view/cancel_dialog.js";
import { saveCsv, sortOrders } from "./view/columns.js";
import { formatCount, formatCounted, setText } from "./view/format.js";
import { KeyDialog } from "./view/key_dialog.js";
import { OrderDetail } from "./view/order_detail.js";
import { OrderForm } from "./view/order_form.js";
import { OrderTable } from "./view/order_table.js";
import { Announcer, ConnectionBadge, DifferenceLine, SummaryBar } from "./view/summary_bar.js";

const VIEW_INTERVAL_MS = 200;
const SUMMARY_INTERVAL_MS = 500;
const CLOCK_INTERVAL_MS = 250;

const byId = (id) => document.getElementById(id);

const client = new ApiClient();
const store = new OrderStore();
const feed = new EventFeed(client, store);
const keyDialog = new KeyDialog(byId("key-dialog"), client, () => feed.retryNow());
const orderForm = new OrderForm(byId("order-form"), client);
const orderTable = new OrderTable(byId("scroller"), byId("orders"));
const detail = new OrderDetail(byId("detail"), client, store);
const cancelDialog = new CancelDialog(byId("cancel-dialog"), byId("cancel-outcome"), client, store);
const amendDialog = new AmendDialog(byId("amend-dialog"), client, store);
const distances = new DistanceFeed(client, store, () => detail.id);
const connectionBadge = new ConnectionBadge(byId("badge"), byId("retry"));
const summaryBar = new SummaryBar(byId("summary"));
const announcer = new Announcer(byId("announcements"));

const pausedView = new PausedView();
const serverNow = () => Date.now() + feed.skewMs;

// Rendering

let viewOrders = [];
let viewVersion = -1;
let viewUpdatedAt = 0;
let viewUpdateMs = 0;
let isViewStale = true;
let isMatch = parseFilter("");
let isDisconnected = true;
let isFrameScheduled = false;
let frameTimer = null;

function scheduleFrame() {
  if (isFrameScheduled) return;
  isFrameScheduled = true;
  requestAnimationFrame(() => {
    isFrameScheduled = false;
    const frameAt = performance.now();
    // Updates of the view take at most a twentieth of the time, however many orders there are.
    const intervalMs = Math.max(VIEW_INTERVAL_MS, 20 * viewUpdateMs);
    if (isViewStale || frameAt - viewUpdatedAt > intervalMs) updateView(frameAt);
    else if (viewVersion !== store.version) frameTimer ??= setTimeout(onFrameTimer, VIEW_INTERVAL_MS);
    orderTable.paint(pausedView.selectTime(serverNow()));
    paintPauseButton();
    detail.paint();
  });
}

function onFrameTimer() {
  frameTimer = null;
  scheduleFrame();
}

function updateView(frameAt) {
  if (isViewStale || (viewVersion !== store.version && !pausedView.isPaused)) {
    const nowMs = pausedView.selectTime(serverNow());
    const { statuses } = summaryBar;
    const isShown = (order) =>
      (statuses.size === 0 || statuses.has(order.status)) && isMatch(order, nowMs);
    const { key, isDescending } = orderTable.sort;
    viewOrders = pausedView.selectOrders(store.oldestFirst).filter(isShown);
    if (key !== "order") viewOrders = sortOrders(viewOrders, key, isDescending, nowMs);
    else if (isDescending) viewOrders.reverse();
    orderTable.setOrders(viewOrders);
    paintViewState();
  }
  isViewStale = false;
  viewVersion = store.version;
  viewUpdatedAt = frameAt;
  viewUpdateMs = performance.now() - frameAt;
}

function paintViewState() {
  const known = pausedView.selectOrders(store.oldestFirst).length;
  const total = formatCount(Math.max(feed.total, known));
  const newest = store.isComplete ? "" : ` (the newest of ${total})`;
  const shown = `${formatCount(viewOrders.length)} of ${formatCounted(known, "order")}${newest}`;
  setText(byId("shown"), shown);
  byId("empty-message").hidden = viewOrders.length > 0;
  const empty = store.size === 0 ? "No orders yet. The form places one." : "No order matches.";
  setText(byId("empty-message"), feed.state.name === "loading" ? "Loading…" : empty);
  const openCount = listOpenShown().length;
  const all = openCount === 0 ? "" : ` (${formatCount(openCount)})`;
  setText(byId("cancel-shown"), `Cancel all shown${all}`);
  byId("cancel-shown").disabled = openCount === 0 || isDisconnected;
  byId("to-top").hidden = orderTable.isFollowing || orderTable.sort.key !== "order";
}

/** The orders that are shown and have not ended by now, also while the view is paused. */
function listOpenShown() {
  return viewOrders.map(({ id }) => store.get(id)).filter((order) => order && !order.hasEnded);
}

function paintPauseButton() {
  const goOn = `Go on (${formatCount(pausedView.heldEvents)} held)`;
  setText(byId("pause"), pausedView.isPaused ? goOn : "Pause");
  byId("pause").classList.toggle("primary", pausedView.isPaused);
}

function invalidateView() {
  isViewStale = true;
  scheduleFrame();
}

setInterval(() => {
  const { inFlight, byStatus } = summaryBar.counts;
  if (inFlight > 0 || byStatus?.waiting > 0) scheduleFrame(); // their durations change
}, CLOCK_INTERVAL_MS);

let summaryVersion = -1;
setInterval(() => {
  connectionBadge.paint(feed.state, store.size);
  const isUnchanged = summaryVersion === store.version && summaryBar.counts.perSecond === 0;
  if (!isUnchanged) paintSummary();
  if (feed.state.name === "live") announcer.announceProgress(summaryBar.counts);
}, SUMMARY_INTERVAL_MS);

function paintSummary() {
  summaryVersion = store.version;
  summaryBar.paint(summarize(store.oldestFirst, serverNow()));
}

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
darkScheme.addEventListener("change", () => summaryBar.repaintCharts());
addEventListener("resize", () => summaryBar.repaintCharts());

// Events of the feed

feed.addEventListener("state", () => {
  const { name } = feed.state;
  connectionBadge.paint(feed.state, store.size);
  if (name === "live") paintSummary(); // the announcer counts from here on
  announcer.announceConnection(name, summaryBar.counts);
  isDisconnected = ["offline", "refused", "connecting"].includes(name);
  orderForm.setBlocked(isDisconnected ? "No connection to the server." : "");
  cancelDialog.setBlocked(isDisconnected ? "No connection to the server." : "");
  amendDialog.setBlocked(isDisconnected ? "No connection to the server." : "");
  paintViewState();
  scheduleFrame();
});
feed.addEventListener("page", scheduleFrame);
feed.addEventListener("events", ({ detail: events }) => {
  detail.addEvents(events);
  pausedView.heldEvents += events.length;
  scheduleFrame();
});
feed.addEventListener("reset", () => {
  detail.close();
  pausedView.end();
  invalidateView();
  announcer.announce("The server has another journal: everything is loaded anew.");
});
feed.addEventListener("key", () => keyDialog.ask());
distances.addEventListener("news", scheduleFrame);
byId("retry").addEventListener("click", () => feed.retryNow());

// Input of the user

orderTable.addEventListener("sort", invalidateView);
orderTable.addEventListener("paint", scheduleFrame);
orderTable.addEventListener("open", ({ detail: id }) => navigate({ order: id }));
orderTable.addEventListener("cancel", ({ detail: id }) => askToCancel(id));
orderTable.addEventListener("amend", ({ detail: id }) => amend(store.get(id)));
summaryBar.addEventListener("change", invalidateView);
byId("to-top").addEventListener("click", () => orderTable.scrollToTop());
byId("filter").addEventListener("input", () => {
  applyFilter();
  history.replaceState(null, "", buildUrl({ batch: null }));
});
byId("pause").addEventListener("click", () => {
  if (pausedView.isPaused) pausedView.end();
  else pausedView.begin(store.oldestFirst, serverNow());
  invalidateView();
});
byId("csv").addEventListener("click", () => {
  saveCsv(viewOrders);
});
byId("cancel-shown").addEventListener("click", () => {
  const statuses = [...summaryBar.statuses].join(",");
  const words = [statuses && `status:${statuses}`, byId("filter").value.trim()];
  const orders = listOpenShown();
  if (orders.length > 0) cancelDialog.askAll(orders, words.filter(Boolean).join(" "));
});
detail.addEventListener("paint", scheduleFrame);
detail.addEventListener("cancel", ({ detail: order }) => askToCancel(order.id));
detail.addEventListener("amend", ({ detail: order }) => amend(order));
detail.addEventListener("close", () => {
  navigate({ order: null });
  orderTable.focus();
});
detail.addEventListener("again", ({ detail: order }) => {
  orderForm.fill(describeTerms(order));
  navigate({ order: null });
  byId("form-card").open = true;
  byId("low").focus();
});
orderForm.addEventListener("placed", ({ detail: id }) => navigate({ order: id }));

function askToCancel(id) {
  const order = store.get(id);
  if (order !== undefined && !order.hasEnded) cancelDialog.askOne(order);
}

function amend(order) {
  if (order !== undefined && canAmend(order)) amendDialog.open(order);
}

function applyFilter() {
  try {
    isMatch = parseFilter(byId("filter").value);
    setText(byId("filter-error"), "");
    byId("filter").removeAttribute("aria-invalid");
    invalidateView();
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    setText(byId("filter-error"), error.message);
    byId("filter").setAttribute("aria-invalid", "true");
  }
}

// Addresses: ?order=<id> and ?batch=<id>

function buildUrl(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

function navigate(changes) {
  history.pushState(null, "", buildUrl(changes));
  showLocation();
}

function showLocation() {
  const { searchParams } = new URL(location.href);
  const id = searchParams.get("order");
  if (id === null) detail.close();
  else detail.open(id);
  orderTable.select(id);
  const batches = searchParams.getAll("batch");
  if (batches.length > 0) showBatches(batches);
}

async function showBatches(ids) {
  pausedView.end(); // the batch may be among the held events
  byId("filter").value = `batch:${ids.join(",")}`;
  applyFilter();
  await Promise.allSettled(ids.map((id) => feed.loadBatch(id)));
  scheduleFrame();
}

addEventListener("popstate", showLocation);
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='?']");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented);
  if (link === null || !isPlain) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  showLocation();
});

byId("form-card").open = matchMedia("(min-width: 60rem)").matches;
showLocation();
const showStopped = (sentences) => setText(byId("stopped"), sentences.join(" · "));
new StoppedFeed(client, showStopped).run(() => !isDisconnected);
distances.run(() => !isDisconnected && summaryBar.counts.byStatus?.waiting > 0);
followDifferences(client, () => !isDisconnected, new DifferenceLine(byId("difference")));
feed.run();

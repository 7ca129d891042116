/**
 * The page: connects the event feed, the order store and the views.
 *
 * Events only schedule a frame, so that the page is rendered at most once a frame. The summary is
 * computed twice a second: it is linear in the number of orders, rendering the visible rows is not.
 */

import { ApiClient } from "./connection/api.js";
import { AccountFeed } from "./connection/desk/account_feed.js";
import { loadFailedById } from "./connection/desk/failed_orders.js";
import { PriceFeed } from "./connection/desk/price_feed.js";
import { QualityFeed } from "./connection/desk/quality_feed.js";
import { QuoteFeed } from "./connection/desk/quote_feed.js";
import { DistanceFeed } from "./connection/distances.js";
import { EventFeed } from "./connection/feed.js";
import { StoppedFeed } from "./connection/stopped_feed.js";
import { Desk } from "./desk.js";
import { countBatches } from "./model/desk/batches.js";
import { Explorer } from "./model/desk/explorer.js";
import { sumGains } from "./model/desk/positions.js";
import { OrderStore } from "./model/order_store.js";
import { canAmend } from "./model/plan/amendment.js";
import { describeTerms } from "./model/plan/order_plan.js";
import { summarize } from "./model/summary.js";
import { OrderList } from "./order_list.js";
import { AmendDialog } from "./view/amend_dialog.js";
import { CancelDialog } from "./view/cancel_dialog.js";
import { AgainDialog } from "./view/desk/again_dialog.js";
import { BatchView } from "./view/desk/batch_view.js";
import { FillExport } from "./view/desk/fill_export.js";
import { MarketView } from "./view/desk/market_view.js";
import { PositionView } from "./view/desk/position_view.js";
import { listShortcuts } from "./view/desk/desk_keys.js";
import { QualityView } from "./view/desk/quality_view.js";
import { Shortcuts } from "./view/desk/shortcuts.js";
import { stackTables } from "./view/desk/stacked_tables.js";
import { formatCount, setText } from "./view/format.js";
import { KeyDialog } from "./view/key_dialog.js";
import { OrderDetail } from "./view/order_detail.js";
import { OrderForm } from "./view/order_form.js";
import { Announcer, ConnectionBadge, DifferenceLine, SummaryBar } from "./view/summary_bar.js";

const SUMMARY_INTERVAL_MS = 500;
const CLOCK_INTERVAL_MS = 250;

const byId = (id) => document.getElementById(id);

const client = new ApiClient();
const store = new OrderStore();
const feed = new EventFeed(client, store);
const keyDialog = new KeyDialog(byId("key-dialog"), client, () => feed.retryNow());
const orderForm = new OrderForm(byId("order-form"), client);
const explorer = new Explorer();
const detail = new OrderDetail(byId("detail"), client, store, explorer);
const cancelDialog = new CancelDialog(byId("cancel-dialog"), byId("cancel-outcome"), client, store);
const amendDialog = new AmendDialog(byId("amend-dialog"), client, store);
const distances = new DistanceFeed(client, store, () => detail.id);
const connectionBadge = new ConnectionBadge(byId("badge"), byId("retry"));
const summaryBar = new SummaryBar(byId("summary"));
const announcer = new Announcer(byId("announcements"));
const orderList = new OrderList({ store, feed, summaryBar, countOpen });
const orderTable = orderList.table;
const account = new AccountFeed(client);
const prices = new PriceFeed(client, feed);
const markets = new MarketView(byId("markets"), {
  store,
  prices,
  quotes: new QuoteFeed(client, () => prices.series.last?.closeText ?? null),
  getOpenId: () => detail.id,
  isLoading: () => feed.state.name === "loading",
});
const quality = new QualityFeed(client, () => feed.serverNow());
const againDialog = new AgainDialog(byId("again-dialog"), client);
const batches = new BatchView(byId("batches"), store, againDialog);
const desk = new Desk(byId("views"), {
  batches,
  positions: new PositionView(byId("positions"), account, store),
  markets,
  quality: new QualityView(byId("quality"), quality),
});
const differenceLine = new DifferenceLine(byId("difference"));

let isDisconnected = true;
let openOfServer = 0;

/** How many orders are open; where not all are in memory, as the server said last. */
function countOpen() {
  const { inFlight, byStatus } = summaryBar.counts;
  return store.isComplete ? inFlight + (byStatus?.waiting ?? 0) : openOfServer;
}

// Rendering

let isFrameScheduled = false;

function scheduleFrame() {
  if (isFrameScheduled) return;
  isFrameScheduled = true;
  requestAnimationFrame(() => {
    isFrameScheduled = false;
    const nowMs = feed.serverNow();
    if (desk.hasOrders) orderList.paint(performance.now(), nowMs);
    else desk.paint(nowMs);
    detail.paint();
  });
}

setInterval(() => {
  const { inFlight, byStatus } = summaryBar.counts;
  if (!desk.hasOrders) scheduleFrame(); // ages of prices do so too
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
  summaryBar.paint(summarize(store.oldestFirst, feed.serverNow()));
  const { failedShare } = summaryBar.counts;
  desk.setNumber("batches", formatCount(countBatches(store.batchIds)));
  desk.setNumber("markets", formatCount(markets.listPairs().size));
  desk.setNumber("quality", failedShare === null ? "·" : `${(failedShare * 100).toFixed(1)} % failed`);
  desk.paintCounts(Math.max(feed.total, store.size), countOpen());
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
  const reason = isDisconnected ? "No connection to the server." : "";
  for (const each of [orderForm, cancelDialog, amendDialog]) each.setBlocked(reason);
  orderList.setDisconnected(isDisconnected);
  scheduleFrame();
});
feed.addEventListener("page", scheduleFrame);
feed.addEventListener("events", ({ detail: events }) => {
  detail.addEvents(events);
  orderList.addEvents(events.length);
  account.addEvents(events);
  scheduleFrame();
});
feed.addEventListener("reset", () => {
  detail.close();
  orderList.unmark();
  orderList.endPause();
  announcer.announce("The server has another journal: everything is loaded anew.");
});
feed.addEventListener("key", () => keyDialog.ask());
distances.addEventListener("news", scheduleFrame);
account.addEventListener("news", () => {
  const { positions, balances } = account;
  if (balances !== null) differenceLine.show(balances.differences);
  if (positions !== null) desk.setNumber("positions", formatCount(sumGains(positions).open));
  scheduleFrame();
});
byId("retry").addEventListener("click", () => feed.retryNow());

// Input of the user

orderList.addEventListener("news", scheduleFrame);
for (const view of [orderList, batches]) {
  view.addEventListener("cancelAll", ({ detail: { orders, filterText, marked } }) => {
    cancelDialog.askAll(orders, filterText, marked);
  });
}
orderList.addEventListener("again", ({ detail: ids }) => {
  againDialog.ask((...rest) => loadFailedById(ids, ...rest), byId("cancel-outcome"));
});
orderTable.addEventListener("open", ({ detail: id }) => navigate({ order: id }));
orderTable.addEventListener("cancel", ({ detail: id }) => askToCancel(id));
orderTable.addEventListener("amend", ({ detail: id }) => amend(store.get(id)));
byId("filter").addEventListener("input", () => {
  orderList.applyFilter();
  history.replaceState(null, "", buildUrl({ batch: null }));
});
detail.addEventListener("paint", scheduleFrame);
detail.addEventListener("cancel", ({ detail: order }) => askToCancel(order.id));
detail.addEventListener("amend", ({ detail: order }) => amend(order));
detail.addEventListener("close", closeDetail);
detail.addEventListener("again", ({ detail: order }) => {
  orderForm.fill(describeTerms(order));
  navigate({ order: null });
  openForm();
});
for (const each of [markets, quality]) each.addEventListener("news", scheduleFrame);
markets.addEventListener("open", ({ detail: id }) => navigate({ order: id }));
markets.addEventListener("pair", ({ detail: hash }) => navigate({}, hash));
orderForm.addEventListener("placed", ({ detail: id }) => navigate({ order: id }));
desk.addEventListener("change", () => {
  if (desk.hasOrders) orderList.show(desk.view === "open");
  scheduleFrame();
});

const shortcuts = new Shortcuts(
  listShortcuts({
    showView: (name) => navigate({}, `#/${name}`),
    filter: () => desk.hasOrders && byId("filter").focus(),
    newOrder: openForm,
    repeatOrder: () => orderForm.repeatLast() && openForm(),
    moveRow: (key) => desk.hasOrders && orderTable.moveRow(key),
    markRow: () => desk.hasOrders && orderTable.markRow(),
    unmark: () => orderList.unmark(),
    sendAgain: () => desk.hasOrders && orderList.sendAgain(),
    saveCsv: () => desk.hasOrders && orderList.saveCsv(),
    explore: () => byId("detail-facts").querySelector("a[target]")?.click(),
    closeDetail: () => detail.id !== null && closeDetail(),
    cancelShown: () => desk.hasOrders && orderList.cancelShown(),
    pressChart: (key) => markets.pressKey(key),
    help: () => shortcuts.help(),
  }),
  byId("help-dialog"),
);
byId("help").addEventListener("click", () => shortcuts.help());

function openForm() {
  if (detail.id !== null && byId("form-card").offsetParent === null) navigate({ order: null });
  byId("form-card").open = true;
  byId("low").focus();
  byId("low").select();
}

function closeDetail() {
  navigate({ order: null });
  if (desk.hasOrders) orderTable.focus();
}

function askToCancel(id) {
  const order = store.get(id);
  if (order !== undefined && !order.hasEnded) cancelDialog.askOne(order);
}

function amend(order) {
  if (order !== undefined && canAmend(order)) amendDialog.open(order);
}

// Addresses: #/<view>, ?order=<id> and ?batch=<id>

function buildUrl(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

function navigate(changes, hash = location.hash) {
  const url = buildUrl(changes);
  url.hash = hash;
  if (url.href !== location.href) history.pushState(null, "", url);
  showLocation();
}

function showLocation() {
  desk.showLocation();
  if (desk.view === "markets") markets.showPair();
  const { searchParams } = new URL(location.href);
  const id = searchParams.get("order");
  if (id === null) detail.close();
  else detail.open(id);
  orderTable.select(id);
  const batches = searchParams.getAll("batch");
  if (batches.length > 0) showBatches(batches);
}

async function showBatches(ids) {
  orderList.endPause(); // the batch may be among the held events
  byId("filter").value = `batch:${ids.join(",")}`;
  orderList.applyFilter();
  await Promise.allSettled(ids.map((id) => feed.loadBatch(id)));
  scheduleFrame();
}

addEventListener("popstate", showLocation);
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='?']");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented);
  if (link === null || !isPlain) return;
  event.preventDefault();
  const url = new URL(link.href);
  // The detail of an order is beside any view, a batch is in the list of orders.
  url.hash = url.searchParams.has("order") ? location.hash : "";
  history.pushState(null, "", url);
  showLocation();
});

byId("form-card").open = matchMedia("(min-width: 80rem)").matches;
showLocation();
new StoppedFeed(client, ({ stopped = [], open, cluster }) => {
  setText(byId("stopped"), stopped.join(" · "));
  openOfServer = open;
  explorer.setCluster(cluster);
}).run(() => !isDisconnected);
distances.run(() => !isDisconnected, () => summaryBar.counts.byStatus?.waiting ?? 0);
account.run(() => !isDisconnected);
new FillExport(byId("fill-export"), client);
byId("explorer").value = explorer.pattern;
byId("explorer").addEventListener("change", ({ target }) => {
  setText(byId("explorer-error"), explorer.setPattern(target.value));
});
stackTables(document.querySelectorAll(".desk-view table"));
feed.run();

/**
 * The page: what comes from the server goes into the book, and the book is drawn.
 *
 * Events only mark that something changed; drawing happens at most once a frame. Which orders are
 * shown is found a few times a second, and the strip of counts twice a second: both go over all
 * orders, the rows in sight do not.
 */

import { Client } from "./api.js";
import { Book } from "./book.js";
import { csv, sorted } from "./columns.js";
import { Detail } from "./detail.js";
import { Feed } from "./feed.js";
import { BadFilter, parseFilter } from "./filter.js";
import { OrderForm } from "./form.js";
import { count, counted, write } from "./format.js";
import { Pause } from "./pause.js";
import { summary } from "./stats.js";
import { recall, remember } from "./storage.js";
import { Badge, News, Strip } from "./strip.js";
import { Table } from "./table.js";

const VIEW_MS = 200;
const STRIP_MS = 500;
const TICK_MS = 250;
const KEY = "order-engine-key";

const part = (id) => document.getElementById(id);

const client = new Client();
client.key = recall("sessionStorage", KEY);
const book = new Book();
const feed = new Feed(client, book);
const form = new OrderForm(part("order-form"), client);
const table = new Table(part("scroller"), part("orders"));
const detail = new Detail(part("detail"), client, book);
const badge = new Badge(part("badge"), part("retry"));
const strip = new Strip(part("strip"));
const news = new News(part("news"));

const pause = new Pause();
const now = () => Date.now() + feed.skewMs;

// What is shown, and drawing it

let view = [];
let viewVersion = -1;
let viewAt = 0;
let viewCostMs = 0;
let isNewView = true;
let matches = parseFilter("");
let isFrameAsked = false;
let viewTimer = null;

function draw() {
  if (isFrameAsked) return;
  isFrameAsked = true;
  requestAnimationFrame(() => {
    isFrameAsked = false;
    const at = performance.now();
    // However many orders there are, finding those to show takes a small part of the time.
    if (isNewView || at - viewAt > Math.max(VIEW_MS, 20 * viewCostMs)) chooseView(at);
    else if (viewVersion !== book.version) viewTimer ??= setTimeout(drawLater, VIEW_MS);
    table.paint(pause.now(now()));
    describePause();
    detail.paint();
  });
}

function drawLater() {
  viewTimer = null;
  draw();
}

function chooseView(at) {
  if (isNewView || (viewVersion !== book.version && !pause.isOn)) {
    const nowMs = pause.now(now());
    const { statuses } = strip;
    const isShown = (order) =>
      (statuses.size === 0 || statuses.has(order.status)) && matches(order, nowMs);
    const { key, isDescending } = table.sort;
    view = pause.orders(book.byAge).filter(isShown);
    if (key !== "order") view = sorted(view, key, isDescending, nowMs);
    else if (isDescending) view.reverse();
    table.show(view);
    describeView();
  }
  isNewView = false;
  viewVersion = book.version;
  viewAt = at;
  viewCostMs = performance.now() - at;
}

function describeView() {
  const known = pause.orders(book.byAge).length;
  const of = book.isComplete ? "" : ` (the newest of ${count(Math.max(feed.total, known))})`;
  const shown = `${count(view.length)} of ${counted(known, "order")}${of}`;
  write(part("shown"), shown);
  part("nothing").hidden = view.length > 0;
  const empty = book.size === 0 ? "No orders yet. The form places one." : "No order matches.";
  write(part("nothing"), feed.state.name === "loading" ? "Loading…" : empty);
  part("to-top").hidden = table.isFollowing || table.sort.key !== "order";
}

function describePause() {
  write(part("pause"), pause.isOn ? `Go on (${count(pause.held)} held)` : "Pause");
  part("pause").classList.toggle("primary", pause.isOn);
}

function changeView() {
  isNewView = true;
  draw();
}

setInterval(() => {
  if (strip.counts.inFlight > 0) draw(); // their time goes on
}, TICK_MS);

let stripVersion = -1;
setInterval(() => {
  badge.paint(feed.state, book.size);
  const isStill = stripVersion === book.version && strip.counts.perSecond === 0;
  if (!isStill) paintStrip();
  if (feed.state.name === "live") news.tell(strip.counts);
}, STRIP_MS);

function paintStrip() {
  stripVersion = book.version;
  strip.paint(summary(book.byAge, now()));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => strip.repaint());
addEventListener("resize", () => strip.repaint());

// The server

feed.addEventListener("state", () => {
  const { name } = feed.state;
  badge.paint(feed.state, book.size);
  if (name === "live") paintStrip(); // all that comes from here on is news
  news.connection(name, strip.counts);
  form.allow(name === "offline" || name === "connecting" ? "No connection to the server." : "");
  describeView();
  draw();
});
feed.addEventListener("page", draw);
feed.addEventListener("events", ({ detail: events }) => {
  detail.take(events);
  pause.held += events.length;
  draw();
});
feed.addEventListener("reset", () => {
  detail.close();
  pause.end();
  changeView();
  news.say("The server has another journal: everything is loaded anew.");
});
feed.addEventListener("key", () => {
  if (part("key-dialog").open) return;
  write(part("key-message"), client.key === null ? "" : "It does not take this key.");
  part("key").value = "";
  part("key-dialog").showModal();
});
part("key-dialog").addEventListener("close", () => {
  client.key = part("key").value;
  remember("sessionStorage", KEY, client.key);
  feed.retryNow();
});
part("retry").addEventListener("click", () => feed.retryNow());

// The reader

table.addEventListener("sort", changeView);
table.addEventListener("paint", draw);
table.addEventListener("open", ({ detail: id }) => go({ order: id }));
strip.addEventListener("change", changeView);
part("to-top").addEventListener("click", () => table.toTop());
part("filter").addEventListener("input", () => {
  applyFilter();
  history.replaceState(null, "", address({ batch: null }));
});
part("pause").addEventListener("click", () => {
  if (pause.isOn) pause.end();
  else pause.begin(book.byAge, now());
  changeView();
});
part("csv").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([csv(view)], { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: "orders.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
});
detail.addEventListener("paint", draw);
detail.addEventListener("close", () => {
  go({ order: null });
  table.focus();
});
detail.addEventListener("again", ({ detail: order }) => {
  const { pair, type, amountIn, slippageBps, minAmountOut } = order;
  const amounts = { count: "1", low: amountIn, high: amountIn, of: "in" };
  const limits = { slippage: String(slippageBps), minimum: minAmountOut ?? "" };
  form.fill({ ...amounts, ...limits, type, pairs: [`${pair.base}/${pair.quote}`], side: pair.side });
  go({ order: null });
  part("form-card").open = true;
  part("low").focus();
});
form.addEventListener("placed", ({ detail: id }) => go({ order: id }));

function applyFilter() {
  try {
    matches = parseFilter(part("filter").value);
    write(part("filter-error"), "");
    part("filter").removeAttribute("aria-invalid");
    changeView();
  } catch (error) {
    if (!(error instanceof BadFilter)) throw error;
    write(part("filter-error"), error.message);
    part("filter").setAttribute("aria-invalid", "true");
  }
}

// Addresses: ?order=<id> and ?batch=<id>

function address(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

function go(changes) {
  history.pushState(null, "", address(changes));
  visit();
}

function visit() {
  const { searchParams } = new URL(location.href);
  const id = searchParams.get("order");
  if (id === null) detail.close();
  else detail.open(id);
  table.select(id);
  const batches = searchParams.getAll("batch");
  if (batches.length > 0) showBatches(batches);
}

async function showBatches(ids) {
  pause.end(); // what is held may be what is asked for
  part("filter").value = `batch:${ids.join(",")}`;
  applyFilter();
  await Promise.allSettled(ids.map(loadBatch));
  draw();
}

async function loadBatch(batchId) {
  let next = null;
  do {
    const query = next === null ? {} : { cursor: next };
    const page = await client.orders({ batchId, limit: 500, ...query });
    book.store(page.orders);
    ({ next } = page);
  } while (next !== null);
}

addEventListener("popstate", visit);
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='?']");
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented);
  if (link === null || !isPlain) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  visit();
});

part("form-card").open = matchMedia("(min-width: 60rem)").matches;
visit();
feed.run();

"""An order on the page that waits for the end of an outage, as the API documents its responses."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.client_page import ClientPage, Json
from tests.tui.wire import order_events, order_id, stored_order

pytestmark = pytest.mark.asyncio(loop_scope="package")
NUMBER = 9_001


async def test_the_detail_tells_which_outage_an_order_waits_out_until_it_ends(
    client: ClientPage,
) -> None:
    events = order_events(NUMBER, ("pending", "routing", "building"))
    order: Json = {
        **stored_order(events),
        "outage": {"code": "signer_unavailable", "since": "2026-01-01T12:03:04Z"},
    }

    async def fulfill(route: Route) -> None:
        shown = {"events": events} if route.request.url.endswith("/events") else order
        await route.fulfill(json=shown)

    await client.page.route(re.compile(f"/api/orders/{order_id(NUMBER)}"), fulfill)
    await client.open(f"?order={order_id(NUMBER)}")
    facts = client.element("detail-facts")
    told = re.compile(r"Outagethe signer does not answer, since \d\d:\d\d:04")
    await expect(facts).to_contain_text(told)
    del order["outage"]
    await expect(facts).not_to_contain_text("Outage")


TELL = """async ([event, records]) => {
  const { Order } = await import("/static/client/model/order.js");
  const order = new Order(event.orderId);
  order.applyEvent(event);
  return records.map((record) => {
    order.setWaiting(record);
    return order.outage?.code ?? null;
  });
}"""
REFRESH = """async ([events, open, waiting]) => {
  const { ApiClient } = await import("/static/client/connection/api.js");
  const { DistanceFeed } = await import("/static/client/connection/distances.js");
  const { OrderStore } = await import("/static/client/model/order_store.js");
  const store = new OrderStore();
  store.applyEvents(events);
  const feed = new DistanceFeed(new ApiClient(), store, () => open);
  const news = new Promise((resolve) => feed.addEventListener("news", resolve, { once: true }));
  feed.run(() => true, () => 1);
  await news;
  return store.get(waiting).distance.executablePrice;
}"""


async def test_an_outage_of_before_the_last_event_or_of_another_shape_is_not_told(
    client: ClientPage,
) -> None:
    event = order_events(NUMBER, ("pending", "routing"))[1]
    since = "2026-01-01T12:03:04Z"
    told = {"seq": 2, "outage": {"code": "odd", "since": since}}
    others: list[object] = [None, {}, "x", 7, {"code": "", "since": since}]
    others += [{"code": "x", "since": "x"}, {"code": 7, "since": since}]
    records = [{**told, "seq": 1}, told, *({"seq": 2, "outage": each} for each in others)]
    await client.open("")
    shown = await client.page.evaluate(TELL, [event, records])
    assert shown == [None, "odd", *[None] * len(others)]


async def test_distances_are_told_when_the_open_order_is_refused(client: ClientPage) -> None:
    opened, waiting = order_id(NUMBER), order_id(NUMBER + 1)
    events = [
        *order_events(NUMBER, ("pending", "routing")),
        *order_events(NUMBER + 1, ("pending", "waiting")),
    ]
    record = {"orderId": waiting, "seq": 2, "executablePrice": "7"}

    async def refuse(route: Route) -> None:
        problem = {"status": 410, "code": "order_archived"}
        await route.fulfill(status=410, json=problem, content_type="application/problem+json")

    await client.open("")
    await client.page.route(re.compile(f"/api/orders/{opened}"), refuse)
    await client.page.route(
        re.compile(r"/api/orders\?.*status=waiting"),
        lambda route: route.fulfill(json={"orders": [record], "next": None}),
    )
    assert await client.page.evaluate(REFRESH, [events, opened, waiting]) == "7"
    await client.open("")  # ends the feed
    client.console_errors.clear()  # the browser logs each request that is refused

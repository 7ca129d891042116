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

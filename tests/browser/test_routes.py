"""Routes on the page: the list, the detail, the filter and the preview of the form.

The responses are what the API documents of a route; the page that shows them is the real one.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from playwright.async_api import Route as Request

from tests.browser.client_page import ClientPage
from tests.tui.route_records import (
    CLMM,
    DLMM,
    HOPS,
    QUOTES,
    SINGLE,
    SPLIT,
    Record,
    routed_events,
    routed_order,
)
from tests.tui.wire import ROUTE, order_id

pytestmark = pytest.mark.asyncio(loop_scope="package")
ROUTES: dict[int, tuple[Record, dict[str, Any]]] = {
    1: (ROUTE, {}),
    2: (SINGLE, {}),
    3: (HOPS, {"tokenOut": "JUP"}),
    4: (SPLIT, {}),
    5: (HOPS | {"quotes": [{**QUOTES[2], "amountOut": "140144.280816", "fee": "0.00251"}] * 2}, {}),
}
EXPECTED = """
async (route) => {
  const { Order } = await import("/static/client/model/order.js");
  const order = new Order("1");
  const at = "2026-01-01T00:00:00Z";
  const terms = { tokenIn: "SOL", tokenOut: "USDC", amountIn: "10", slippageBps: 50 };
  order.applyEvent({ seq: 1, status: "pending", at, attempt: 1, type: "market", ...terms });
  order.applyEvent({ seq: 2, status: "building", at, attempt: 1, ...route });
  const building = [order.amountOut, order.price, order.gapBps];
  order.applyEvent({ seq: 3, status: "confirmed", at, attempt: 1, amountOut: "1418.580067" });
  return [...building, order.vsQuoteBps];
}
"""


async def open_order(client: ClientPage, number: int) -> None:
    """Show the detail of an order with one of the routes."""
    route, terms = ROUTES[number]
    events = {"events": routed_events(number, route, **terms)}
    order = routed_order(number, route, **terms)

    async def fulfill(request: Request) -> None:
        await request.fulfill(json=events if request.request.url.endswith("/events") else order)

    await client.page.route(re.compile(f"/api/orders/{order_id(number)}"), fulfill)
    await client.open(f"?order={order_id(number)}")
    await expect(client.element("detail-status")).to_have_text("● confirmed")


async def find_cell(client: ClientPage, number: int) -> Locator:
    """The venue of an order in the list, which other orders may have scrolled away."""
    await client.element("filter").fill(f"id:{order_id(number)}")
    return client.page.locator(f"tr[data-order='{order_id(number)}'] .c-dex")


async def read_rows(client: ClientPage, name: str) -> list[str]:
    texts = await client.element(name).locator("tr").all_inner_texts()
    return [" ".join(text.split()) for text in texts]


async def test_a_split_is_shown_leg_by_leg(client: ClientPage) -> None:
    await open_order(client, 4)
    assert await read_rows(client, "detail-legs") == [
        "Raydium CLMM 62 % 0.04 % 0.31 %",
        f"6.2 SOL → 880.412345 USDC {CLMM}",
        "Meteora DLMM 38 % 0.1 % 0.12 %",
        f"3.8 SOL → 539.587722 USDC {DLMM}",
    ]
    await expect(client.element("detail-gain")).to_have_text(
        "Price impact 0.09 %. 3.1 bps better than the best single pool."
    )
    facts = client.element("detail-facts")
    await expect(facts).to_contain_text("Raydium CLMM 62 % · Meteora DLMM 38 %")
    await expect(facts).to_contain_text("Fee of the pools0.01 SOL")
    cell = await find_cell(client, 4)
    await expect(cell).to_have_text("raydium +1")
    assert await cell.evaluate("each => each.scrollWidth <= each.clientWidth")
    await expect(cell).to_have_attribute("title", "Raydium CLMM 62 % · Meteora DLMM 38 %")


async def test_all_quotes_are_shown_the_best_first_and_the_refused_marked(
    client: ClientPage,
) -> None:
    await open_order(client, 4)
    rows = await read_rows(client, "detail-quotes")
    assert rows[:2] == [
        "▸ Meteora DLMM (chosen) 5rCf…AS6H 1,419.56 0.1 % 0.12 %",
        "▸ Raydium CLMM (chosen) 7Xaw…bEmX 1,418.062 0.04 % 0.31 %",
    ]
    assert [row.split()[:2] for row in rows[4:]] == [["✕", "Raydium"], ["✕", "Meteora"]]
    assert "is above the cap of 5 %" in rows[4]
    await expect(client.element("detail-difference")).to_have_text("3 pools were not quoted.")
    start = client.element("detail-quotes").locator("code").first
    await expect(start).to_have_attribute("title", DLMM)


async def test_a_route_through_other_tokens_names_them(client: ClientPage) -> None:
    await open_order(client, 3)
    rows = await read_rows(client, "detail-legs")
    assert [row for row in rows if "." not in row and "%" not in row] == [
        "SOL → USDC → JUP",
        "SOL → JUP",
    ]
    assert rows[0] == "SOL → USDC → JUP"
    assert rows[2].startswith("7 SOL → 994.21 USDC")


async def test_a_route_of_one_leg_is_compared_with_the_next_best_pool(client: ClientPage) -> None:
    await open_order(client, 2)
    assert (await read_rows(client, "detail-legs"))[0] == "Meteora DLMM 100 % 0.1 % 0.12 %"
    await expect(client.element("detail-gain")).to_be_hidden()
    await expect(client.element("detail-difference")).to_have_text(
        "After fees Meteora DLMM pays 10.6 bps more than the next best, Raydium CLMM."
    )
    await expect(await find_cell(client, 2)).to_have_text("meteora")


async def test_an_order_of_an_engine_without_pools_is_shown_as_before(client: ClientPage) -> None:
    await open_order(client, 1)
    await expect(client.element("detail-route")).to_be_hidden()
    assert await read_rows(client, "detail-quotes") == [
        "raydium 100 0.3 % 0.01 %",
        "▸ meteora (chosen) 101 0.2 % 0.02 %",
    ]
    await expect(client.element("detail-difference")).to_have_text(
        "After fees meteora pays 100.0 bps more than raydium."
    )


async def test_an_order_is_found_by_each_of_its_venues(client: ClientPage) -> None:
    await open_order(client, 4)
    row = client.page.locator(f"tr[data-order='{order_id(4)}']")
    for words, count in (("dex:meteora", 1), ("dex:raydium/clmm", 1), ("dex:damm", 0)):
        await client.element("filter").fill(f"id:{order_id(4)} {words}")
        await expect(client.element("shown")).to_contain_text(f"{count} of ")
        await expect(row).to_have_count(count)


async def test_what_a_route_pays_is_expected_and_not_received(client: ClientPage) -> None:
    await client.open()
    assert await client.page.evaluate(EXPECTED, SPLIT) == [None, None, 3.1, -10]
    assert await client.page.evaluate(EXPECTED, SINGLE) == [None, None, 10.6, -6.9]


async def test_the_form_shows_how_an_order_would_be_split(client: ClientPage) -> None:
    terms = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "10", "slippageBps": 50}

    async def fulfill(request: Request) -> None:
        await request.fulfill(json={**terms, **SPLIT})

    await client.page.route("**/api/quotes", fulfill)
    await client.open()
    await client.fill(preset="one order", low="10")
    items = client.element("preview").locator("li")
    await expect(items).to_have_count(1 + (len(QUOTES) - 1) + 2)
    best = client.element("preview").locator(".best")
    await expect(best).to_have_text("▸ Raydium CLMM 62 % · Meteora DLMM 38 %: 1,420.0001 USDC")
    await expect(items.nth(1)).to_have_text(
        re.compile(r"^Meteora DLMM: 1,419\.56 USDC \(.3\.1 bps\)$")
    )
    await expect(client.element("preview")).to_contain_text("At least 1,412.4622 USDC for 10 SOL")


@pytest.mark.parametrize(("width", "number"), [(390, 3), (1280, 3), (390, 5), (1280, 5)])
async def test_a_route_is_not_cut_off(client: ClientPage, width: int, number: int) -> None:
    await client.page.set_viewport_size({"width": width, "height": 844})
    await open_order(client, number)
    for name in ("detail-legs", "detail-quotes", "detail"):
        element = client.element(name)
        sizes = await element.evaluate("each => [each.scrollWidth, each.clientWidth]")
        assert sizes[0] <= sizes[1], name

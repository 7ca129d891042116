"""Every view at every usual width of a page: no text is cut, nothing lies beside its place."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage
from tests.browser.desk import read_json
from tests.e2e.up import RunningUp

pytestmark = pytest.mark.asyncio(loop_scope="package")
VIEWS = ("orders", "open", "batches", "positions", "markets", "quality")
WIDTHS = (390, 1024, 1280, 1366, 1920)
FIND_CUT = """async () => {
  // A resized table is stacked, or not any more, with one of the next frames.
  for (let frame = 0; frame < 5; frame += 1) await new Promise(requestAnimationFrame);
  const isCut = (node) => node.scrollWidth > node.clientWidth + 1;
  const name = (node) =>
    `${node.localName}.${node.className} in ${node.closest("[id]").id}: ${node.textContent.trim()}`;
  const shown = (selector) => [...document.querySelectorAll(selector)].filter(
    (node) => node.checkVisibility() && node.clientWidth > 1 && !node.closest(".stacked thead"),
  );
  const cells = shown(":is([data-views], #detail) :is(th, td, dd, figcaption span, button)");
  const texts = cells.filter((node) => isCut(node) && node.title === "");
  const places = shown("#scroller, .scroll, .wide, .beside > div, #detail").filter(isCut);
  return [...texts, ...places].map(name).slice(0, 5);
}"""
SOL = {"tokenIn": "SOL", "tokenOut": "USDC"}
BONK = {"tokenIn": "BONK", "tokenOut": "USDC"}


def build_orders(expires_at: str) -> list[dict[str, Any]]:
    """Orders whose texts are as long as they come."""
    return [
        {**SOL, "amount": "1234.56789"},
        {**BONK, "amount": "98765432.12345"},
        {**SOL, "amount": "1", "minAmountOut": "100000000"},
        {**BONK, "amount": "98765432.12345", "type": "limit", "limitPrice": "0.00003123"},
        {**SOL, "amount": "1", "type": "takeProfit", "triggerPrice": "100000"},
        {**SOL, "amount": "7", "type": "trailingStop", "trailBps": 5000},
        {**SOL, "amount": "40", "type": "twap", "slices": 20, "intervalS": 900},
        {
            **SOL,
            "amount": "1234.56789",
            "type": "limit",
            "limitPrice": "1234.5678",
            "timeInForce": "gtd",
            "expiresAt": expires_at,
        },
    ]


async def test_no_view_cuts_a_text_at_any_width(desk: ClientPage, up: RunningUp) -> None:
    page = desk.page
    now = datetime.fromisoformat((await read_json(up, "/api/stats"))["at"])
    body = {"orders": build_orders((now + timedelta(days=200)).isoformat())}
    async with up.http.post("/api/orders/batch", json=body) as response:
        results = (await response.json())["orders"]
    assert all("orderId" in each for each in results), results
    await desk.open()
    await expect(desk.rows("confirmed").first).to_be_visible()
    await expect(desk.rows("waiting").first).to_be_visible()
    cut: dict[str, list[str]] = {}

    async def look(name: str, widths: tuple[int, ...]) -> None:
        for width in widths:
            await page.set_viewport_size({"width": width, "height": 900})
            found = await page.evaluate(FIND_CUT)
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                found.append("the page")
            if found:
                cut[f"{name} at {width} px"] = found

    for key, view in enumerate(VIEWS, start=1):
        await page.locator("h1").click()  # keys in a field are typed into it
        await page.keyboard.press(str(key))
        shown = page.locator(f"[data-views~={view}] table >> visible=true").first
        await expect(shown.locator("tbody tr").first).to_be_attached()
        await look(view, WIDTHS)
    for view in ("orders", "open"):
        await page.goto(f"{desk.url}/static/client.html?order={results[-1]['orderId']}#/{view}")
        await expect(desk.element("detail-facts")).to_contain_text("Expires")
        await look(f"{view} beside a detail", (1024, 1366, 1920))
    assert cut == {}

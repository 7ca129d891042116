"""The desk on the page: its views, the walk through it, and that its chart agrees with orders."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.client_page import ClientPage
from tests.browser.desk import read_json
from tests.browser.test_accessibility import assert_accessible
from tests.e2e.up import RunningUp
from tests.integration.apis import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]


async def read_price(up: RunningUp) -> float:
    terms = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
    async with up.http.post("/api/quotes", json=terms) as response:
        return max(float(each["amountOut"]) for each in (await response.json())["quotes"])


def line_of(client: ClientPage, text: str) -> Locator:
    return client.page.locator("#market-lines tr", has_text=text)


async def find_line_on_chart(client: ClientPage, row: Locator) -> float:
    """The height of the chart at which the pointer is on the line of a row, which is lit then."""
    box = await client.bounding_box(client.element("market-chart"))
    for y in range(4, int(box["height"]) - 20, 5):
        await client.page.mouse.move(box["x"] + 60, box["y"] + y)
        lit = await row.evaluate(
            "row => new Promise(done => requestAnimationFrame(() => requestAnimationFrame("
            "() => done(row.isConnected && row.classList.contains('lit')))))"
        )
        if lit:
            return box["y"] + y
    raise AssertionError("no height of the chart lights the row")


async def place_limit_and_see_its_line(client: ClientPage) -> Locator:
    page = client.page
    await page.keyboard.press("n")
    await expect(client.element("low")).to_be_focused()
    await client.fill(preset="one order", type="limit", limit="110")
    await expect(client.element("preview")).to_contain_text("above the market and would wait")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("◇ waiting")
    await client.element("detail-close").click()
    await page.keyboard.press("5")
    line = line_of(client, "sell limit")
    await expect(line).to_contain_text("110.0")
    await expect(line).to_contain_text(" %")
    await client.element("market-chart").focus()
    before = await client.element("market-step").inner_text()
    await page.keyboard.press("+")
    await expect(client.element("market-step")).not_to_have_text(before)
    return line


async def move_line_and_cancel(client: ClientPage, line: Locator) -> None:
    y = await find_line_on_chart(client, line)
    box = await client.bounding_box(client.element("market-chart"))
    await client.page.mouse.click(box["x"] + 60, y)
    await expect(client.element("detail-facts")).to_contain_text("≥ 110 USDC per SOL")
    await client.element("detail-amend").click()
    await client.element("amend-limit").fill("112")
    await client.element("amend-send").click()
    await expect(line).to_contain_text("112.0")
    await client.element("detail-cancel").click()
    await client.element("cancel-yes").click()
    await expect(line).to_have_count(0)
    await expect(client.element("cancel-outcome")).to_contain_text("never be executed")
    await client.element("detail-close").click()


async def place_bracket_and_see_position(client: ClientPage, up: RunningUp) -> None:
    page = client.page
    await page.keyboard.press("n")
    await client.fill(preset="one order", side="buy", low="300", profit="130", loss="80")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    await client.element("detail-close").click()
    await expect(page.locator("#market-fills tr").first).to_contain_text("buy 300 USDC at")
    await expect(line_of(client, "sell take-profit")).to_contain_text("130.0")
    await expect(line_of(client, "sell stop")).to_contain_text("80.0")
    await page.keyboard.press("4")
    cells = page.locator("#positions-rows tr[data-token=SOL] td")
    told = {each["token"]: each for each in (await read_json(up, "/api/positions"))["positions"]}
    await expect(cells.nth(1)).to_contain_text(f"{float(told['SOL']['averageCost']):.6g}"[:5])
    await expect(cells.nth(3)).to_have_text(re.compile(r"^\d+ s$"))


async def see_limits(client: ClientPage, up: RunningUp) -> None:
    """Limits that are set while the view is looked at."""
    path, shown = "/api/admin/limits/local", client.element("positions-limits")
    await expect(shown).to_be_hidden()
    limits = {"maxDailyVolume": "1000000000", "maxOpenOrders": 200, "deniedMints": ["BONK"]}
    async with up.http.put(path, json=limits) as response:
        assert response.status == 200
    try:
        await expect(shown.locator("dt")).to_have_text(["open orders", "volume today", "denied"])
        lines: list[str | re.Pattern[str]] = [
            re.compile(r"^\d+ of 200$"),
            re.compile(r" of 1,000,000,000 USDC, [\d.,]+ left$"),
            "BONK",
        ]
        await expect(shown.locator("dd")).to_have_text(lines)
        await assert_accessible(client)
    finally:
        async with up.http.delete(path) as response:
            assert response.status == 200


async def test_the_walk_through_the_desk(desk: ClientPage, up: RunningUp) -> None:
    """The steps of ``static/DESK.md``."""
    client, page = desk, desk.page
    await client.open()
    line = await place_limit_and_see_its_line(client)
    await move_line_and_cancel(client, line)
    await place_bracket_and_see_position(client, up)
    await see_limits(client, up)
    async with page.expect_download() as started:
        await page.locator("#fill-export button").click()
    download = await started.value
    assert re.fullmatch(r"fills-\d{4}-\d\d-\d\d\.csv", download.suggested_filename)
    lines = (await download.path()).read_text().splitlines()
    assert lines[0].startswith("at,orderId,")
    assert any(",USDC,SOL,300," in each for each in lines[1:])
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(f"{client.url}/static/client.html#/open")
    await expect(client.rows("waiting")).to_have_count(2)
    await client.element("cancel-shown").click()
    await expect(client.element("cancel-yes")).to_have_text("Cancel 2 orders")
    await client.element("cancel-yes").click()
    await expect(client.element("empty-message")).to_contain_text("Nothing is open")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_chart_and_orders_agree_on_where_a_trigger_was_met(
    desk: ClientPage, up: RunningUp
) -> None:
    client = desk
    async with client.page.expect_websocket(lambda socket: "prices=SOL" in socket.url):
        await client.open("#/markets/SOL/USDC")
    limit = f"{await read_price(up) * 1.03:.3f}"
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1", "type": "limit"}
    async with up.http.post("/api/orders/execute", json={**order, "limitPrice": limit}) as response:
        order_id = (await response.json())["orderId"]
    await expect(line_of(client, "sell limit")).to_be_visible()
    await up.control("price", {"pair": ["SOL", "USDC"], "bps": 500})
    try:
        fill = client.page.locator(f"#market-fills tr[data-order='{order_id}']")
        await expect(fill).to_contain_text("met at")
        await expect(line_of(client, "sell limit")).to_have_count(0)
        events = (await read_json(up, f"/api/orders/{order_id}/events"))["events"]
        [met] = [each for each in events if "executablePrice" in each]
        shown = re.search(r"met at ([\d.]+)", await fill.inner_text())
        assert shown is not None
        assert float(shown[1]) == pytest.approx(float(met["executablePrice"]), rel=1e-5)
        assert float(met["executablePrice"]) >= float(limit)

        # A bar shows what 100 USDC buy: next to the same price for one token.
        async def has_reached() -> bool:
            bars = (await read_json(up, "/api/prices?pair=SOL/USDC&step=1"))["bars"]
            return any(float(bar["high"]) >= float(limit) * 0.998 for bar in bars)

        await wait_until(has_reached)
        series = await read_series(client, up)
        before = [bar for bar in series["told"] if events[0]["at"] < bar["at"] < met["at"]]
        assert all(float(bar["high"]) < float(limit) * 1.002 for bar in before[:-3])
        # The bars of seconds that the stream tells make the bars that the server stores.
        assert series["built"] == series["stored"]
    finally:
        await up.control("price", {"pair": ["SOL", "USDC"], "bps": -476})


BUILD_SERIES = """
async ({ told, stored }) => {
  const { PriceSeries } = await import("/static/client/model/desk/price_series.js");
  const series = new PriceSeries();
  for (const bar of told) series.addSeconds([bar, bar]);
  const [from, to] = [stored[0], stored.at(-1)].map(({ at }) => Date.parse(at) / 1000);
  const show = ({ at, open, high, low, close, slot }) => [at, open, high, low, close, slot];
  const parse = ({ at, ...rest }) => show({ at: Date.parse(at) / 1000, open: +rest.open,
    high: +rest.high, low: +rest.low, close: +rest.close, slot: rest.slot });
  return { built: series.list(5, from, to).map(show), stored: stored.slice(0, -1).map(parse) };
}
"""


async def read_series(client: ClientPage, up: RunningUp) -> Json:
    """The last bars of seconds, and whole ones of five: stored, and built on the page."""
    path = "/api/prices?pair=SOL/USDC&step="
    told = (await read_json(up, f"{path}1"))["bars"]
    stored = (await read_json(up, f"{path}5"))["bars"]
    # What was written between both answers is in the last two.
    whole = [bar for bar in stored[:-1] if bar["at"] > told[0]["at"]] or stored[-1:]
    built = await client.page.evaluate(BUILD_SERIES, {"told": told, "stored": whole})
    return {"told": told, **built}

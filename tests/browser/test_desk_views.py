"""The views of the desk on the page: keys, addresses and numbers, batches, and what fits."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage
from tests.browser.desk import read_json
from tests.browser.test_accessibility import assert_accessible
from tests.e2e.up import RunningUp

pytestmark = pytest.mark.asyncio(loop_scope="package")
VIEWS = ("Orders", "Open", "Batches", "Positions", "Markets", "Quality")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)])
async def test_every_view_has_a_key_an_address_and_a_true_number(
    desk: ClientPage, up: RunningUp, scheme: Literal["light", "dark"], width: int
) -> None:
    client, page = desk, desk.page
    await page.set_viewport_size({"width": width, "height": 844})
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await client.open()
    waits = {"type": "takeProfit", "trigger": "100000", "force": "gtd", "until": "10m"}
    await client.element("form-card").evaluate("card => { card.open = true; }")
    await client.place_orders(2, side="sell", **waits)
    for key, title in enumerate(VIEWS, start=1):
        await page.locator("h1").click()  # keys in a field are typed into it
        await page.keyboard.press(str(key))
        await expect(page.locator("#views [aria-current]")).to_contain_text(title)
        assert page.url.endswith(f"#/{title.lower()}")
        shown = page.locator(f"[data-views~={title.lower()}]")
        await expect(shown).to_be_visible()
        await expect(page.locator("[data-views]:visible")).to_have_count(1)
        if title == "Quality":
            await expect(client.element("quality-total")).to_contain_text("vs quote")
            tables = client.element("quality-tables")
            await expect(tables).to_contain_text("Most failed for")
            await expect(tables).not_to_contain_text("cancelled")  # which is no failure
        elif title == "Markets":
            await expect(page.locator("#market-pools tr").first).to_be_visible()
        await assert_accessible(client)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    stats = await read_json(up, "/api/stats")
    held = (await read_json(up, "/api/positions"))["positions"]
    numbers = {
        "Orders": f"{stats['total']:,}",
        "Open": f"{stats['open']:,}",
        "Positions": str(sum(float(each["amount"]) != 0 for each in held)),
    }
    for title, number in numbers.items():
        await expect(page.locator("#views a", has_text=title).locator("b")).to_have_text(number)
    await page.go_back()
    await expect(page.locator("#views [aria-current]")).to_contain_text("Markets")


async def test_a_batch_is_sent_again_as_far_as_it_can_pass(desk: ClientPage, up: RunningUp) -> None:
    client, page = desk, desk.page
    await client.open()
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.5", "maxFeeLamports": 77_777}
    hopeless = {**order, "minAmountOut": "1000000"}
    await up.control("faults", {"fault": "fail", "reason": "slippage", "count": 6})
    batch = {"orders": [order, order, hopeless]}
    async with up.http.post("/api/orders/batch", json=batch) as response:
        batch_id = (await response.json())["batchId"]
    await page.goto(f"{client.url}/static/client.html#/batches")
    row = page.locator(f"#batches-rows tr[data-batch='{batch_id}']")
    await expect(row).to_contain_text("3: slippage 2, min_out_not_met 1")
    await row.locator("button", has_text="Send 2 again").click()
    await expect(client.element("again-subject")).to_contain_text("Sells 1 SOL")
    await expect(client.element("again-rest")).to_contain_text("1 left out: min_out_not_met")
    await client.element("again-yes").click()
    await expect(client.element("batches-outcome")).to_contain_text("2 accepted")
    await client.element("batches-outcome").locator("a").click()
    await expect(client.rows("confirmed")).to_have_count(2)
    [new_id] = set(re.findall(r"batch=([\w-]+)", page.url))
    again = (await read_json(up, f"/api/orders?batchId={new_id}"))["orders"]
    assert [(each["amountIn"], each["maxFeeLamports"]) for each in again] == [("0.5", 77_777)] * 2


async def test_keys_lead_where_they_say(desk: ClientPage) -> None:
    client, page = desk, desk.page
    await client.open()
    [batch_id] = await client.place_orders(3, low="0.25", high="0.25", of="in", side="sell")
    await page.locator("h1").click()
    await page.keyboard.press("/")
    await expect(client.element("filter")).to_be_focused()
    await page.keyboard.type(f"batch:{batch_id}")  # no key of it does anything else
    await expect(client.rows("confirmed")).to_have_count(3)
    await page.locator("h1").click()
    for key, index in (("j", 2), ("j", 3), ("j", 4), ("k", 3)):
        await page.keyboard.press(key)
        await expect(page.locator(f"tr[aria-rowindex='{index}'] a")).to_be_focused()
    await page.keyboard.press("?")
    await expect(client.element("help-dialog")).to_contain_text("Next and previous row")
    await page.keyboard.press("Escape")
    await client.fill(preset="one order", low="7")
    await page.locator("h1").click()
    await page.keyboard.press(".")
    await expect(client.element("low")).to_be_focused()
    for name, value in {"low": "0.25", "count": "3"}.items():
        await expect(client.element(name)).to_have_value(value)


async def test_detail_form_and_orders_are_beside_each_other(desk: ClientPage) -> None:
    client, page = desk, desk.page
    await page.set_viewport_size({"width": 1440, "height": 900})
    await client.open()
    await client.fill(preset="one order", side="sell", low="0.5")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    await expect(client.element("order-form")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1440
    for view in ("orders", "open"):
        await page.goto(f"{client.url}/static/client.html#/{view}")
        await expect(client.badge).to_have_text("● live")
        fits = "({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth + 1"  # of a fraction
        assert await client.element("scroller").evaluate(f"node => ({fits})(node)")
    count = client.element("count")
    await count.fill("10000")
    assert await count.evaluate(f"node => ({fits})(node)")


async def test_a_phone_shows_where_and_at_which_price_an_order_was_executed(
    desk: ClientPage,
) -> None:
    client = desk
    await client.page.set_viewport_size({"width": 390, "height": 844})
    await client.open()
    await client.element("form-card").locator("summary").click()
    [batch_id] = await client.place_orders(3, side="sell", low="0.5", high="2", of="in")
    await client.element("filter").fill(f"batch:{batch_id}")
    await expect(client.rows("confirmed")).to_have_count(3)
    cells = client.rows("confirmed").locator(".c-price")
    dex = "node => getComputedStyle(node, '::before').content"
    shown = [await cell.evaluate(dex) for cell in await cells.all()]
    assert all(re.match(r'"(raydium|meteora)', each) for each in shown), shown
    decimals = {len(text.partition(".")[2]) for text in await cells.all_inner_texts()}
    assert len(decimals) == 1  # the points of a pair's prices are below each other


async def test_errors_of_the_connection_are_words_and_those_of_a_try_stay(
    desk: ClientPage,
) -> None:
    client = desk
    await client.open()
    await client.fill(preset="one order", type="limit", limit="x")
    await client.submit()
    await expect(client.element("outcome")).to_contain_text("Not placed: ")
    refused = await client.element("outcome").inner_text()
    await client.fill(low="2")  # another quote is asked for, and answers
    await expect(client.element("sum")).to_contain_text("Sells 2 SOL")
    await expect(client.element("error-limit")).not_to_be_empty()
    await expect(client.element("outcome")).to_have_text(refused)
    await client.page.context.set_offline(True)
    await client.fill(type="market", low="3")
    await expect(client.element("preview")).to_have_text("the server cannot be reached")
    await client.page.context.set_offline(False)
    client.console_errors.clear()  # the browser logs each request that it could not send

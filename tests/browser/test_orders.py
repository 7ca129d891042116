"""Orders on the page: placed, refused, watched, found and taken away."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.screen import Screen
from tests.e2e.up import Up
from tests.scenario import WHOLE

pytestmark = pytest.mark.asyncio(loop_scope="package")
NO_ORDER = "01a1ff2c-88eb-753c-8618-e62410a1c7e3"


def order_in(url: str) -> str:
    [order_id] = parse_qs(urlsplit(url).query)["order"]
    return order_id


async def test_an_order_is_placed_and_watched_to_its_end(screen: Screen) -> None:
    await screen.open()
    await screen.fill(preset="one order", low="2.5")
    await expect(screen.part("preview")).to_contain_text("At least")
    await screen.place()
    await expect(screen.part("detail-status")).to_have_text("● confirmed")

    order_id = order_in(screen.page.url)
    await expect(screen.part("detail-title")).to_have_text(f"Order {order_id[-8:]}")
    steps = screen.part("detail-timeline").locator("tr")
    await expect(steps).to_have_count(len(WHOLE))
    statuses = await steps.evaluate_all("rows => rows.map(row => row.dataset.status)")
    assert statuses == WHOLE
    quotes = screen.part("detail-quotes").locator("tr")
    await expect(quotes).to_have_count(2)
    await expect(quotes.and_(screen.page.locator(".best"))).to_have_count(1)
    await expect(quotes.and_(screen.page.locator(".best"))).to_contain_text("▸")
    await expect(screen.part("detail-difference")).to_have_text(
        re.compile(r"After fees (\w+) pays \d+\.\d bps more than (\w+)\.")
    )
    await expect(screen.part("detail-facts")).to_contain_text("2.5 SOL → USDC (sell SOL/USDC)")
    row = screen.page.locator(f"tr[data-order='{order_id}']")
    await expect(row).to_have_attribute("data-status", "confirmed")

    await screen.page.keyboard.press("Escape")
    await expect(screen.part("detail")).to_be_hidden()
    assert "order=" not in screen.page.url


async def test_the_apis_objections_stand_beside_their_fields(screen: Screen) -> None:
    await screen.open()
    await screen.fill(preset="one order", low="0", slippage="10001")
    await screen.place()
    await expect(screen.part("error-low")).to_have_text("must be greater than 0")
    await expect(screen.part("error-slippage")).to_contain_text("must be less than or equal")
    low = screen.part("low")
    await expect(low).to_have_attribute("aria-invalid", "true")
    described = await low.get_attribute("aria-describedby")
    assert described == "error-low"

    await screen.page.uncheck("input[value='SOL/USDC']")
    await screen.fill(others="DOGE/USDC", slippage="50")
    await expect(screen.part("error-pairs")).to_contain_text("unknown token 'DOGE'")
    await screen.fill(others="RAY/USDC", low="1.23456789")
    await expect(screen.part("error-low")).to_contain_text("decimals")
    await screen.fill(low="1", minimum="1000000")
    await expect(screen.part("preview")).to_contain_text("below the minimum")
    await screen.fill(minimum="")
    await expect(screen.part("preview")).to_contain_text("At least")
    await expect(screen.page.locator(".error:not(:empty)")).to_have_count(0)
    await expect(screen.part("outcome")).not_to_contain_text("Accepted")


async def test_an_order_that_cannot_be_filled_fails_and_says_why(screen: Screen) -> None:
    await screen.open()
    await screen.fill(preset="one order", minimum="1000000")
    await screen.place()
    await expect(screen.part("detail-status")).to_have_text("✕ failed")
    await expect(screen.part("detail-error")).to_contain_text("min_out_not_met")
    await expect(screen.part("detail-difference")).to_have_text("It was not routed.")
    await screen.part("detail-again").click()
    assert await screen.part("minimum").input_value() == "1000000"


async def test_a_batch_is_filtered_sorted_and_taken_away_as_csv(
    screen: Screen, tmp_path: Path
) -> None:
    await screen.open()
    [batch_id] = await screen.place_many(40, low="1", high="3")
    await screen.part("outcome").locator("a").click()
    assert await screen.part("filter").input_value() == f"batch:{batch_id}"
    await expect(screen.part("shown")).to_contain_text("40 of ")
    table = screen.part("orders")
    await expect(table).to_have_attribute("aria-rowcount", "41")

    await screen.part("filter").fill(f"batch:{batch_id} side:sell status:confirmed")
    sides = screen.page.locator("#orders tbody tr[data-order] .c-side")
    await expect(sides.filter(has_text="buy")).to_have_count(0)
    await screen.page.locator("th.c-amount button").click()
    await expect(screen.page.locator("th.c-amount")).to_have_attribute("aria-sort", "descending")
    await expect(screen.rows("confirmed").nth(5)).to_be_visible()
    texts = await screen.page.locator("#orders tbody tr[data-order] .c-amount").all_inner_texts()
    amounts = [float(text.split()[0]) for text in texts]
    assert len(amounts) > 5
    assert amounts == sorted(amounts, reverse=True)

    await screen.part("filter").fill("colour:red")
    await expect(screen.part("filter-error")).to_contain_text("colour: is not a field")

    await screen.part("filter").fill(f"batch:{batch_id} status:confirmed")
    await expect(screen.part("shown")).to_contain_text("40 of ")
    async with screen.page.expect_download() as downloading:
        await screen.part("csv").click()
    path = tmp_path / "orders.csv"
    await (await downloading.value).save_as(path)
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 40
    assert {line["batchId"] for line in lines} == {batch_id}
    assert all(line["txHash"] and line["executedPrice"] for line in lines)


async def test_statuses_narrow_the_table_together_with_the_filter(screen: Screen) -> None:
    await screen.open()
    [batch_id] = await screen.place_many(10)
    await screen.part("filter").fill(f"batch:{batch_id}")
    await expect(screen.rows("confirmed")).to_have_count(10)
    chips = screen.part("statuses").locator("button")
    await chips.filter(has_text="failed").click()
    await expect(screen.part("nothing")).to_have_text("No order matches.")
    await chips.filter(has_text="confirmed").click()
    await expect(screen.rows()).to_have_count(10)
    await screen.part("filter").fill(f"batch:{batch_id} !status:confirmed")
    await expect(screen.rows()).to_have_count(0)


async def test_links_lead_to_an_order_and_to_a_batch(screen: Screen) -> None:
    await screen.open()
    [batch_id] = await screen.place_many(5)
    await screen.open(f"?batch={batch_id}")
    await expect(screen.rows("confirmed")).to_have_count(5)
    order_id = await screen.rows().first.get_attribute("data-order")
    assert order_id is not None

    await screen.open(f"?order={order_id}")
    await expect(screen.part("detail-status")).to_have_text("● confirmed")
    await screen.part("detail-facts").locator("a").click()
    await expect(screen.rows()).to_have_count(5)
    await screen.page.go_back()
    await expect(screen.part("detail-title")).to_have_text(f"Order {order_id[-8:]}")


async def test_a_link_to_no_order_says_so(screen: Screen) -> None:
    await screen.open(f"?order={NO_ORDER}")
    await expect(screen.part("detail-message")).to_have_text("there is no order with this id")


async def test_the_keyboard_reaches_every_row(screen: Screen) -> None:
    await screen.open()
    [batch_id] = await screen.place_many(200)
    await screen.part("filter").fill(f"batch:{batch_id} status:confirmed")
    await expect(screen.part("shown")).to_contain_text("200 of ")
    await screen.rows().first.locator("a").focus()
    keys = (("ArrowDown", 3), ("End", 201), ("ArrowUp", 200), ("Home", 2), ("End", 201))
    for key, row in keys:
        await screen.page.keyboard.press(key)
        await expect(screen.page.locator(f"tr[aria-rowindex='{row}'] a")).to_be_focused()
    await screen.page.keyboard.press("Enter")
    await expect(screen.part("detail-status")).to_have_text("● confirmed")
    await expect(screen.part("detail-title")).to_be_focused()
    await screen.page.keyboard.press("Escape")
    await expect(screen.page.locator("tr[aria-rowindex='201'] a")).to_be_focused()


async def test_what_clients_write_is_shown_as_text(screen: Screen, up: Up) -> None:
    name = "<img src=x onerror=alert(1)><b>=1+1"
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1", "clientOrderId": name}
    async with up.http.post("/api/orders/execute", json=order) as response:
        order_id = (await response.json())["orderId"]
    await screen.open(f"?order={order_id}")
    await expect(screen.part("detail-facts")).to_contain_text(name)
    assert await screen.page.locator("img, #detail b").count() == 0

"""Orders on the page: placing, errors, the detail, filters, links and the CSV file."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage
from tests.e2e.up import RunningUp
from tests.scenario import HAPPY_PATH

pytestmark = pytest.mark.asyncio(loop_scope="package")
ANSWER_DELAY_MS = 500  # a click in the first 400 ms after a question is no answer
NO_ORDER = "01a1ff2c-88eb-753c-8618-e62410a1c7e3"


def order_id_of(url: str) -> str:
    [order_id] = parse_qs(urlsplit(url).query)["order"]
    return order_id


async def test_an_order_is_placed_and_followed_to_its_end(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", low="2.5")
    await expect(client.element("preview")).to_contain_text("At least")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("● confirmed")

    order_id = order_id_of(client.page.url)
    await expect(client.element("detail-title")).to_have_text(f"Order {order_id[-8:]}")
    steps = client.element("detail-timeline").locator("tr")
    await expect(steps).to_have_count(len(HAPPY_PATH))
    statuses = await steps.evaluate_all("rows => rows.map(row => row.dataset.status)")
    assert statuses == HAPPY_PATH
    quotes = client.element("detail-quotes").locator("tr")
    await expect(quotes).to_have_count(2)
    await expect(quotes.and_(client.page.locator(".best"))).to_have_count(1)
    await expect(quotes.and_(client.page.locator(".best"))).to_contain_text("▸")
    await expect(client.element("detail-difference")).to_have_text(
        re.compile(r"After fees \w+ [\w ]+ pays \d+\.\d bps more than the next best, \w+ [\w ]+\.")
    )
    await expect(client.element("detail-facts")).to_contain_text("2.5 SOL → USDC (sell SOL/USDC)")
    await expect(client.element("detail-facts")).to_contain_text(re.compile(r"Fee of (ray|met)"))
    await expect(client.element("detail-facts")).to_contain_text("Fee of the network0.00000")
    row = client.page.locator(f"tr[data-order='{order_id}']")
    await expect(row).to_have_attribute("data-status", "confirmed")

    await client.page.keyboard.press("Escape")
    await expect(client.element("detail")).to_be_hidden()
    assert "order=" not in client.page.url


async def test_the_apis_errors_are_shown_beside_their_fields(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", low="0", slippage="10001")
    await client.submit()
    await expect(client.element("error-low")).to_have_text("must be greater than 0")
    await expect(client.element("error-slippage")).to_contain_text("must be less than or equal")
    low = client.element("low")
    await expect(low).to_have_attribute("aria-invalid", "true")
    described = await low.get_attribute("aria-describedby")
    assert described == "error-low"

    await client.page.uncheck("input[value='SOL/USDC']")
    await client.fill(others="DOGE/USDC", slippage="50")
    await expect(client.element("error-pairs")).to_contain_text("unknown token 'DOGE'")
    await client.fill(others="RAY/USDC", low="1.23456789")
    await expect(client.element("error-low")).to_contain_text("decimals")
    await client.fill(low="1", minimum="1000000")
    await expect(client.element("preview")).to_contain_text("below the minimum")
    await client.fill(minimum="")
    await expect(client.element("preview")).to_contain_text("At least")
    await expect(client.page.locator(".error:not(:empty)")).to_have_count(0)
    await expect(client.element("outcome")).not_to_contain_text("Accepted")


async def test_a_refusal_stays_until_its_field_changes_and_its_outcome_until_the_next_try(
    client: ClientPage,
) -> None:
    page, error, outcome = client.page, client.element("error-until"), client.element("outcome")
    await client.open()
    # A quote knows nothing of expiries: the automatic one after the refusal succeeds.
    await client.fill(preset="one order", force="gtd", until="2020-01-01T00:00:00Z", slippage="70")
    async with page.expect_response("**/api/quotes"):
        await client.submit()
    await expect(client.element("preview")).to_contain_text("At least")
    await expect(error).to_contain_text("has passed already")
    await client.fill(slippage="60")  # another field, and another automatic quote
    await expect(client.element("preview")).to_contain_text("At least")
    await expect(error).to_contain_text("has passed already")
    await expect(outcome).to_contain_text("Not placed: expiresAt")
    await client.fill(until="", force="gtc")
    await expect(error).to_have_text("")
    await expect(outcome).to_contain_text("Not placed: expiresAt")
    await client.submit()
    await expect(outcome).to_contain_text("Accepted")


async def test_what_was_said_of_other_values_goes_when_they_change(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", low="2")
    await expect(client.element("preview")).to_contain_text("for 2 SOL")
    await expect(client.element("sum")).to_contain_text("Sells 2 SOL, about")
    await client.page.route("**/api/quotes", lambda route: None)  # no quote ever arrives
    await client.fill(low="3")
    assert await client.element("preview").inner_text() == ""
    assert await client.element("sum").inner_text() == ""


async def test_orders_above_the_value_of_a_setting_are_placed_at_the_second_click(
    client: ClientPage,
) -> None:
    sum_up, question, place = (client.element(name) for name in ("sum", "question", "place"))
    outcome, ask_above = client.element("outcome"), client.element("ask-above")
    await client.open()
    await ask_above.fill("150000")
    await client.fill(preset="a few", count="2000", side="sell", low="1", high="1", of="in")
    await expect(sum_up).to_contain_text(re.compile(r"Sells 2,000 SOL, about [\d,]+ USDC"))
    await place.dblclick()  # is one click
    await expect(question).to_contain_text("2,000 orders sell 2,000 SOL, about")
    await expect(place).to_contain_text(re.compile(r"Place 2,000 orders: [\d,]+ USDC"))
    await client.fill(count="3", low="1000", high="1000")  # other orders: asked anew
    await expect(question).to_have_text("")
    await expect(place).to_have_text("Place 3 orders")
    await client.submit()
    await expect(question).to_contain_text("3 orders sell 3,000 SOL")
    await ask_above.fill("5")
    await client.fill(low="1", high="1")
    await client.submit()
    await expect(question).to_contain_text("3 orders sell 3 SOL")
    await expect(outcome).to_have_text("")
    while not await outcome.inner_text():  # a click in the first moment is no answer
        await client.submit()
    await expect(outcome).to_contain_text("3 accepted")
    await client.page.reload()
    await expect(ask_above).to_have_value("5")


@pytest.mark.parametrize(
    ("fields", "question", "label"),
    [
        ({"type": "stop", "trigger": "0.001"}, "1 order sells all", "Place 1 order: all of SOL"),
        (
            {"type": "oco", "profit": "100000", "loss": "0.001"},
            "2 orders sell all",
            "Place 2 orders: all of SOL",
        ),
    ],
    ids=["stop", "oco"],
)
async def test_orders_of_a_share_are_placed_at_the_second_click(
    client: ClientPage, fields: dict[str, str], question: str, label: str
) -> None:
    asked, place, waiting = (
        client.element("question"),
        client.element("place"),
        client.rows("waiting"),
    )
    words = "of SOL that the wallet holds at the trigger: its value is not known before."
    await client.open()
    await client.element("filter").fill("status:waiting")
    await client.fill(preset="one order", **fields, low="all")
    await client.submit()
    await expect(asked).to_contain_text(f"{question} {words} Press again")
    await expect(place).to_have_text(label)
    await client.fill(low="25%")  # another share: asked anew
    await expect(asked).to_have_text("")
    await client.submit()
    await expect(asked).to_contain_text("25% of SOL")
    await expect(client.element("outcome")).to_have_text("")
    await expect(waiting).to_have_count(0)
    await client.page.wait_for_timeout(ANSWER_DELAY_MS)
    await client.submit()
    await expect(client.element("outcome")).to_contain_text(re.compile("[Aa]ccepted"))
    await expect(asked).to_have_text("")
    await client.page.keyboard.press("Escape")
    await expect(waiting).to_have_count(int(label.split()[1]))
    await client.element("cancel-shown").click()
    await client.element("cancel-yes").click()
    await expect(waiting).to_have_count(0)


async def test_an_order_that_cannot_be_filled_fails_and_shows_the_reason(
    client: ClientPage,
) -> None:
    await client.open()
    await client.fill(preset="one order", minimum="1000000")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("✕ failed")
    await expect(client.element("detail-error")).to_contain_text("min_out_not_met")
    await expect(client.element("detail-difference")).to_have_text("It was not routed.")
    await client.element("detail-again").click()
    assert await client.element("minimum").input_value() == "1000000"


async def test_a_batch_is_filtered_sorted_and_downloaded_as_csv(
    client: ClientPage, tmp_path: Path
) -> None:
    await client.open()
    [batch_id] = await client.place_orders(40, low="1", high="3")
    await client.element("outcome").locator("a").click()
    assert await client.element("filter").input_value() == f"batch:{batch_id}"
    await expect(client.element("shown")).to_contain_text("40 of ")
    table = client.element("orders")
    await expect(table).to_have_attribute("aria-rowcount", "41")

    await client.element("filter").fill(f"batch:{batch_id} side:sell status:confirmed")
    sides = client.page.locator("#orders tbody tr[data-order] .c-side")
    await expect(sides.filter(has_text="buy")).to_have_count(0)
    await client.page.locator("th.c-amount button").click()
    await expect(client.page.locator("th.c-amount")).to_have_attribute("aria-sort", "descending")
    await expect(client.rows("confirmed").nth(5)).to_be_visible()
    texts = await client.page.locator("#orders tbody tr[data-order] .c-amount").all_inner_texts()
    amounts = [float(text.split()[0]) for text in texts]
    assert len(amounts) > 5
    assert amounts == sorted(amounts, reverse=True)

    await client.element("filter").fill("colour:red")
    await expect(client.element("filter-error")).to_contain_text("colour: is not a field")

    await client.element("filter").fill(f"batch:{batch_id} status:confirmed")
    await expect(client.element("shown")).to_contain_text("40 of ")
    async with client.page.expect_download() as downloading:
        await client.element("csv").click()
    path = tmp_path / "orders.csv"
    await (await downloading.value).save_as(path)
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 40
    assert {line["batchId"] for line in lines} == {batch_id}
    assert all(line["txHash"] and line["executedPrice"] for line in lines)


async def test_statuses_filter_the_table_together_with_the_filter_text(client: ClientPage) -> None:
    await client.open()
    [batch_id] = await client.place_orders(10)
    await client.element("filter").fill(f"batch:{batch_id}")
    await expect(client.rows("confirmed")).to_have_count(10)
    chips = client.element("statuses").locator("button")
    await chips.filter(has_text="failed").click()
    await expect(client.element("empty-message")).to_have_text("No order matches.")
    await chips.filter(has_text="confirmed").click()
    await expect(client.rows()).to_have_count(10)
    await client.element("filter").fill(f"batch:{batch_id} !status:confirmed")
    await expect(client.rows()).to_have_count(0)


async def test_links_open_an_order_and_a_batch(client: ClientPage) -> None:
    await client.open()
    [batch_id] = await client.place_orders(5)
    await client.open(f"?batch={batch_id}")
    await expect(client.rows("confirmed")).to_have_count(5)
    order_id = await client.rows().first.get_attribute("data-order")
    assert order_id is not None

    await client.open(f"?order={order_id}")
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    await client.element("detail-facts").locator("a").click()
    await expect(client.rows()).to_have_count(5)
    await client.page.go_back()
    await expect(client.element("detail-title")).to_have_text(f"Order {order_id[-8:]}")


async def test_a_link_to_an_unknown_order_shows_a_message(client: ClientPage) -> None:
    await client.open(f"?order={NO_ORDER}")
    await expect(client.element("detail-message")).to_have_text("there is no order with this id")


async def test_the_keyboard_reaches_every_row(client: ClientPage) -> None:
    await client.open()
    [batch_id] = await client.place_orders(200)
    await client.element("filter").fill(f"batch:{batch_id} status:confirmed")
    await expect(client.element("shown")).to_contain_text("200 of ")
    await client.rows().first.locator("a").focus()
    keys = (("ArrowDown", 3), ("End", 201), ("ArrowUp", 200), ("Home", 2), ("End", 201))
    for key, row in keys:
        await client.page.keyboard.press(key)
        await expect(client.page.locator(f"tr[aria-rowindex='{row}'] a")).to_be_focused()
    await client.page.keyboard.press("Enter")
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    await expect(client.element("detail-title")).to_be_focused()
    await client.page.keyboard.press("Escape")
    await expect(client.page.locator("tr[aria-rowindex='201'] a")).to_be_focused()


async def test_what_clients_write_is_shown_as_text(client: ClientPage, up: RunningUp) -> None:
    name = "<img src=x onerror=alert(1)><b>=1+1"
    order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1", "clientOrderId": name}
    async with up.http.post("/api/orders/execute", json=order) as response:
        order_id = (await response.json())["orderId"]
    await client.open(f"?order={order_id}")
    await expect(client.element("detail-facts")).to_contain_text(name)
    assert await client.page.locator("img, #detail b").count() == 0

"""Orders on the page that belong together, their distance to the market, and amendments."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage

pytestmark = pytest.mark.asyncio(loop_scope="package")
SOON = {"force": "gtd", "until": "10m"}


async def cancel_all(client: ClientPage) -> None:
    await client.element("cancel-shown").click()
    await client.element("cancel-yes").click()
    await expect(client.rows("waiting")).to_have_count(0)


async def test_both_orders_of_an_oco_are_placed_and_know_each_other(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", type="oco", profit="100000", loss="x", **SOON)
    await expect(client.element("place")).to_have_text("Place 2 orders")
    await client.submit()
    await expect(client.element("error-loss")).not_to_be_empty()
    await expect(client.element("outcome")).to_contain_text("0 accepted")
    await client.fill(loss="1")
    await expect(client.element("error-loss")).to_be_empty()
    await expect(client.element("preview")).to_contain_text("This stop is")
    await client.submit()
    await expect(client.element("outcome")).to_contain_text("2 accepted")
    await client.element("outcome").locator("a").click()
    await expect(client.rows("waiting")).to_have_count(2)
    await client.rows("waiting").first.locator("a").click()
    await expect(client.element("detail-facts")).to_contain_text("OCO with")
    await client.element("detail-cancel").click()
    await expect(client.element("cancel-chances")).to_contain_text("other order of its OCO")
    await client.element("cancel-no").click()
    await client.page.keyboard.press("Escape")
    await cancel_all(client)


async def test_what_waits_is_amended_in_place(client: ClientPage) -> None:
    page, outcome = client.page, client.element("amend-outcome")
    await client.open()
    await client.fill(preset="one order", type="limit", limit="100000", **SOON)
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("◇ waiting")
    await expect(client.element("detail-facts")).to_contain_text("% away")
    await page.keyboard.press("Escape")
    await expect(client.rows("waiting").locator(".c-bps")).to_contain_text(" %")
    await client.rows("waiting").locator("a").focus()
    await page.keyboard.press("e")
    limit = client.element("amend-limit")
    await expect(limit).to_have_value("100000")
    await client.element("amend-send").click()
    await expect(outcome).to_contain_text("Nothing is changed")
    await limit.fill("x")
    await client.element("amend-send").click()
    await expect(client.element("amend-error-limit")).not_to_be_empty()
    await limit.fill("90000")
    await expect(client.element("amend-sense")).to_contain_text("above the market and would wait")
    await client.element("amend-send").click()
    await expect(client.element("amend-dialog")).to_be_hidden()
    await expect(client.rows("waiting").locator(".c-price")).to_have_text("≥ 90,000")

    await page.keyboard.press("e")
    await limit.fill("1")
    await client.element("amend-send").click()
    await expect(outcome).to_contain_text("Press again to amend it all the same")
    await client.element("amend-close").click()
    await expect(client.rows("waiting").locator(".c-price")).to_have_text("≥ 90,000")
    await client.rows("waiting").locator("a").click()
    timeline = client.element("detail-timeline")
    await expect(timeline.locator(".amended")).to_have_text("amended: limitPrice 100000 → 90000")
    await page.keyboard.press("Escape")
    await cancel_all(client)


async def test_the_exits_of_a_sell_lie_the_other_way_round(client: ClientPage) -> None:
    hint = client.element("exits-hint")
    await client.open()
    await client.fill(preset="one order", side="buy", profit="100000")
    await expect(client.element("loss")).to_have_attribute("placeholder", "below")
    await expect(hint).to_be_empty()
    await client.fill(side="sell")
    await expect(client.element("loss")).to_have_attribute("placeholder", "above")
    await expect(hint).to_have_text(
        "Of this sell the profit lies below the price, and the stop above it."
    )
    await client.fill(type="oco")
    await expect(hint).to_be_empty()


async def test_a_stop_has_the_servers_slippage_unless_another_is_written(
    client: ClientPage,
) -> None:
    facts = client.element("detail-facts")
    await client.open()
    await client.fill(preset="one order", type="stop", trigger="1", **SOON)
    await expect(client.element("slippage-percent")).to_have_text("empty: the server's")
    await client.submit()
    await expect(facts).to_contain_text("Slippage300 bps")
    await client.page.keyboard.press("Escape")
    await client.fill(slippage="40")
    await expect(client.element("slippage-percent")).to_have_text("= 0.4 %")
    await client.submit()
    await expect(facts).to_contain_text("Slippage40 bps")
    await client.page.keyboard.press("Escape")
    await expect(client.rows("waiting")).to_have_count(2)
    await cancel_all(client)


async def test_a_cancelled_twap_says_what_its_slices_filled(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", type="twap", slices="10", interval="1h")
    await client.submit()
    await expect(client.element("detail-facts")).to_contain_text("Filled0.1 of 1 SOL")
    await client.element("detail-cancel").click()
    await client.element("cancel-yes").click()
    filled = "still land; its slices filled 0.1 of 1 SOL"
    await expect(client.element("detail-error")).to_contain_text(filled)
    await client.page.reload()
    await expect(client.element("detail-error")).to_contain_text(filled)


async def place_and_open_again(client: ClientPage, fields: dict[str, str]) -> None:
    """Place what the form says, and see that an order like it has these fields."""
    await client.submit()
    await expect(client.element("detail-again")).to_be_visible()
    [order_id] = parse_qs(urlsplit(client.page.url).query)["order"]
    await client.element("detail-close").click()
    await client.fill(preset="one order")
    await client.page.locator(f"#orders tr[data-order='{order_id}'] a").click()
    await client.element("detail-again").click()
    for name, value in fields.items():
        await expect(client.page.locator(f"#order-form [name={name}]")).to_have_value(value)


async def test_an_order_like_an_entry_has_its_bracket(client: ClientPage) -> None:
    await client.open()
    limit = {"type": "limit", "limit": "0.00001", "priceOf": "quote"}
    exits = {"profit": "10", "loss": "0.000001", "confirmations": "2"}
    await client.fill(preset="one order", side="sell", **limit, **SOON)
    await client.fill(**exits)
    await place_and_open_again(client, limit | exits)
    await client.fill(preset="one order", side="buy", type="limit", limit="0.5", **SOON)
    bracket = {"profit": "0.6", "profitThen": "market", "lossTrail": "2.5", "confirmations": "3"}
    await client.fill(**bracket)
    await place_and_open_again(client, bracket | {"priceOf": "base", "loss": "", "limit": "0.5"})
    await client.rows("waiting").first.locator("a").focus()
    await client.page.keyboard.press("e")
    await expect(client.element("amend-limit")).to_have_value("0.5")
    await expect(client.element("amend-confirmations")).to_have_count(0)
    await client.element("amend-close").click()
    await client.fill(preset="one order", type="market")
    await place_and_open_again(client, {"profit": "", "loss": "", "lossTrail": ""})
    await cancel_all(client)


async def test_an_order_like_a_sniper_has_its_guards(client: ClientPage) -> None:
    guards = {
        "mint": "JUP",
        "payWith": "SOL",
        "liquidity": "1000000",
        "age": "300s",
        "authorities": "freeze",
        "poolFee": "0.3",
        "transferFee": "0",
        "locked": "95",
        "looks": "2",
        "dexes": "meteora",
    }
    await client.open()
    await client.fill(preset="one order", type="sniper", **guards)
    await place_and_open_again(client, guards)
    await client.fill(preset="one order", type="market")
    await place_and_open_again(client, {"mint": "", "liquidity": "", "dexes": ""})
    await cancel_all(client)


async def test_small_amounts_and_long_times_fit_their_cells(client: ClientPage) -> None:
    await client.page.set_viewport_size({"width": 1280, "height": 800})
    await client.open()
    await client.fill(preset="one order", type="limit", limit="100000", low="0.00881138", **SOON)
    await client.submit()
    await client.page.keyboard.press("Escape")
    row = client.rows("waiting").first
    await expect(row.locator(".c-amount")).to_have_text("0.008811 SOL")
    texts = await client.page.evaluate(
        """async () => {
          const { formatShortDuration } = await import("/static/client/view/format.js");
          return [62_000, 599_000, 5_999_000, 43_140_000, 359_940_000].map(formatShortDuration);
        }"""
    )
    assert texts == ["1m 2s", "9m 59s", "99m", "11h 59m", "99h 59m"]
    for name, cell_texts in {
        "c-took": texts,
        "c-amount": ["0.008811 SOL", "1,234.57 USDC"],
    }.items():
        cell = row.locator(f".{name}")
        for text in cell_texts:
            is_cut = await cell.evaluate(
                """(node, text) => {
                  node.textContent = text;
                  return node.scrollWidth > node.clientWidth;
                }""",
                text,
            )
            assert not is_cut, text
    await cancel_all(client)


async def test_a_row_that_waits_tells_its_type_in_words(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", type="trailingStop", trail="4", **SOON)
    await client.submit()
    await client.element("detail-close").click()
    row = client.rows("waiting").first
    price, type_cell = row.locator(".c-price"), row.locator(".c-type")
    read_label = "node => getComputedStyle(node, '::before').content"
    for width in (390, 1280):
        await client.page.set_viewport_size({"width": width, "height": 800})
        await expect(type_cell).to_be_hidden()
        await expect(price).to_have_text("\N{MINUS SIGN}4 %")
        assert await price.evaluate(read_label) == '"trailing stop"'
        assert not await price.evaluate("node => node.scrollWidth > node.clientWidth")
        assert (await client.bounding_box(row))["height"] == 30
    await client.page.set_viewport_size({"width": 1440, "height": 800})
    await expect(type_cell).to_have_text("TRL")
    assert await price.evaluate(read_label) == "none"
    await cancel_all(client)

"""Orders on the page that wait for a price: their fields, comparison, list, detail and end."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage

pytestmark = pytest.mark.asyncio(loop_scope="package")
INPUTS = (
    *("trigger", "limit", "then", "trail", "activation", "priceOf", "minimum", "until"),
    *("confirmations", "profit", "loss", "slices", "mint", "guards"),
)
VALUES = "options => options.map(({ value }) => value)"
SOON = {"force": "gtd", "until": "10m"}


async def list_inputs(client: ClientPage) -> set[str]:
    return {name for name in INPUTS if await client.element(name).is_visible()}


async def test_the_inputs_appear_that_a_type_has(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order")
    shown = {}
    for name in await client.element("type").locator("option").evaluate_all(VALUES):
        await client.fill(type=name)
        shown[name] = await list_inputs(client)
    exits, priced = {"profit", "loss"}, {"confirmations", "priceOf"}
    assert shown == {
        "market": {"minimum", *exits},
        "limit": {"limit", "priceOf", *exits},
        "stop": {"trigger", *priced},
        "takeProfit": {"trigger", "then", *priced},
        "stopLimit": {"trigger", "limit", *priced},
        "trailingStop": {"trail", "activation", *priced},
        "oco": {*exits, *priced},
        "twap": {"limit", "priceOf", "slices"},
        "sniper": {"minimum", "mint", "guards"},
    }
    await client.fill(type="market", force="gtd", profit="160")
    assert await list_inputs(client) == {"minimum", "until", *exits, *priced}


async def test_an_order_is_compared_with_the_market_and_waits_until_it_is_cancelled(
    client: ClientPage,
) -> None:
    page, preview, facts = client.page, client.element("preview"), client.element("detail-facts")
    await client.open()
    await client.fill(preset="one order", type="stopLimit", trigger="100000", limit="99999")
    await expect(preview).to_contain_text("above the market and would trigger at once")
    await client.fill(trigger="1", limit="0.99", **SOON)
    await expect(preview).to_contain_text("below the market and would wait")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("◇ waiting")
    await expect(facts).to_contain_text("Waits for≤ 1 USDC per SOL")
    await expect(facts).to_contain_text("Thena limit at 0.99")
    await expect(facts).to_contain_text(re.compile(r"Expires\d+/\d+/\d+"))

    await page.keyboard.press("Escape")
    await page.locator("#statuses button[data-status=waiting]").click()
    await expect(client.rows("waiting")).to_have_count(1)
    await expect(client.rows()).to_have_count(1)
    await client.element("filter").fill("type:stopLimit force:gtd")
    await expect(client.rows("waiting").locator(".c-price")).to_have_text("≤ 1")
    await client.rows("waiting").locator("button").click()
    await expect(client.element("cancel-subject")).to_contain_text("stopLimit ≤ 1 USDC per SOL")
    await client.element("cancel-yes").click()
    await expect(client.element("cancel-outcome")).to_contain_text("never be executed")
    await expect(client.rows("waiting")).to_have_count(0)


async def test_purchases_are_priced_by_what_they_buy(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", side="buy", type="limit", limit="0.5", **SOON)
    await expect(client.element("preview")).to_contain_text("below the market and would wait")
    await client.submit()
    facts = client.element("detail-facts")
    await expect(facts).to_contain_text("Waits for≤ 0.5 USDC per SOL")
    await client.element("detail-again").click()
    for name, value in {"limit": "0.5", "priceOf": "base", "type": "limit"}.items():
        await expect(client.element(name)).to_have_value(value)
    await client.element("cancel-shown").click()
    await client.element("cancel-yes").click()
    await expect(client.rows("waiting")).to_have_count(0)


async def test_the_apis_errors_are_beside_what_an_order_waits_for(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", type="takeProfit", trigger="x", force="ioc")
    await client.submit()
    await expect(client.element("error-trigger")).not_to_be_empty()
    await expect(client.element("error-force")).to_contain_text("wait for their trigger")
    await client.fill(type="trailingStop", trail="60", force="gtd", until="tomorrow")
    await client.submit()
    await expect(client.element("error-trail")).to_contain_text("5000")
    await expect(client.element("error-until")).to_contain_text("must be a time with its zone")
    await client.fill(trail="2", until="2h")
    await expect(client.page.locator("#order-form .error:not(:empty)")).to_have_count(0)
    preview = client.element("preview")
    await expect(preview).to_contain_text("2 % below the best from now on")


async def test_several_orders_that_wait_are_placed_at_once(client: ClientPage) -> None:
    await client.open()
    fields = {"side": "sell", "type": "takeProfit", "trigger": "100000", **SOON}
    await client.place_orders(5, **fields)
    await client.element("outcome").locator("a").click()
    await expect(client.rows("waiting")).to_have_count(5)
    await expect(client.page.locator("#statuses button[data-status=waiting] b")).to_have_text("5")
    await expect(client.element("in-flight")).to_have_text("0")
    await client.element("cancel-shown").click()
    await expect(client.element("cancel-counts")).to_contain_text("◇ waiting 5")
    await client.element("cancel-yes").click()
    await expect(client.rows("cancelled")).to_have_count(5)


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_form_fits_its_page_whatever_the_type(client: ClientPage, width: int) -> None:
    await client.page.set_viewport_size({"width": width, "height": 800})
    await client.open()
    await client.page.evaluate("document.getElementById('form-card').open = true")
    for name in ("limit", "takeProfit", "stopLimit", "trailingStop", "oco", "twap", "sniper"):
        await client.fill(preset="one order", type=name, force="gtd")
        for control in await client.page.locator("#order-form :is(input, select)").all():
            if await control.is_visible():
                box = await client.bounding_box(control)
                assert box["width"] >= 13, await control.get_attribute("id")
                assert box["x"] + box["width"] <= width, await control.get_attribute("id")

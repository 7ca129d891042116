"""Orders on the page that sell a share of what the wallet holds."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage

pytestmark = pytest.mark.asyncio(loop_scope="package")
STOP = {"preset": "one order", "type": "stop", "trigger": "0.001", "force": "gtd", "until": "10m"}


async def test_a_stop_of_a_share_is_previewed_placed_shown_and_amended(client: ClientPage) -> None:
    page = client.page
    await client.open()
    await client.element("ask-above").fill("")  # places at once, whatever it will sell
    await client.fill(**STOP, low="0%")
    await client.submit()
    await expect(client.element("error-low")).to_contain_text("a percentage from 0.01% to 100%")
    await client.fill(low="50%")
    await expect(client.element("error-low")).to_be_empty()
    await expect(client.element("sum")).to_have_text("Sells 50% of SOL")
    await expect(client.element("preview")).to_contain_text("This stop is")
    await client.submit()
    await expect(client.element("detail-status")).to_have_text("◇ waiting")
    await expect(client.element("detail-facts")).to_contain_text("50% of SOL, about ")
    await page.keyboard.press("Escape")
    await expect(client.rows("waiting").locator(".c-amount")).to_contain_text("~")
    await client.rows("waiting").locator("a").focus()
    await page.keyboard.press("e")
    amount = client.element("amend-low")
    await expect(amount).to_have_value("50%")
    await amount.fill("2")
    await client.element("amend-send").click()
    await expect(client.rows("waiting").locator(".c-amount")).to_have_text("2 SOL")
    await client.element("cancel-shown").click()
    await client.element("cancel-yes").click()
    await expect(client.rows("waiting")).to_have_count(0)


async def test_a_market_order_of_a_share_is_refused_beside_the_amount(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="one order", low="all")
    await client.submit()
    await expect(client.element("error-low")).to_contain_text("trailingStop orders take")

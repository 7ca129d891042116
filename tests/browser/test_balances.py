"""A balance that differs from what orders explain: one line of the page, until it is hidden."""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import Browser, expect

from tests.browser.client_page import ClientPage
from tests.browser.test_accessibility import assert_accessible
from tests.integration.apis import open_api

pytestmark = pytest.mark.asyncio(loop_scope="package")
WALLET = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"
WORDS = "! Wallet 7xKX…gAsU holds"


async def differ(connection: asyncpg.Connection, name: str, *amounts: int) -> None:
    for amount in amounts:
        await connection.execute(
            "INSERT INTO wallet_differences (wallet, token, amount, slot) VALUES ($1, $2, $3, 7)",
            *(WALLET, name, amount),
        )


async def test_each_difference_is_shown_until_it_is_hidden(
    browser: Browser, database_url: str, redis_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await differ(connection, "SOL", 3_000_000_000, -500_000_001)
    await differ(connection, "JUP", 1_000_000, -1_000_000)  # has come back
    await differ(connection, "USDC", -1_250_750_000)
    async with open_api(database_url, redis_url) as api:
        page = await browser.new_page()
        client, line = ClientPage(page, api.url), page.locator("#difference")
        await page.set_viewport_size({"width": 390, "height": 844})
        await client.open()
        await expect(line).to_contain_text(f"{WORDS} 2.499999999 SOL more than its orders explain")
        await expect(line).to_contain_text("(1 of 2)")
        await expect(line.locator("span")).to_have_attribute("title", WALLET)
        await assert_accessible(client)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        await line.locator("button").click()
        await expect(line).to_contain_text(f"{WORDS} 1,250.75 USDC less than its orders explain")
        await page.reload()
        await expect(line).to_contain_text("USDC")
        await line.locator("button").click()
        await expect(line).to_be_hidden()
        await differ(connection, "SOL", 1)
        await page.reload()
        await expect(line).to_contain_text(f"{WORDS} 0.000000001 SOL more")
        # The browser logs that quotes were refused: this engine has no node.
        assert [each for each in client.console_errors if "status of 503" not in each] == []
        await page.close()
    await connection.close()

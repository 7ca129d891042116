"""The connection of the page: it is lost and reopened, and no event is missed or duplicated."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.browser.client_page import ClientPage
from tests.e2e.up import RunningUp, run_up
from tests.integration.apis import open_api

pytestmark = pytest.mark.asyncio(loop_scope="package")

RECORD_BADGES = """
window.badges = [];
addEventListener("DOMContentLoaded", () => {
  const badge = document.getElementById("badge");
  const note = () => badges.at(-1) === badge.dataset.state || badges.push(badge.dataset.state);
  new MutationObserver(note).observe(badge, { attributes: true });
});
"""
NETWORK_ERROR = re.compile("WebSocket connection to|net::ERR_|status of 5")
ORDERS = 150
KEY = "a-key-of-sixteen-letters-or-more"


async def test_a_killed_api_leaves_no_gap_and_the_badge_shows_each_state(
    client: ClientPage, up: RunningUp
) -> None:
    await client.page.add_init_script(RECORD_BADGES)
    await client.open()
    batches: list[str] = []
    for socket_count in (2, 3):
        batches += await client.place_orders(ORDERS, seed=str(socket_count))
        up.child("api").kill()
        await expect(client.badge).not_to_have_attribute("data-state", "live")
        await expect(client.badge).to_have_text("● live")
        assert len(client.socket_urls) >= socket_count
        assert all("after=" in url for url in client.socket_urls[1:])
    await client.element("filter").fill(f"batch:{','.join(batches)} status:confirmed,failed")
    await expect(client.element("shown")).to_contain_text(f"{2 * ORDERS} of ")

    seqs = defaultdict(list)
    for event in client.events:
        seqs[event["orderId"]].append(event["seq"])
    assert len(seqs) >= 2 * ORDERS
    assert [each for each in seqs.values() if each != [*range(1, len(each) + 1)]] == []
    states = await client.page.evaluate("badges")
    assert states[:2] == ["loading", "live"]
    assert states.count("live") == 3
    assert "offline" in states
    # The browser itself logs that the server was unreachable.
    client.console_errors = [
        text for text in client.console_errors if not NETWORK_ERROR.search(text)
    ]


async def test_an_engine_with_another_journal_is_loaded_again(
    browser: Browser, data_dir: Path
) -> None:
    arguments = ("--profile", "instant", "--headless")
    page = await browser.new_page()
    async with run_up(data_dir / "first", *arguments) as first:
        client = ClientPage(page, first.url)
        await client.open()
        await client.place_orders(20)
        await expect(client.rows("confirmed").nth(5)).to_be_visible()
        port = str(urlsplit(first.url).port)
    await expect(client.badge).to_contain_text("○ offline")
    await expect(client.element("place")).to_be_disabled()
    await client.element("retry").click()
    assert await client.rows().count() > 5
    async with run_up(data_dir / "second", *arguments, "--port", port):
        await expect(client.badge).to_have_text("● live")
        await expect(client.element("shown")).to_have_text("0 of 0 orders")
        await expect(client.element("empty-message")).to_have_text(
            "No orders yet. The form places one."
        )
        await client.place_orders(5)
        await expect(client.rows("confirmed")).to_have_count(5)
    await page.close()


async def test_a_server_with_keys_asks_for_one(
    browser: Browser, database_url: str, redis_url: str
) -> None:
    page = await browser.new_page()
    async with open_api(database_url, redis_url, api_keys=(f"me:{KEY}",)) as api:
        client = ClientPage(page, api.url)
        await page.goto(f"{api.url}/static/client.html")
        await expect(client.element("preview")).to_contain_text("API key")
        await client.element("key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(client.element("key-message")).to_have_text("It does not take this key.")
        await expect(client.badge).to_contain_text("○ refused")
        await client.element("key").fill(KEY)
        await page.keyboard.press("Enter")
        await expect(client.badge).to_have_text("● live")
        await expect(client.element("preview")).not_to_contain_text("API key")
        await client.place_orders(3, of="in")
        await expect(client.rows("pending")).to_have_count(3)
        await page.reload()
        await expect(client.rows("pending")).to_have_count(3)
        assert not [url for url in client.socket_urls if KEY in url or "wrong" in url]
        tickets = [url.partition("ticket=")[2] for url in client.socket_urls if "ticket=" in url]
        assert len(tickets) == len(set(tickets)) == 2
        await page.close()

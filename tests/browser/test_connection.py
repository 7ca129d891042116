"""The connection of the page: it is lost, it comes back, and no event is missed or told twice."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.browser.screen import Screen
from tests.e2e.up import Up, running_up
from tests.integration.apis import open_api

pytestmark = pytest.mark.asyncio(loop_scope="package")

BADGES = """
window.badges = [];
addEventListener("DOMContentLoaded", () => {
  const badge = document.getElementById("badge");
  const note = () => badges.at(-1) === badge.dataset.state || badges.push(badge.dataset.state);
  new MutationObserver(note).observe(badge, { attributes: true });
});
"""
NETWORK = re.compile("WebSocket connection to|net::ERR_|status of 5")
ORDERS = 150
KEY = "a-key-of-sixteen-letters-or-more"


async def test_a_killed_api_leaves_no_gap_and_the_badge_tells_the_truth(
    screen: Screen, up: Up
) -> None:
    await screen.page.add_init_script(BADGES)
    await screen.open()
    batches: list[str] = []
    for sockets in (2, 3):
        batches += await screen.place_many(ORDERS, seed=str(sockets))
        up.child("api").kill()
        await expect(screen.badge).not_to_have_attribute("data-state", "live")
        await expect(screen.badge).to_have_text("● live")
        assert len(screen.sockets) >= sockets
        assert all("after=" in url for url in screen.sockets[1:])
    await screen.part("filter").fill(f"batch:{','.join(batches)} status:confirmed,failed")
    await expect(screen.part("shown")).to_contain_text(f"{2 * ORDERS} of ")

    seqs = defaultdict(list)
    for event in screen.events:
        seqs[event["orderId"]].append(event["seq"])
    assert len(seqs) >= 2 * ORDERS
    assert [found for found in seqs.values() if found != [*range(1, len(found) + 1)]] == []
    states = await screen.page.evaluate("badges")
    assert states[:2] == ["loading", "live"]
    assert states.count("live") == 3
    assert "offline" in states
    # The browser itself tells that the server was gone.
    screen.complaints = [text for text in screen.complaints if not NETWORK.search(text)]


async def test_an_engine_with_another_journal_is_loaded_anew(
    browser: Browser, data_dir: Path
) -> None:
    arguments = ("--profile", "instant", "--headless")
    page = await browser.new_page()
    async with running_up(data_dir / "first", *arguments) as first:
        screen = Screen(page, first.url)
        await screen.open()
        await screen.place_many(20)
        await expect(screen.rows("confirmed").nth(5)).to_be_visible()
        port = str(urlsplit(first.url).port)
    await expect(screen.badge).to_contain_text("○ offline")
    await expect(screen.part("place")).to_be_disabled()
    await screen.part("retry").click()
    assert await screen.rows().count() > 5
    async with running_up(data_dir / "second", *arguments, "--port", port):
        await expect(screen.badge).to_have_text("● live")
        await expect(screen.part("shown")).to_have_text("0 of 0 orders")
        await expect(screen.part("nothing")).to_have_text("No orders yet. The form places one.")
        await screen.place_many(5)
        await expect(screen.rows("confirmed")).to_have_count(5)
    await page.close()


async def test_a_server_with_keys_asks_for_one(
    browser: Browser, database_url: str, redis_url: str
) -> None:
    page = await browser.new_page()
    async with open_api(database_url, redis_url, api_keys=(f"me:{KEY}",)) as api:
        screen = Screen(page, api.url)
        await page.goto(f"{api.url}/static/client.html")
        await screen.part("key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(screen.part("key-message")).to_have_text("It does not take this key.")
        await screen.part("key").fill(KEY)
        await page.keyboard.press("Enter")
        await expect(screen.badge).to_have_text("● live")
        await screen.place_many(3, of="in")
        await expect(screen.rows("pending")).to_have_count(3)
        await page.reload()
        await expect(screen.rows("pending")).to_have_count(3)
        await page.close()

"""Cancelling on the page: what is asked, done and told, by the mouse and by the keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.client_page import ClientPage
from tests.browser.test_accessibility import assert_accessible
from tests.e2e.up import RunningUp
from tests.integration.apis import open_api

KEY = "a-key-of-sixteen-letters-or-more"
pytestmark = pytest.mark.asyncio(loop_scope="package")


@contextmanager
def stopped_worker(up: RunningUp) -> Iterator[None]:
    """Orders stay pending while its only worker stands still."""
    worker = up.child("worker")
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


async def place_batch(client: ClientPage, count: int, **fields: str) -> str:
    """Place a batch, and show only its orders."""
    [batch_id] = await client.place_orders(count, **fields)
    await client.element("filter").fill(f"batch:{batch_id}")
    await expect(client.rows()).to_have_count(count)
    return batch_id


async def test_a_row_names_its_order_and_cancels_it_once_it_is_confirmed(
    client: ClientPage, up: RunningUp
) -> None:
    await client.open()
    with stopped_worker(up):
        await place_batch(client, 3, side="sell", low="2.5", high="2.5", of="in")
        row = client.rows("pending").first
        order_id = await row.get_attribute("data-order")
        assert order_id is not None
        for answer in ("cancel-no", "Escape"):
            await row.locator("button").click()
            await assert_named(client, order_id)
            if answer == "Escape":
                await client.page.keyboard.press(answer)
            else:
                await client.element(answer).click()
            await expect(client.element("cancel-dialog")).to_be_hidden()
        await expect(client.rows("pending")).to_have_count(3)
        await row.locator("button").click()
        await client.element("cancel-yes").click()
        await expect(client.element("cancel-outcome")).to_have_text(
            f"Order {order_id[-8:]}, sell SOL/USDC: 2.5 SOL for USDC: cancelled, it will never be"
            " executed."
        )
        await expect(client.rows("pending")).to_have_count(2)


async def assert_named(client: ClientPage, order_id: str) -> None:
    """The dialog names an order that sells 2.5 SOL, and its focus is on what changes nothing."""
    await expect(client.element("cancel-title")).to_have_text("Cancel this order?")
    await expect(client.element("cancel-subject")).to_have_text("sell SOL/USDC: 2.5 SOL for USDC")
    await expect(client.element("cancel-id")).to_have_text(order_id)
    await expect(client.element("cancel-counts")).to_have_text("◌ pending")
    await expect(client.element("cancel-no")).to_be_focused()


async def test_a_cancelled_order_looks_like_no_other(client: ClientPage, up: RunningUp) -> None:
    await client.open()
    with stopped_worker(up):
        await place_batch(client, 3)
        await client.rows("pending").first.locator("button").click()
        await client.element("cancel-yes").click()
        await expect(client.rows("cancelled")).to_have_count(1)
        await expect(client.rows("cancelled").locator(".c-status")).to_have_text("⊘ cancelled")
        await expect(client.rows("cancelled").locator("button")).to_be_hidden()
        chip = client.element("statuses").locator("button[data-status=cancelled]")
        await chip.click()
        await expect(client.rows()).to_have_count(1)
        await client.rows().locator("a").click()
        await expect(client.element("detail-status")).to_have_text("⊘ cancelled")
        await expect(client.element("detail-error")).to_contain_text("cancelled_by_request")
        await expect(client.element("detail-cancel")).to_be_hidden()
    await client.page.reload()  # from its stored state, not from its events
    await expect(client.element("detail-error")).to_contain_text("cancelled_by_request")


async def test_the_keyboard_cancels_and_its_focus_stays_in_the_row(
    client: ClientPage, up: RunningUp
) -> None:
    await client.open()
    keyboard, dialog = client.page.keyboard, client.element("cancel-dialog")
    with stopped_worker(up):
        await place_batch(client, 4)
        link = client.page.locator("tr[aria-rowindex='3'] a")
        await client.rows().first.locator("a").focus()
        await keyboard.press("ArrowDown")
        await expect(link).to_be_focused()
        await keyboard.press("Tab")
        await expect(client.page.locator("tr[aria-rowindex='3'] button")).to_be_focused()
        await keyboard.press("Enter")
        await expect(dialog).to_be_visible()
        await keyboard.press("Enter")  # the focus is on Keep
        await expect(dialog).to_be_hidden()
        await expect(client.page.locator("tr[aria-rowindex='3'] button")).to_be_focused()
        await expect(client.rows("pending")).to_have_count(4)
        await keyboard.press("x")
        await keyboard.press("Tab")
        await expect(client.element("cancel-yes")).to_be_focused()
        await keyboard.press("Enter")
        await expect(client.rows("cancelled")).to_have_count(1)
        await expect(link).to_be_focused()  # its button is gone
        await keyboard.press("x")
        await expect(dialog).to_be_hidden()  # it has ended


async def test_all_open_orders_shown_are_cancelled_and_no_other(
    client: ClientPage, up: RunningUp
) -> None:
    await client.open()
    shown, outcome = client.element("cancel-shown"), client.element("cancel-outcome")
    with stopped_worker(up):
        batch_id = await place_batch(client, 20, preset="three pairs")
        await expect(shown).to_have_text("Cancel all shown (20)")
        await client.element("filter").fill(f"batch:{batch_id} pair:JUP")
        await expect(shown).not_to_have_text("Cancel all shown (20)")
        jup = await client.rows().count()
        assert 0 < jup < 20
        await expect(shown).to_have_text(f"Cancel all shown ({jup})")
        await shown.click()
        await expect(client.element("cancel-title")).to_have_text(
            f"Cancel all {jup} open orders shown?"
        )
        await expect(client.element("cancel-subject")).to_have_text(
            f"Filter: batch:{batch_id} pair:JUP"
        )
        await expect(client.element("cancel-counts")).to_have_text(f"◌ pending {jup}")
        await client.element("cancel-yes").click()
        told = "orders: cancelled {}, they will never be executed."
        await expect(outcome).to_have_text(f"{jup} {told.format(jup)}")
        await expect(client.rows("cancelled")).to_have_count(jup)
        await expect(shown).to_be_disabled()
        await client.element("filter").fill(f"batch:{batch_id}")
        await shown.click()
        await client.element("cancel-yes").click()
        await expect(outcome).to_have_text(f"{20 - jup} {told.format(20 - jup)}")
        await expect(shown).to_be_disabled()


async def test_it_is_told_how_an_order_goes_on_for_which_it_is_too_late(
    client: ClientPage, up: RunningUp
) -> None:
    await client.open()
    with stopped_worker(up):
        await place_batch(client, 3)
        await client.rows("pending").first.locator("a").click()
        await client.element("detail-cancel").click()
        await expect(client.element("cancel-chances")).to_contain_text("never executed")
    await expect(client.element("cancel-chances")).to_contain_text("Too late")
    await client.element("cancel-yes").click()
    await expect(client.element("cancel-outcome")).to_contain_text("too late, it is confirmed.")


async def test_a_refused_key_cancels_nothing_and_is_told(
    browser: Browser, database_url: str, redis_url: str
) -> None:
    async def use_another_key(route: Route) -> None:
        await route.continue_(headers={**route.request.headers, "authorization": "Bearer other"})

    page = await browser.new_page()
    async with open_api(database_url, redis_url, api_keys=(f"me:{KEY}",)) as api:
        client = ClientPage(page, api.url)
        await page.goto(f"{api.url}/static/client.html")
        await client.element("key").fill(KEY)
        await page.keyboard.press("Enter")
        await expect(client.badge).to_have_text("● live")
        await client.place_orders(3, of="in")
        await page.route("**/api/orders/*", use_another_key)
        await client.rows("pending").first.locator("button").click()
        await client.element("cancel-yes").click()
        outcome = client.element("cancel-outcome")
        await expect(outcome).to_contain_text(re.compile("not cancelled; .*key"))
        await expect(client.rows("pending")).to_have_count(3)
        await page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("light", 1280), ("dark", 1280)])
async def test_asking_and_telling_violate_no_rule_of_accessibility(
    client: ClientPage, up: RunningUp, scheme: Literal["light", "dark"], width: int
) -> None:
    await client.page.set_viewport_size({"width": width, "height": 844})
    await client.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await client.open()
    await client.element("form-card").evaluate("card => { card.open = true; }")
    with stopped_worker(up):
        await place_batch(client, 5, seed=str(width))
        await client.rows("pending").first.locator("button").click()
        await assert_accessible(client)
        await client.element("cancel-yes").click()
        await expect(client.element("cancel-outcome")).to_contain_text("never be executed")
        await expect(client.rows("cancelled")).to_have_count(1)
        await assert_accessible(client)
        assert await client.page.evaluate("document.documentElement.scrollWidth") <= width
        await client.element("cancel-shown").click()
        await assert_accessible(client)
        await client.element("cancel-no").click()

"""Saved presets, and the paused view."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.client_page import ClientPage

pytestmark = pytest.mark.asyncio(loop_scope="package")

NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {
    get() { throw new DOMException("storage is off", "SecurityError"); },
  });
}
"""
INVALID_PRESETS = """
localStorage.setItem("order-engine-presets", '[["mine",{"pairs":7}],["x",null],7]');
"""
ALL_SHOWN = re.compile(r"^([\d,]+) of \1 orders$")
NAME = "12 buy JUP/SOL 2-3 40 bps"


def amount_value(amount: str) -> float:
    return float(amount.split(maxsplit=1)[0].replace(",", ""))


async def save_preset(client: ClientPage) -> None:
    await client.fill(preset="a few", count="12", side="buy", low="2", high="3", slippage="40")
    await client.page.uncheck("input[value='SOL/USDC']")
    await client.fill(others="JUP/SOL")
    await client.element("preset-save").click()
    await expect(client.element("preset")).to_have_value(NAME)


async def test_a_saved_preset_survives_a_reload(client: ClientPage) -> None:
    await client.open()
    await save_preset(client)
    await expect(client.element("outcome")).to_have_text(f"Saved as “{NAME}”.")
    await client.open()
    await expect(client.element("count")).to_have_value("1")
    await client.fill(preset=NAME)
    for field, value in {"count": "12", "low": "2", "high": "3", "slippage": "40"}.items():
        await expect(client.element(field)).to_have_value(value)
    await expect(client.page.locator("[name=others]")).to_have_value("JUP/SOL")
    assert await client.page.is_checked("input[name=side][value=buy]")
    await client.element("preset-forget").click()
    await client.open()
    await expect(client.element("preset").locator("option", has_text=NAME)).to_have_count(0)
    await expect(client.element("preset-forget")).to_be_hidden()


async def test_the_last_twenty_presets_are_kept(client: ClientPage) -> None:
    await client.open()
    await client.fill(preset="a few")
    for low in range(1, 23):
        await client.fill(low=str(low))
        await client.element("preset-save").click()
    names = await client.element("preset").locator("optgroup option").all_inner_texts()
    assert len(names) == 20
    assert names[0].endswith(" 3-25")


async def test_the_page_works_without_browser_storage(client: ClientPage) -> None:
    await client.page.add_init_script(NO_STORAGE)
    await client.open()
    await save_preset(client)
    await expect(client.element("outcome")).to_contain_text("until this page is closed")
    await client.fill(preset="one order")
    await client.fill(preset=NAME)
    await expect(client.element("count")).to_have_value("12")


async def test_invalid_stored_presets_are_skipped(client: ClientPage) -> None:
    await client.page.add_init_script(INVALID_PRESETS)
    await client.open()
    await expect(client.element("preset").locator("optgroup")).to_have_count(0)


async def test_a_paused_view_does_not_change_and_misses_nothing(client: ClientPage) -> None:
    await client.open()
    [first_id] = await client.place_orders(5)
    await client.element("filter").fill(f"batch:{first_id} status:confirmed")
    await expect(client.rows()).to_have_count(5)
    await client.element("filter").fill("")
    await expect(client.element("shown")).to_have_text(ALL_SHOWN)
    pause = client.element("pause")
    await pause.click()
    await expect(pause).to_contain_text("Go on")  # in the frame that shows the paused rows
    shown_text, rows = await client.shown_text(), await client.rows().all_inner_texts()
    [batch_id] = await client.place_orders(20, seed="3")
    # Five events an order, and three more for each retry after the price moved.
    await expect(pause).to_have_text(re.compile(r"Go on \(1\d\d held\)"))
    # What the form says of the batch may take the place of some rows, or give it back.
    rows_now = await client.rows().all_inner_texts()
    count = min(len(rows), len(rows_now))
    assert count > 0
    assert rows_now[:count] == rows[:count]
    assert await client.shown_text() == shown_text
    await client.page.locator("th.c-amount button").click()
    first = client.page.locator("tr[aria-rowindex='2'] .c-amount")
    amounts = client.page.locator("tr[data-order] .c-amount")
    async with asyncio.timeout(60):  # the visible rows change with the sort order
        while await first.inner_text() != max(await amounts.all_inner_texts(), key=amount_value):
            await asyncio.sleep(0.05)
    assert await client.shown_text() == shown_text

    await pause.click()
    await expect(pause).to_have_text("Pause")
    await client.element("filter").fill(f"batch:{batch_id} status:confirmed")
    await expect(client.element("shown")).to_contain_text("20 of ")


async def test_showing_a_batch_ends_the_pause(client: ClientPage) -> None:
    await client.open()
    await client.element("pause").click()
    await client.place_orders(3)
    await client.element("outcome").locator("a").click()
    await expect(client.rows()).to_have_count(3)
    await expect(client.element("pause")).to_have_text("Pause")

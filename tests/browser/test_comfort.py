"""What makes the page pleasant: presets that stay, and a view that stands still on demand."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.screen import Screen

pytestmark = pytest.mark.asyncio(loop_scope="package")

NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {
    get() { throw new DOMException("storage is off", "SecurityError"); },
  });
}
"""
FOREIGN = """
localStorage.setItem("order-engine-presets", '[["mine",{"pairs":7}],["x",null],7]');
"""
EVERY = re.compile(r"^([\d,]+) of \1 orders$")
NAME = "12 buy JUP/SOL 2-3 40 bps"


def size(amount: str) -> float:
    return float(amount.split(maxsplit=1)[0].replace(",", ""))


async def save_one(screen: Screen) -> None:
    await screen.fill(preset="a few", count="12", side="buy", low="2", high="3", slippage="40")
    await screen.page.uncheck("input[value='SOL/USDC']")
    await screen.fill(others="JUP/SOL")
    await screen.part("preset-save").click()
    await expect(screen.part("preset")).to_have_value(NAME)


async def test_a_saved_preset_is_there_the_next_time(screen: Screen) -> None:
    await screen.open()
    await save_one(screen)
    await expect(screen.part("outcome")).to_have_text(f"Saved as “{NAME}”.")
    await screen.open()
    await expect(screen.part("count")).to_have_value("1")
    await screen.fill(preset=NAME)
    for field, value in {"count": "12", "low": "2", "high": "3", "slippage": "40"}.items():
        await expect(screen.part(field)).to_have_value(value)
    await expect(screen.page.locator("[name=others]")).to_have_value("JUP/SOL")
    assert await screen.page.is_checked("input[name=side][value=buy]")
    await screen.part("preset-forget").click()
    await screen.open()
    await expect(screen.part("preset").locator("option", has_text=NAME)).to_have_count(0)
    await expect(screen.part("preset-forget")).to_be_hidden()


async def test_twenty_presets_are_kept(screen: Screen) -> None:
    await screen.open()
    await screen.fill(preset="a few")
    for low in range(1, 23):
        await screen.fill(low=str(low))
        await screen.part("preset-save").click()
    names = await screen.part("preset").locator("optgroup option").all_inner_texts()
    assert len(names) == 20
    assert names[0].endswith(" 3-25")


async def test_a_browser_that_keeps_nothing_shows_the_page_all_the_same(screen: Screen) -> None:
    await screen.page.add_init_script(NO_STORAGE)
    await screen.open()
    await save_one(screen)
    await expect(screen.part("outcome")).to_contain_text("until this page is closed")
    await screen.fill(preset="one order")
    await screen.fill(preset=NAME)
    await expect(screen.part("count")).to_have_value("12")


async def test_what_is_no_preset_is_left_out(screen: Screen) -> None:
    await screen.page.add_init_script(FOREIGN)
    await screen.open()
    await expect(screen.part("preset").locator("optgroup")).to_have_count(0)


async def test_a_paused_view_stands_still_and_misses_nothing(screen: Screen) -> None:
    await screen.open()
    [first_id] = await screen.place_many(5)
    await screen.part("filter").fill(f"batch:{first_id} status:confirmed")
    await expect(screen.rows()).to_have_count(5)
    await screen.part("filter").fill("")
    await expect(screen.part("shown")).to_have_text(EVERY)
    pause = screen.part("pause")
    await pause.click()
    shown, rows = await screen.shown(), await screen.rows().all_inner_texts()
    [batch_id] = await screen.place_many(20, seed="3")
    # Five of each, and three more of each attempt that the moving price cost.
    await expect(pause).to_have_text(re.compile(r"Go on \(1\d\d held\)"))
    assert await screen.rows().all_inner_texts() == rows
    assert await screen.shown() == shown
    await screen.page.locator("th.c-amount button").click()
    first = screen.page.locator("tr[aria-rowindex='2'] .c-amount")
    amounts = screen.page.locator("tr[data-order] .c-amount")
    async with asyncio.timeout(30):  # which rows there are changes with their order
        while await first.inner_text() != max(await amounts.all_inner_texts(), key=size):
            await asyncio.sleep(0.05)
    assert await screen.shown() == shown

    await pause.click()
    await expect(pause).to_have_text("Pause")
    await screen.part("filter").fill(f"batch:{batch_id} status:confirmed")
    await expect(screen.part("shown")).to_contain_text("20 of ")


async def test_orders_that_are_asked_for_end_the_pause(screen: Screen) -> None:
    await screen.open()
    await screen.part("pause").click()
    await screen.place_many(3)
    await screen.part("outcome").locator("a").click()
    await expect(screen.rows()).to_have_count(3)
    await expect(screen.part("pause")).to_have_text("Pause")

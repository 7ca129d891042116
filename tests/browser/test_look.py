"""The page for everybody: in both themes, on a phone, and to those who do not see it."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect

from tests.browser.screen import Screen

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def hold_the_rules(screen: Screen) -> None:
    results = await Axe().run(screen.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("light", 1280), ("dark", 1280)])
async def test_nothing_violates_the_rules_of_accessibility(
    screen: Screen, scheme: Literal["light", "dark"], width: int
) -> None:
    await screen.page.set_viewport_size({"width": width, "height": 844})
    await screen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await screen.open()
    await screen.part("form-card").evaluate("card => { card.open = true; }")
    await screen.fill(preset="one order", low="0")
    await expect(screen.part("error-low")).not_to_be_empty()
    [batch_id] = await screen.place_many(10, minimum="1000000", seed=str(width))
    await screen.place_many(10, minimum="", seed="7")
    await expect(screen.rows("confirmed").nth(5)).to_be_visible()
    await expect(screen.rows("failed").nth(5)).to_be_attached()
    await hold_the_rules(screen)
    await screen.part("filter").fill(f"batch:{batch_id}")
    await screen.rows("failed").first.locator("a").click()
    await expect(screen.part("detail-error")).to_be_visible()
    await hold_the_rules(screen)


async def test_on_a_phone_nothing_is_cut_off(screen: Screen) -> None:
    await screen.page.set_viewport_size({"width": 390, "height": 844})
    await screen.open()
    await screen.part("form-card").locator("summary").click()
    await screen.place_many(20)
    await expect(screen.rows("confirmed").nth(5)).to_be_visible()
    wide = "document.documentElement.scrollWidth"
    assert await screen.page.evaluate(wide) <= 390
    await screen.rows("confirmed").first.click()
    await expect(screen.part("detail-status")).to_have_text("● confirmed")
    box = await screen.box(screen.part("detail"))
    assert (box["x"], box["y"], box["width"]) == (0, 0, 390)
    assert await screen.page.evaluate(wide) <= 390
    await screen.part("detail-close").click()
    await expect(screen.part("detail")).to_be_hidden()


async def test_what_happens_is_said_in_summary(screen: Screen) -> None:
    await screen.open()
    news = screen.part("news")
    await expect(news).to_have_attribute("role", "status")
    await expect(news).to_have_text("Connected to the server.")
    await screen.place_many(10)
    await expect(news).to_contain_text("confirmed")

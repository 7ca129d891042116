"""Accessibility of the page: both colour schemes, a phone's width, and screen readers."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect

from tests.browser.client_page import ClientPage

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def assert_accessible(client: ClientPage) -> None:
    results = await Axe().run(client.page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("light", 1280), ("dark", 1280)])
async def test_nothing_violates_the_rules_of_accessibility(
    client: ClientPage, scheme: Literal["light", "dark"], width: int
) -> None:
    await client.page.set_viewport_size({"width": width, "height": 844})
    await client.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await client.open()
    await client.element("form-card").evaluate("card => { card.open = true; }")
    await client.fill(preset="one order", low="0")
    await expect(client.element("error-low")).not_to_be_empty()
    [batch_id] = await client.place_orders(10, minimum="1000000", seed=str(width))
    await client.place_orders(10, minimum="", seed="7")
    await expect(client.rows("confirmed").nth(5)).to_be_visible()
    await expect(client.rows("failed").nth(5)).to_be_attached()
    await assert_accessible(client)
    await client.element("filter").fill(f"batch:{batch_id}")
    await client.rows("failed").first.locator("a").click()
    await expect(client.element("detail-error")).to_be_visible()
    await assert_accessible(client)


async def test_on_a_phone_nothing_is_cut_off(client: ClientPage) -> None:
    await client.page.set_viewport_size({"width": 390, "height": 844})
    await client.open()
    await client.element("form-card").locator("summary").click()
    await client.place_orders(20)
    await expect(client.rows("confirmed").nth(5)).to_be_visible()
    page_width = "document.documentElement.scrollWidth"
    assert await client.page.evaluate(page_width) <= 390
    for status in ("pending", "routing", "building", "submitted"):  # no row moves any more
        await expect(client.rows(status)).to_have_count(0)
    await client.rows("confirmed").first.click()
    await expect(client.element("detail-status")).to_have_text("● confirmed")
    bounding_box = await client.bounding_box(client.element("detail"))
    assert (bounding_box["x"], bounding_box["y"], bounding_box["width"]) == (0, 0, 390)
    assert await client.page.evaluate(page_width) <= 390
    await client.element("detail-close").click()
    await expect(client.element("detail")).to_be_hidden()


async def test_changes_are_announced_in_summary(client: ClientPage) -> None:
    await client.open()
    announcements = client.element("announcements")
    await expect(announcements).to_have_attribute("role", "status")
    await expect(announcements).to_have_text("Connected to the server.")
    await client.place_orders(10)
    await expect(announcements).to_contain_text("confirmed")

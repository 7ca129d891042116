"""Takes screenshots of the browser client with a few hundred orders, in both colour schemes.

    .venv/bin/python scripts/generate/client_pictures.py FOLDER

Starts an engine of its own; needs Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.async_api import async_playwright, expect

from tests.browser.client_page import ClientPage
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGUMENTS, HEADLESS_SHELL
from tests.e2e.up import run_up

VIEWPORT = {"width": 1280, "height": 850}
WAIT_S = 2.0


async def place_sample_orders(client: ClientPage) -> None:
    """Place orders until the page shows failed, confirmed and running ones."""
    await client.open()
    await client.place_orders(15, preset="three pairs", minimum="1000000")
    await client.place_orders(300, preset="three pairs", minimum="", seed="4")
    await client.rows("confirmed").first.wait_for()
    await expect(client.element("in-flight")).to_have_text("0")
    await place_waiting_orders(client)
    await client.place_orders(5, preset="a few")
    await client.element("ask-above").fill("150000")  # as it is for a new user
    await client.element("ask-above").blur()
    await client.rows("submitted").first.wait_for()
    await client.fill(preset="one order", side="buy", low="500", profit="108", lossTrail="4")
    await expect(client.element("preview")).to_contain_text("take-profit is")
    await client.page.evaluate("scrollTo(0, 0)")


async def place_waiting_orders(client: ClientPage) -> None:
    """Place both orders of an OCO, stops and limits; and show what the next one would do."""
    await client.place_orders(2, preset="a few", side="buy", type="limit", limit="96.5")
    await client.place_orders(2, preset="a few", side="sell", type="trailingStop", trail="4")
    await client.fill(preset="one order", type="oco", profit="108", loss="94", low="25")
    await client.submit()
    await expect(client.element("outcome")).to_contain_text("2 accepted")


async def take_screenshots(folder: Path, data_dir: Path) -> None:
    """Take one screenshot of the form in light, and one of an order's detail in dark colours."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=HEADLESS_SHELL if HEADLESS_SHELL.exists() else CHROMIUM,
            args=CHROMIUM_ARGUMENTS,
        )
        async with run_up(data_dir, "--profile", "demo", "--headless") as up:
            page = await browser.new_page(color_scheme="light")
            await page.set_viewport_size(VIEWPORT)  # type: ignore[arg-type]
            client = ClientPage(page, up.url)
            await place_sample_orders(client)
            await page.screenshot(path=folder / "client-light.png")
            await page.emulate_media(color_scheme="dark")
            await client.rows("waiting").first.locator("a").click()
            await expect(client.element("detail-facts")).to_contain_text("OCO with")
            await expect(client.element("in-flight")).to_have_text("0")
            await asyncio.sleep(WAIT_S)
            await page.screenshot(path=folder / "client-dark.png")
            await take_desk_screenshots(client, folder)
        await browser.close()


async def take_desk_screenshots(client: ClientPage, folder: Path) -> None:
    """Take one screenshot of the market in dark, and one of the positions in light colours."""
    page = client.page
    await client.element("detail-close").click()
    await page.locator("h1").click()
    await page.keyboard.press("5")
    await expect(client.element("market-lines").locator("tr").nth(3)).to_be_visible()
    await expect(client.element("market-pools").locator("tr").first).to_be_visible()
    for _ in range(3):
        await client.element("market-in").click()
    await asyncio.sleep(WAIT_S)
    await page.screenshot(path=folder / "desk-markets.png")
    await page.emulate_media(color_scheme="light")
    await page.keyboard.press("4")
    await expect(client.element("positions-rows").locator("tr").first).to_be_visible()
    await page.set_viewport_size({"width": VIEWPORT["width"], "height": 560})
    await asyncio.sleep(WAIT_S)
    await page.screenshot(path=folder / "desk-positions.png")


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="oe-") as data_dir:
        Path(data_dir).chmod(0o711)  # the servers may run as another user
        asyncio.run(take_screenshots(folder, Path(data_dir)))


if __name__ == "__main__":
    main()

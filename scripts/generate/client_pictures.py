"""Pictures of the browser client in front of an engine with a few hundred orders, in both themes.

    .venv/bin/python scripts/generate/client_pictures.py FOLDER

It starts an engine of its own, and needs Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.async_api import async_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.screen import Screen
from tests.e2e.up import running_up

VIEWPORT = {"width": 1200, "height": 680}
WAIT_S = 2.0


async def busy(screen: Screen) -> None:
    """Bring the page to a moment at which there is something to see."""
    await screen.open()
    await screen.place_many(15, preset="three pairs", minimum="1000000")
    ended = screen.page.locator("#in-flight").get_by_text("0", exact=True)
    await screen.place_many(300, preset="three pairs", minimum="", seed="4")
    await ended.wait_for()
    await screen.place_many(5, preset="a few")
    await screen.rows("submitted").first.wait_for()


async def pictures(folder: Path, data_dir: Path) -> None:
    """The form in the light, an order in the dark."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        async with running_up(data_dir, "--profile", "demo", "--headless") as up:
            page = await browser.new_page(color_scheme="light")
            await page.set_viewport_size(VIEWPORT)  # type: ignore[arg-type]
            screen = Screen(page, up.url)
            await busy(screen)
            await page.screenshot(path=folder / "client-light.png")
            await page.emulate_media(color_scheme="dark")
            await screen.rows("confirmed").nth(2).locator("a").click()
            await asyncio.sleep(WAIT_S)
            await page.screenshot(path=folder / "client-dark.png")
        await browser.close()


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="oe-") as data_dir:
        Path(data_dir).chmod(0o711)  # the servers may run as another user
        asyncio.run(pictures(folder, Path(data_dir)))


if __name__ == "__main__":
    main()

"""The browser client in a real Chromium against a real engine, one of each for all tests here.

Chromium is the system's: ``apt-get install --no-install-recommends chromium``. Where it is missing
these tests are skipped, in CI they fail. A page may reach its own server and nothing else, and
whatever its console reports fails its test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.screen import Screen
from tests.e2e.up import Up, running_up

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Whatever is asked of another machine fails at once, and is seen.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def chromium() -> Path:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is missing: apt-get install --no-install-recommends chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return CHROMIUM


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture(scope="package")
def engine_folder() -> Iterator[Path]:
    """Short, and open to the user that the servers run as."""
    folder = Path(tempfile.mkdtemp(prefix="oe-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def up(chromium: Path, engine_folder: Path) -> AsyncIterator[Up]:
    async with running_up(engine_folder, "--profile", "instant", "--headless") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="package")
async def screen(browser: Browser, up: Up) -> AsyncIterator[Screen]:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    shown = Screen(page, up.url)
    yield shown
    await page.close()
    assert shown.foreign == []
    assert shown.complaints == []

"""Tests of the browser client in a real Chromium against a real engine, one of each for all tests.

Chromium is the system's, without windows where Debian has it so, which takes half the CPU time:
``apt-get install --no-install-recommends chromium-headless-shell``, else ``chromium``. Where both
are missing these tests are skipped, in CI they fail. A test also fails if its page sends a request
to another server, or if its console reports an error.
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

from tests.browser.client_page import ClientPage
from tests.browser.desk import cancel_all
from tests.e2e.up import RunningUp, run_up

CHROMIUM = Path("/usr/bin/chromium")
HEADLESS_SHELL = Path("/usr/bin/chromium-headless-shell")
"""The same engine without windows, tabs and profiles."""
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Requests to other machines fail at once, and are recorded.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def chromium() -> Path:
    program = HEADLESS_SHELL if HEADLESS_SHELL.exists() else CHROMIUM
    if not program.exists():
        reason = f"{program} is missing: apt-get install --no-install-recommends {program.name}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_ARGUMENTS
        )
        yield launched
        await launched.close()


@pytest.fixture(scope="package")
def engine_folder() -> Iterator[Path]:
    """A folder with a short path (Unix sockets), accessible to the user that the servers run as."""
    folder = Path(tempfile.mkdtemp(prefix="oe-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def up(chromium: Path, engine_folder: Path) -> AsyncIterator[RunningUp]:
    async with run_up(engine_folder, "--profile", "instant", "--headless") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="package")
async def client(browser: Browser, up: RunningUp) -> AsyncIterator[ClientPage]:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    client = ClientPage(page, up.url)
    yield client
    await page.close()
    assert client.foreign_requests == []
    assert client.console_errors == []


@pytest_asyncio.fixture(loop_scope="package")
async def desk(client: ClientPage, up: RunningUp) -> AsyncIterator[ClientPage]:
    """The page on an engine where nothing is open, before and after."""
    await cancel_all(up)
    yield client
    await cancel_all(up)

"""Takes pictures of every view of the page and of the dashboard, and a contact sheet of each size.

    .venv/bin/python scripts/generate/view_pictures.py FOLDER [page] [dashboard]

The page has an engine of its own, with orders of every kind; the dashboard shows the recording of
one. Needs Chromium. The sheets in ``static/views`` are those that ``--sheets static/views`` writes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from dashboard_pictures import (
    DESK,
    FROZEN_AT_MS,
    RECORDING,
    FrozenRecording,
    draw_in_page,
    render_svg,
)
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.client_page import ClientPage
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGUMENTS, HEADLESS_SHELL
from tests.e2e.up import RunningUp, run_up
from tui.text.views import BATCHES, VIEWS

PAGE_WIDTHS: Final = (390, 1280, 1920)
SCHEMES: Final = ("dark", "light")
TERMINALS: Final = ((80, 24), (120, 40), (200, 50))
SHEET_PX: Final = 1_400
PAGE_SHEETS: Final = {390: (6, 2.2), 1280: (3, 0.7), 1920: (2, 0.47)}
"""How many views are beside each other on the sheet of a width, and their height by their width."""
SETTLE_MS: Final = 1_500
SEED: Final = 4
SWAPS: Final = (
    ("SOL", "USDC", 0.5, 25),
    ("USDC", "SOL", 50, 2_500),
    ("JUP", "USDC", 50, 4_000),
    ("USDC", "JUP", 50, 3_000),
    ("BONK", "USDC", 1e6, 9e7),
    ("USDC", "BONK", 20, 2_000),
    ("RAY", "USDC", 3, 900),
    ("USDC", "USDT", 10, 4_000),
)
_SELL: Final = {"tokenIn": "SOL", "tokenOut": "USDC"}
_BUY: Final = {"tokenIn": "USDC", "tokenOut": "SOL"}
WAITING: Final[tuple[dict[str, Any], ...]] = (
    {**_SELL, "amount": "2.5", "type": "limit", "limitPrice": "108.25"},
    {**_SELL, "amount": "1234.56789", "type": "limit", "limitPrice": "104.5"},
    {**_BUY, "amount": "2500", "type": "limit", "limitPrice": "96.5", "priceOf": "tokenOut"},
    {**_SELL, "amount": "3.25", "type": "stop", "triggerPrice": "93.5"},
    {**_SELL, "amount": "3.25", "type": "takeProfit", "triggerPrice": "112.75"},
    {**_SELL, "amount": "12", "type": "stopLimit", "triggerPrice": "92.5", "limitPrice": "91.75"},
    {**_SELL, "amount": "7", "type": "trailingStop", "trailBps": 400},
    {**_SELL, "amount": "40", "type": "twap", "slices": 20, "intervalS": 15, "jitterBps": 1_000},
    {
        "tokenIn": "BONK",
        "tokenOut": "USDC",
        "amount": "98765432.12345",
        "type": "limit",
        "limitPrice": "0.00003123",
    },
)
"""Orders that wait, as long as their texts come."""


async def place_sample_orders(up: RunningUp) -> None:
    """Place swaps of several pairs, of which some fail, and orders that wait; cancel one."""
    random = Random(SEED)  # noqa: S311 - no secret
    swaps: list[dict[str, Any]] = []
    for _ in range(260):
        token_in, token_out, low, high = random.choice(SWAPS)
        amount = f"{random.uniform(low, high):.4f}"
        swaps.append({"tokenIn": token_in, "tokenOut": token_out, "amount": amount})
        if random.random() < 0.08:
            swaps[-1]["minAmountOut"] = "100000000"
    waiting = await place_batch(up, WAITING)
    await place_batch(up, swaps)
    async with up.http.delete(f"/api/orders/{waiting[0]}") as response:
        response.raise_for_status()


async def place_batch(up: RunningUp, orders: Iterable[dict[str, Any]]) -> list[str]:
    """Place orders as one batch; returns their ids."""
    async with up.http.post("/api/orders/batch", json={"orders": list(orders)}) as response:
        response.raise_for_status()
        return [each["orderId"] for each in (await response.json())["orders"]]


async def take_page_pictures(browser: Browser, folder: Path, data_dir: Path) -> list[ContactSheet]:
    """Take pictures of each view of the page; returns the contact sheets to make of them."""
    async with run_up(data_dir, "--profile", "demo", "--headless") as up:
        await place_sample_orders(up)
        for scheme in SCHEMES:
            page = await browser.new_page(color_scheme=scheme)
            client = ClientPage(page, up.url)
            for width in PAGE_WIDTHS:
                await take_views(client, folder, scheme, width)
            await page.close()
    return [
        ContactSheet(
            f"page-{width}-{scheme}.png",
            [folder / f"page-{view.name}-{width}-{scheme}.png" for view in VIEWS],
            *PAGE_SHEETS[width],
        )
        for width in PAGE_WIDTHS
        for scheme in SCHEMES
    ]


async def take_views(client: ClientPage, folder: Path, scheme: str, width: int) -> None:
    """Take a picture of each view at a width; of a phone as much as can be scrolled to."""
    await client.page.set_viewport_size({"width": width, "height": 900})
    for view in VIEWS:
        await client.page.goto("about:blank")
        await client.page.goto(f"{client.url}/static/client.html#/{view.name}")
        await expect(client.badge).to_have_text("● live")
        if view.name == "orders":
            await expect(client.rows("confirmed").first).to_be_visible()
        await client.page.wait_for_timeout(SETTLE_MS)
        path = folder / f"page-{view.name}-{width}-{scheme}.png"
        await client.page.screenshot(path=path, full_page=width < 600)
        print(path)


async def take_dashboard_pictures(browser: Browser, folder: Path) -> list[ContactSheet]:
    """Render each view of the dashboard; returns the contact sheets to make of them."""
    page, sheets = await browser.new_page(), []
    for columns, lines in TERMINALS:
        size = f"{columns}x{lines}"
        pictures = [folder / f"dashboard-{view.name}-{size}.png" for view in VIEWS]
        sheets.append(ContactSheet(f"dashboard-{size}.png", pictures, 2))
        for view, path in zip(VIEWS, pictures, strict=True):
            # There are batches in the other recording.
            source = FrozenRecording(DESK, None)
            if view.name == BATCHES:
                source = FrozenRecording(RECORDING, FROZEN_AT_MS)
            svg = await render_svg(source, (columns, lines), "order-engine-dark", [view.key])
            await draw_in_page(page, svg, path)
            print(path)
    await page.close()
    return sheets


class ContactSheet(NamedTuple):
    """Pictures on a sheet: how many are beside each other, cut to a height by the width."""

    name: str
    pictures: Sequence[Path]
    columns: int
    ratio: float | None = None


async def take_contact_sheet(browser: Browser, sheet: ContactSheet, folder: Path) -> None:
    """Put pictures beside and below each other."""
    page = await browser.new_page(viewport={"width": SHEET_PX, "height": 400})
    await page.set_content(f'<body style="{_BODY}">{"".join(_list_figures(sheet))}')
    await page.screenshot(path=folder / sheet.name, full_page=True)
    await page.close()
    print(folder / sheet.name)


_GAP_PX: Final = 8
_BODY: Final = (
    f"margin:{_GAP_PX}px; display:flex; flex-wrap:wrap; gap:{_GAP_PX}px; background:#5a6472"
)
_PICTURE: Final = "width:{}px; height:{}; object-fit:cover; object-position:top"


def _list_figures(sheet: ContactSheet) -> Iterator[str]:
    cell_px = (SHEET_PX - (sheet.columns + 1) * _GAP_PX) // sheet.columns
    height = "auto" if sheet.ratio is None else f"{round(cell_px * sheet.ratio)}px"
    style = _PICTURE.format(cell_px, height)
    for each in sheet.pictures:
        yield f'<img src="{_encode(each)}" style="{style}">'


def _encode(picture: Path) -> str:
    return f"data:image/png;base64,{b64encode(picture.read_bytes()).decode()}"


async def take_pictures(folder: Path, clients: list[str], sheets: Path, data_dir: Path) -> None:
    """Take the pictures of the selected clients, and their contact sheets."""
    program = HEADLESS_SHELL if HEADLESS_SHELL.exists() else CHROMIUM
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        made: list[ContactSheet] = []
        if "page" in clients:
            made += await take_page_pictures(browser, folder, data_dir)
        if "dashboard" in clients:
            made += await take_dashboard_pictures(browser, folder)
        for sheet in made:
            await take_contact_sheet(browser, sheet, sheets)
        await browser.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("clients", nargs="*", help="page, dashboard; both by default")
    parser.add_argument("--sheets", type=Path, help="where the sheets go; else to FOLDER")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    clients = options.clients or ["page", "dashboard"]
    sheets = options.sheets or options.folder
    sheets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="oe-") as data_dir:
        Path(data_dir).chmod(0o711)  # the servers may run as another user
        asyncio.run(take_pictures(options.folder, clients, sheets, Path(data_dir)))


if __name__ == "__main__":
    main()

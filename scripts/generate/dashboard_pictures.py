"""Renders pictures of the dashboard from a recording, as SVG, and as PNG with Chromium.

    .venv/bin/python scripts/generate/dashboard_pictures.py FOLDER

A picture is a function of the recording: rendered again, the SVG is byte-identical.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from datetime import UTC
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.async_api import Page, async_playwright
from waiting_orders import build_waiting_messages

from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGUMENTS, HEADLESS_SHELL
from tui.app import Dashboard
from tui.connection.recording import RecordedMessage, read_recording
from tui.connection.source import MessageHandler
from tui.model.messages import Events
from tui.session import Session
from tui.settings import Settings
from tui.text.symbols import UNICODE

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests" / "tui" / "recordings" / "demo.jsonl.gz"
DESK = ROOT / "tests" / "tui" / "recordings" / "desk.jsonl.gz"
"""Two minutes of orders of many types, while the market was looked at."""
FROZEN_AT_MS = 10_250
SETTLE_S = 1.2
_KEYS_TO_RETRY = ["j"] * 13
PICTURES = {
    "dashboard": ((120, 40), "order-engine-dark", _KEYS_TO_RETRY),
    "dashboard-light": ((120, 40), "order-engine-light", _KEYS_TO_RETRY),
    "dashboard-small": ((80, 24), "order-engine-dark", _KEYS_TO_RETRY),
    "dashboard-batch": ((80, 24), "order-engine-dark", ["n"]),
    "dashboard-form": ((80, 24), "order-engine-dark", ["o"]),
    "dashboard-amend": ((80, 24), "order-engine-dark", ["j", "a"]),
    "dashboard-waiting": ((80, 24), "order-engine-dark", ["j", "enter"]),
    "dashboard-order": ((80, 24), "order-engine-dark", [*_KEYS_TO_RETRY, "enter"]),
}
"""A name for each picture: the size of the terminal, the theme, and the keys that are pressed."""
DESK_PICTURES = {
    "dashboard-markets": ((120, 40), "order-engine-dark", ["f6", "j", "j"]),
    "dashboard-open": ((80, 24), "order-engine-dark", ["f3"]),
    "dashboard-positions": ((80, 24), "order-engine-dark", ["f5"]),
    "dashboard-quality": ((80, 24), "order-engine-dark", ["f7"]),
}
"""Pictures of the end of ``DESK``."""


class FrozenRecording:
    """A message source with the start of a recording, whose clock stands still at its end.

    Without ``after_ms`` it has all of it, and no orders but its own.
    """

    def __init__(self, path: Path, after_ms: int | None) -> None:
        messages = list(read_recording(path))
        if after_ms is None:
            self._at_ms, self._messages = messages[-1].at_ms, messages
            return
        self._at_ms = messages[0].at_ms + after_ms
        self._messages = [each for each in messages if each.at_ms <= self._at_ms]
        self._messages += build_waiting_messages(self._at_ms, _find_newest_id(self._messages))

    def now_ms(self) -> int:
        """Return the time at which the clock stands."""
        return self._at_ms

    async def run(self, put: MessageHandler) -> None:
        """Pass on all messages at once."""
        for each in self._messages:
            put(each.message, each.at_ms)


def _find_newest_id(messages: list[RecordedMessage]) -> str:
    events = [each.message for each in messages if isinstance(each.message, Events)]
    return max(event["orderId"] for message in events for event in message.events)


async def render_svg(
    source: FrozenRecording, size: tuple[int, int], theme: str, keys: list[str]
) -> str:
    """Render the dashboard as an SVG after some keys were pressed."""
    session = Session(
        source=source,
        client=None,
        symbols=UNICODE,
        timezone=UTC,
        settings=Settings(theme=theme),
        new_id=lambda: "not used",
    )
    app = Dashboard(session)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(SETTLE_S)
        await pilot.press(*keys)
        await pilot.pause(SETTLE_S)
        return re.sub(r"terminal-\d+", "terminal", app.export_screenshot(simplify=True))


async def draw_in_page(page: Page, svg: str, path: Path) -> None:
    """Draw an SVG as a PNG, in a font that is installed here."""
    [size] = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = (round(float(each)) + 1 for each in size)
    body = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    body = body.replace("Fira Code", "DejaVu Sans Mono")
    await page.set_viewport_size({"width": width, "height": height})
    await page.set_content(f'<body style="margin:0">{body}</body>')
    await page.screenshot(path=path)


async def draw_png(svg: str, path: Path) -> None:
    """Draw an SVG as a PNG with a Chromium of its own."""
    program = HEADLESS_SHELL if HEADLESS_SHELL.exists() else CHROMIUM
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        await draw_in_page(await browser.new_page(), svg, path)
        await browser.close()


def main() -> None:
    """Render the selected pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument(
        "names", nargs="*", help=f"which: {', '.join((*PICTURES, *DESK_PICTURES))}; all by default"
    )
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--moment-ms", type=int, default=FROZEN_AT_MS, help="how far it is played")
    parser.add_argument("--svg-only", action="store_true", help="make no PNG")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names or (*PICTURES, *DESK_PICTURES):
        if name in DESK_PICTURES:
            size, theme, keys = DESK_PICTURES[name]
            source = FrozenRecording(DESK, None)
        else:
            size, theme, keys = PICTURES[name]
            source = FrozenRecording(options.recording, options.moment_ms)
        svg = asyncio.run(render_svg(source, size, theme, keys))
        path = options.folder / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        print(path)
        if not options.svg_only:
            asyncio.run(draw_png(svg, path.with_suffix(".png")))
            print(path.with_suffix(".png"))


if __name__ == "__main__":
    main()

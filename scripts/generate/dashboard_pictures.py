"""Pictures of the dashboard at a moment of a recording, as SVG, and as PNG where Chromium is.

    .venv/bin/python scripts/generate/dashboard_pictures.py FOLDER

A picture is a function of the recording: made again, it is the same to the byte.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tui.app import Dashboard
from tui.connection.recording import Recorded, read
from tui.connection.source import Put
from tui.session import Desk
from tui.settings import Settings
from tui.text.symbols import UNICODE

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests" / "tui" / "recordings" / "demo.jsonl.gz"
MOMENT_MS = 10_250
SETTLE_S = 1.2
_TO_A_RETRY = ["j"] * 7
PICTURES = {
    "dashboard": ((120, 40), "order-engine-dark", _TO_A_RETRY),
    "dashboard-light": ((120, 40), "order-engine-light", _TO_A_RETRY),
    "dashboard-small": ((80, 24), "order-engine-dark", _TO_A_RETRY),
    "dashboard-batch": ((80, 24), "order-engine-dark", ["n"]),
    "dashboard-order": ((80, 24), "order-engine-dark", [*_TO_A_RETRY, "enter"]),
}
"""A name for each picture: the size of the terminal, the theme, and the keys that are pressed."""


class Moment:
    """A recording up to a moment, at which time stands still."""

    def __init__(self, path: Path, after_ms: int) -> None:
        messages = list(read(path))
        self._at_ms = messages[0].at_ms + after_ms
        self._messages: list[Recorded] = [each for each in messages if each.at_ms <= self._at_ms]

    def now_ms(self) -> int:
        """The moment."""
        return self._at_ms

    async def run(self, put: Put) -> None:
        """Tell everything at once."""
        for each in self._messages:
            put(each.message, each.at_ms)


async def svg(moment: Moment, size: tuple[int, int], theme: str, keys: list[str]) -> str:
    """The dashboard as an SVG."""
    desk = Desk(
        source=moment,
        client=None,
        marks=UNICODE,
        zone=UTC,
        settings=Settings(theme=theme),
        new_id=lambda: "not used",
    )
    app = Dashboard(desk)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(SETTLE_S)
        await pilot.press(*keys)
        await pilot.pause(SETTLE_S)
        return re.sub(r"terminal-\d+", "terminal", app.export_screenshot(simplify=True))


def png(picture: str, path: Path, chromium: str) -> None:
    """Draw an SVG with a browser, with a font of this machine."""
    [size] = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture)
    width, height = (round(float(each)) + 1 for each in size)
    drawn = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    drawn = drawn.replace("Fira Code", "DejaVu Sans Mono")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f'<body style="margin:0">{drawn}</body>', encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        window = f"--window-size={width},{height}"
        subprocess.run(
            [chromium, *options, window, f"--screenshot={path}", str(page)],
            check=True,
            capture_output=True,
            timeout=60,
        )


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(PICTURES)}; all by default")
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--moment-ms", type=int, default=MOMENT_MS, help="how far it is played")
    parser.add_argument("--svg-only", action="store_true", help="make no PNG")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chromium = None if options.svg_only else shutil.which("chromium")
    for name in options.names or PICTURES:
        size, theme, keys = PICTURES[name]
        picture = asyncio.run(svg(Moment(options.recording, options.moment_ms), size, theme, keys))
        path = options.folder / f"{name}.svg"
        path.write_text(picture, encoding="utf-8")
        print(path)
        if chromium is not None:
            png(picture, path.with_suffix(".png"), chromium)
            print(path.with_suffix(".png"))


if __name__ == "__main__":
    main()

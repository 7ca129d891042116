"""Benchmark of the dashboard: CPU, frames, latency from key to screen, idle CPU, memory.

The dashboard runs unchanged in a pseudo-terminal of 120x40, and follows a server that implements
the API's stream and lists. The server is this process; what is measured is the dashboard.

``updates`` spreads transitions over all rows, none of which ever ends; ``arrivals`` makes new
orders at that rate instead, each with five transitions, and the oldest are dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from time import monotonic

import psutil
from rich.console import Console
from rich.table import Table
from tui_bench_server import LoadProfile, run_server

ROOT = Path(__file__).parent.parent
COLUMNS, LINES = 120, 40
WARM_UP_S = 2
FIRST_ROW = 6
"""The line of the first row, below the summary, the tabs and the titles."""
VIEW_KEYS = {
    "orders": b"\x1bOQ",
    "open": b"\x1bOR",
    "batches": b"\x1bOS",
    "positions": b"\x1b[15~",
    "markets": b"\x1b[17~",
    "quality": b"\x1b[18~",
}
"""What a terminal sends for F2 to F7."""
VIEWS_WITH_ROWS = frozenset({"orders", "open"})
"""Where the time from a key to the cursor's next row is measured."""
_CURSOR = re.compile(r"\x1b\[(\d+);1H(?:\x1b\[[0-9;]*m)*▶")


@dataclass(slots=True)
class BenchResult:
    """The measurements of one run."""

    load: LoadProfile
    view: str
    cpu: float
    frames: float
    keys_ms: list[float]
    memory_mb: float
    events: float


class DashboardTerminal:
    """The dashboard in a pseudo-terminal."""

    def __init__(self, url: str, home: str) -> None:
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environ |= {"XDG_CONFIG_HOME": home, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(  # noqa: S606 - the dashboard itself
                sys.executable, [sys.executable, "-m", "tui", "--url", url], environ
            )
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.frames = 0
        self._row = 0
        self._cursor_drawn = asyncio.Event()
        self._live_shown = asyncio.Event()
        self._tail = ""
        asyncio.get_running_loop().add_reader(self.fd, self._read)

    def _read(self) -> None:
        try:
            text = os.read(self.fd, 1 << 20).decode(errors="replace")
        except OSError:  # the process has exited
            asyncio.get_running_loop().remove_reader(self.fd)
            return
        if "\x1b[?2026$p" in text:
            os.write(
                self.fd, b"\x1b[?2026;2$y"
            )  # supports synchronized output, so that frames can be counted
        self.frames += text.count("\x1b[?2026h")
        if any(int(match[1]) == self._row for match in _CURSOR.finditer(self._tail + text)):
            self._cursor_drawn.set()
        if "● live" in text:
            self._live_shown.set()
        self._tail = text[-40:]

    async def press(self, key: bytes, row: int) -> float:
        """Press a key; returns the milliseconds until the cursor is drawn in a screen row."""
        self._row, self._tail = row, ""
        self._cursor_drawn.clear()
        began_s = monotonic()
        os.write(self.fd, key)
        async with asyncio.timeout(10):
            await self._cursor_drawn.wait()
        return (monotonic() - began_s) * 1_000

    async def wait_until_loaded(self) -> None:
        """Wait until all stored orders are loaded, and for the warm-up."""
        async with asyncio.timeout(120):
            await self._live_shown.wait()
        await asyncio.sleep(WARM_UP_S)

    async def show_view(self, view: str) -> None:
        """Show a view, and wait until it has settled."""
        os.write(self.fd, VIEW_KEYS[view])
        await asyncio.sleep(WARM_UP_S)

    async def close(self) -> None:
        """Quit the dashboard and wait for its process."""
        os.write(self.fd, b"q")
        await asyncio.to_thread(os.waitpid, self.pid, 0)
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


async def measure(load: LoadProfile, view: str, seconds: float) -> BenchResult:
    """Run the dashboard under a load and measure it while a view is shown."""
    with tempfile.TemporaryDirectory() as home:
        async with run_server(load) as url:
            terminal = DashboardTerminal(url, home)
            process = psutil.Process(terminal.pid)
            await terminal.wait_until_loaded()
            await terminal.show_view(view)
            began_s, frames, cpu, sent = monotonic(), terminal.frames, _cpu_s(process), load.sent
            keys_ms: list[float] = []
            steps = cycle([(b"j", FIRST_ROW + 1), (b"k", FIRST_ROW)])
            while monotonic() - began_s < seconds:
                if load.rate and view in VIEWS_WITH_ROWS:
                    keys_ms.append(await terminal.press(*next(steps)))
                await asyncio.sleep(0.2)
            duration_s = monotonic() - began_s
            result = BenchResult(
                load,
                view,
                (_cpu_s(process) - cpu) / duration_s,
                (terminal.frames - frames) / duration_s,
                sorted(keys_ms),
                process.memory_info().rss / 2**20,
                (load.sent - sent) / duration_s,
            )
            await terminal.close()
    return result


def _cpu_s(process: psutil.Process) -> float:
    if process.status() == psutil.STATUS_ZOMBIE:
        raise SystemExit("the dashboard has ended")
    times = process.cpu_times()
    return float(times.user + times.system)


def build_table(results: list[BenchResult]) -> Table:
    """Build a table of the results."""
    table = Table(title=f"the dashboard in {COLUMNS}x{LINES}")
    for title in (
        "load",
        "view",
        "rows",
        "events/s",
        "CPU",
        "frames/s",
        "key p50",
        "key p95",
        "memory",
    ):
        table.add_column(title, justify="left" if title in {"load", "view"} else "right")
    for each in results:
        keys = each.keys_ms
        table.add_row(
            each.load.name if each.load.rate else "idle",
            each.view,
            f"{each.load.rows:,}",
            f"{each.events:,.0f}",
            f"{each.cpu:.1%}",
            f"{each.frames:.1f}",
            f"{keys[len(keys) // 2]:.1f} ms" if keys else "",
            f"{keys[len(keys) * 95 // 100]:.1f} ms" if keys else "",
            f"{each.memory_mb:.0f} MB",
        )
    return table


async def main() -> None:
    """Measure the selected loads and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="how long each run is measured")
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000, 10_000, 50_000])
    parser.add_argument("--rates", type=int, nargs="*", default=[500, 5_000])
    parser.add_argument("--loads", nargs="*", default=["updates", "arrivals"])
    parser.add_argument("--pools", type=int, default=0, help="pools of each route; 0: exchanges")
    parser.add_argument("--views", nargs="*", default=["orders"], choices=list(VIEW_KEYS))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    loads = [LoadProfile("idle", max(options.rows), 0, options.pools)]
    loads += [
        LoadProfile(name, rows, rate, options.pools)
        for name in options.loads
        for rows in options.rows
        for rate in options.rates
    ]
    results = [
        await measure(replace(load), view, options.seconds)
        for load in loads
        for view in options.views
    ]
    if options.json:
        print(json.dumps([asdict(each) for each in results]))
    else:
        Console(width=100).print(build_table(results))


if __name__ == "__main__":
    asyncio.run(main())

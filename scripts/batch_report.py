"""What became of a batch: progress while it runs, and the summary at its end."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STATUSES = {
    "pending": "◌",
    "routing": "◔",
    "building": "◑",
    "submitted": "◕",
    "confirmed": "●",
    "failed": "✕",
    "cancelled": "⊘",
    "expired": "◷",
}
ENDS = frozenset({"confirmed", "failed", "cancelled", "expired"})
_REDRAW_S = 0.1
_LINE_S = 5.0
_COLOURS = {"confirmed": "cyan", "failed": "red", "submitted": "yellow"}

Json = dict[str, Any]


@dataclass(slots=True)
class Life:
    """One order as its events tell it."""

    order_id: str
    seq: int = 0
    status: str = "pending"
    began: datetime | None = None
    ended: datetime | None = None
    dex: str | None = None
    code: str | None = None

    def apply(self, event: Json) -> bool:
        """Take an event, whatever came before; whether it is news."""
        if event["seq"] <= self.seq:
            return False
        self.seq, self.status = event["seq"], event["status"]
        at = datetime.fromisoformat(event["at"])
        if self.seq == 1:
            self.began = at
        if self.status in ENDS:
            self.ended = at
        self.dex = event.get("dex", self.dex)
        self.code = event.get("code")
        return True

    @property
    def took_s(self) -> float | None:
        """From the time at which it was stored to its end, by the server's clock."""
        if self.began is None or self.ended is None:
            return None
        return (self.ended - self.began).total_seconds()


@dataclass(slots=True)
class Tally:
    """Everything that is known of a batch."""

    wanted: int
    accepted: int = 0
    lives: dict[str, Life] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    retries: int = 0
    reconnects: int = 0

    @property
    def open(self) -> int:
        """How many accepted orders have not ended."""
        return sum(life.status not in ENDS for life in self.lives.values())

    def is_as_asked(self, status: str) -> bool:
        """Whether every order was accepted and has this status, or any end for ``ended``."""
        ends = ENDS if status == "ended" else {status}
        is_accepted = self.accepted == self.wanted
        return is_accepted and all(life.status in ends for life in self.lives.values())

    def by_status(self) -> Counter[str]:
        """How many orders have each status."""
        return Counter(life.status for life in self.lives.values())

    def summary(self, wall_s: float) -> Json:
        """The whole outcome, as ``--json`` prints it."""
        lives = self.lives.values()
        confirmed = [life for life in lives if life.status == "confirmed"]
        by_dex = Counter(life.dex for life in confirmed)
        took = sorted(life.took_s for life in confirmed if life.took_s is not None)
        ended = len(lives) - self.open
        return {
            "orders": self.wanted,
            "accepted": self.accepted,
            "replayed": self.replayed,
            "refused": dict(self.refused.most_common()),
            "byStatus": {status: n for status in STATUSES if (n := self.by_status()[status])},
            "failures": dict(
                Counter(life.code or "" for life in lives if life.status == "failed").most_common()
            ),
            "dexShare": {str(dex): round(n / len(confirmed), 4) for dex, n in by_dex.most_common()},
            "latencyS": {f"p{part}": percentile(took, part) for part in (50, 95, 99)},
            "wallS": round(wall_s, 3),
            "ordersPerS": round(ended / wall_s, 1) if wall_s else None,
            "retries": self.retries,
            "reconnects": self.reconnects,
        }


def percentile(values: Sequence[float], part: int) -> float | None:
    """The value that ``part`` percent of sorted values do not exceed; none of none."""
    return values[math.ceil(len(values) * part / 100) - 1] if values else None


def progress(tally: Tally) -> tuple[ProgressBar, Text]:
    """One frame of the progress: a bar, and how many orders have each status."""
    done = len(tally.lives) - tally.open + tally.refused.total()
    bar = ProgressBar(total=tally.wanted, completed=done, width=60)
    counts = tally.by_status()
    line = Text(f"{done:,} of {tally.wanted:,} ended  ")
    for status, mark in STATUSES.items():
        if counts[status]:
            line.append(f" {mark} {status} {counts[status]:,} ", _COLOURS.get(status, "blue"))
    if refused := tally.refused.total():
        line.append(f" refused {refused:,} ", "red")
    if tally.reconnects:
        line.append(f" reconnected {tally.reconnects} times")
    return bar, line


@asynccontextmanager
async def shown(tally: Tally) -> AsyncIterator[None]:
    """Progress on standard error: live on a terminal, a line every few seconds elsewhere."""
    console = Console(stderr=True)

    async def redraw(live: Live | None) -> None:
        while True:
            await asyncio.sleep(_REDRAW_S if live else _LINE_S)
            bar, line = progress(tally)
            if live is None:
                console.print(line)
            else:
                live.update(Group(line, bar), refresh=True)

    on_terminal = Live(console=console, transient=True, auto_refresh=False)
    with on_terminal if console.is_terminal else nullcontext() as live:
        async with asyncio.TaskGroup() as tasks:
            drawing = tasks.create_task(redraw(live))
            yield
            drawing.cancel()


def show(summary: Json, console: Console) -> None:
    """The summary as a table."""
    table = Table(title=f"{summary['orders']:,} orders", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for status, number in summary["byStatus"].items():
        table.add_row(f"{STATUSES[status]} {status}", f"{number:,}")
    for title in ("refused", "failures"):
        for code, number in summary[title].items():
            table.add_row(f"  {title.removesuffix('s')}: {code}", f"{number:,}")
    for dex, share in summary["dexShare"].items():
        table.add_row(f"routed to {dex}", f"{share:.1%}")
    for name, seconds in summary["latencyS"].items():
        table.add_row(f"latency {name}", "" if seconds is None else f"{seconds:.3f} s")
    table.add_row("wall time", f"{summary['wallS']:.2f} s")
    table.add_row("orders per second", str(summary["ordersPerS"]))
    for title in ("replayed", "retries", "reconnects"):
        if summary[title]:
            table.add_row(title, f"{summary[title]:,}")
    console.print(table)

"""Progress of a batch while it runs, and its summary at the end."""

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
FINAL_STATUSES = frozenset({"confirmed", "failed", "cancelled", "expired"})
_REDRAW_INTERVAL_S = 0.1
_PRINT_INTERVAL_S = 5.0
_COLOURS = {"confirmed": "cyan", "failed": "red", "submitted": "yellow"}

Json = dict[str, Any]


@dataclass(slots=True)
class OrderProgress:
    """The state of one order, built from its events."""

    order_id: str
    seq: int = 0
    status: str = "pending"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    dex: str | None = None
    code: str | None = None

    def apply(self, event: Json) -> bool:
        """Apply an event, in whatever order they arrive; false if it is not newer."""
        if event["seq"] <= self.seq:
            return False
        self.seq, self.status = event["seq"], event["status"]
        at = datetime.fromisoformat(event["at"])
        if self.seq == 1:
            self.started_at = at
        if self.status in FINAL_STATUSES:
            self.ended_at = at
        self.dex = event.get("dex", self.dex)
        self.code = event.get("code")
        return True

    @property
    def duration_s(self) -> float | None:
        """Seconds from acceptance to the end, by the server's clock."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(slots=True)
class BatchProgress:
    """The counts and orders of a batch."""

    order_count: int
    accepted: int = 0
    orders: dict[str, OrderProgress] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    retries: int = 0
    reconnects: int = 0

    @property
    def open_count(self) -> int:
        """How many accepted orders have not ended."""
        return sum(order.status not in FINAL_STATUSES for order in self.orders.values())

    def has_expected_outcome(self, status: str) -> bool:
        """Whether all orders were accepted and have this status; ``ended`` is any terminal one."""
        expected = FINAL_STATUSES if status == "ended" else {status}
        is_accepted = self.accepted == self.order_count
        return is_accepted and all(order.status in expected for order in self.orders.values())

    def count_by_status(self) -> Counter[str]:
        """Count the orders of each status."""
        return Counter(order.status for order in self.orders.values())

    def build_summary(self, wall_s: float) -> Json:
        """Build the summary that ``--json`` prints."""
        orders = self.orders.values()
        confirmed = [order for order in orders if order.status == "confirmed"]
        by_dex = Counter(order.dex for order in confirmed)
        durations_s = sorted(
            order.duration_s for order in confirmed if order.duration_s is not None
        )
        ended_count = len(orders) - self.open_count
        return {
            "orders": self.order_count,
            "accepted": self.accepted,
            "replayed": self.replayed,
            "refused": dict(self.refused.most_common()),
            "byStatus": {status: n for status in STATUSES if (n := self.count_by_status()[status])},
            "failures": dict(
                Counter(
                    order.code or "" for order in orders if order.status == "failed"
                ).most_common()
            ),
            "dexShare": {str(dex): round(n / len(confirmed), 4) for dex, n in by_dex.most_common()},
            "latencyS": {
                f"p{percent}": percentile(durations_s, percent) for percent in (50, 95, 99)
            },
            "wallS": round(wall_s, 3),
            "ordersPerS": round(ended_count / wall_s, 1) if wall_s else None,
            "retries": self.retries,
            "reconnects": self.reconnects,
        }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The value that ``percent`` percent of the sorted values do not exceed; none if empty."""
    return values[math.ceil(len(values) * percent / 100) - 1] if values else None


def render_progress(progress: BatchProgress) -> tuple[ProgressBar, Text]:
    """Render a progress bar, and a line with the count of each status."""
    ended = len(progress.orders) - progress.open_count + progress.refused.total()
    bar = ProgressBar(total=progress.order_count, completed=ended, width=60)
    counts = progress.count_by_status()
    line = Text(f"{ended:,} of {progress.order_count:,} ended  ")
    for status, symbol in STATUSES.items():
        if counts[status]:
            line.append(f" {symbol} {status} {counts[status]:,} ", _COLOURS.get(status, "blue"))
    if refused := progress.refused.total():
        line.append(f" refused {refused:,} ", "red")
    if progress.reconnects:
        line.append(f" reconnected {progress.reconnects} times")
    return bar, line


@asynccontextmanager
async def display_progress(progress: BatchProgress) -> AsyncIterator[None]:
    """Show progress on standard error: live on a terminal, else a line every few seconds."""
    console = Console(stderr=True)

    async def redraw(live: Live | None) -> None:
        while True:
            await asyncio.sleep(_REDRAW_INTERVAL_S if live else _PRINT_INTERVAL_S)
            bar, line = render_progress(progress)
            if live is None:
                console.print(line)
            else:
                live.update(Group(line, bar), refresh=True)

    on_terminal = Live(console=console, transient=True, auto_refresh=False)
    with on_terminal if console.is_terminal else nullcontext() as live:
        async with asyncio.TaskGroup() as tasks:
            redraw_task = tasks.create_task(redraw(live))
            yield
            redraw_task.cancel()


def print_summary(summary: Json, console: Console) -> None:
    """Print the summary as a table."""
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

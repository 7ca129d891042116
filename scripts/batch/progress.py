"""Progress of a batch while it runs, and its summary at the end."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STATUSES = {
    "pending": "◌",
    "waiting": "◇",
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
_COUNT_TITLES = {
    "notPlaced": "not placed",
    "replayed": "placed before",
    "retries": "retries",
    "reconnects": "reconnects",
}
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
    price: str | None = None
    amount_out: str | None = None
    signature: str | None = None
    code: str | None = None
    reason: str | None = None

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
        self.price = event.get("executedPrice", event.get("averagePrice", self.price))
        self.amount_out = event.get("amountOut", self.amount_out)
        self.signature = event.get("txHash", self.signature)
        self.code, self.reason = event.get("code"), event.get("reason")
        return True

    @property
    def duration_s(self) -> float | None:
        """Seconds from acceptance to the end, by the server's clock."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


class Refusal(NamedTuple):
    """Why the API refused an order."""

    code: str
    reason: str


class BatchProgress:
    """The counts and orders of a batch; an order's index is its place in the batch.

    With ``watches_waiting``, an order that waits for a price is under way until it has ended.
    """

    def __init__(self, order_count: int, *, watches_waiting: bool = False) -> None:
        self.order_count = order_count
        self._watches_waiting = watches_waiting
        self.orders: dict[str, OrderProgress] = {}
        self.order_ids: list[str | None] = [None] * order_count
        self.refusals: dict[int, Refusal] = {}
        self.accepted = 0
        self.replayed = 0
        self.retries = 0
        self.reconnects = 0
        self.requested = 0
        """How many orders were sent, with an answer or without one yet."""
        self._by_status: Counter[str] = Counter()

    def add_accepted(self, index: int, order_id: str) -> None:
        """Add an order that the API has accepted; a second time is the same as once."""
        if self.order_ids[index] is not None:
            return
        self.order_ids[index] = order_id
        self.accepted += 1
        if order_id not in self.orders:
            self.orders[order_id] = OrderProgress(order_id)
            self._by_status["pending"] += 1

    def apply(self, event: Json) -> bool:
        """Apply an event; false if it is of no order of the batch, or not newer."""
        order = self.orders.get(event["orderId"])
        if order is None:
            return False
        before = order.status
        if not order.apply(event):
            return False
        self._by_status[before] -= 1
        self._by_status[order.status] += 1
        return True

    def find_order(self, index: int) -> OrderProgress | None:
        """The order at an index; none if it was not accepted."""
        order_id = self.order_ids[index]
        return None if order_id is None else self.orders[order_id]

    @property
    def open_count(self) -> int:
        """How many accepted orders are under way: they have not ended, and are to be followed."""
        waiting = 0 if self._watches_waiting else self._by_status["waiting"]
        return len(self.orders) - self.ended_count - waiting

    @property
    def ended_count(self) -> int:
        """How many accepted orders have ended."""
        return sum(self._by_status[status] for status in FINAL_STATUSES)

    def has_expected_outcome(self, status: str) -> bool:
        """Whether all orders were accepted and have this status.

        ``ended`` is any terminal one. What waits for a price, maybe for ever, is as expected where
        it is not watched.
        """
        expected = set(FINAL_STATUSES) if status == "ended" else {status}
        if not self._watches_waiting:
            expected.add("waiting")
        is_accepted = self.accepted == self.order_count
        return is_accepted and all(order.status in expected for order in self.orders.values())

    def count_by_status(self) -> Counter[str]:
        """Count the orders of each status."""
        return +self._by_status

    def build_summary(self, wall_s: float) -> Json:
        """Build the summary that ``--json`` prints."""
        orders = self.orders.values()
        confirmed = [order for order in orders if order.status == "confirmed"]
        # What is executed in slices has no venue of its own.
        by_dex = Counter(order.dex for order in confirmed if order.dex is not None)
        durations_s = sorted(
            order.duration_s for order in confirmed if order.duration_s is not None
        )
        refused = Counter(refusal.code for refusal in self.refusals.values())
        failures = Counter(order.code or "" for order in orders if order.status == "failed")
        return {
            "orders": self.order_count,
            "accepted": self.accepted,
            "replayed": self.replayed,
            "refused": dict(refused.most_common()),
            "notPlaced": self.order_count - self.accepted - len(self.refusals),
            "open": self.open_count,
            "byStatus": {status: n for status in STATUSES if (n := self._by_status[status])},
            "failures": dict(failures.most_common()),
            "dexShare": {dex: round(n / by_dex.total(), 4) for dex, n in by_dex.most_common()},
            "latencyS": {
                f"p{percent}": percentile(durations_s, percent) for percent in (50, 95, 99)
            },
            "wallS": round(wall_s, 3),
            "ordersPerS": round(self.ended_count / wall_s, 1) if wall_s else None,
            "retries": self.retries,
            "reconnects": self.reconnects,
        }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The value that ``percent`` percent of the sorted values do not exceed; none if empty."""
    return values[math.ceil(len(values) * percent / 100) - 1] if values else None


def render_progress(progress: BatchProgress) -> tuple[ProgressBar, Text]:
    """Render a progress bar, and a line with the count of each status."""
    ended = progress.ended_count + len(progress.refusals)
    bar = ProgressBar(total=progress.order_count, completed=ended, width=60)
    counts = progress.count_by_status()
    line = Text(f"{ended:,} of {progress.order_count:,} ended  ")
    for status, symbol in STATUSES.items():
        if counts[status]:
            line.append(f" {symbol} {status} {counts[status]:,} ", _COLOURS.get(status, "blue"))
    if refused := len(progress.refusals):
        line.append(f" refused {refused:,} ", "red")
    if progress.reconnects:
        line.append(f" reconnected {progress.reconnects} times")
    return bar, line


@asynccontextmanager
async def display_progress(progress: BatchProgress, console: Console) -> AsyncIterator[None]:
    """Show progress on a console: live on a terminal, else a line every few seconds."""

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
            try:
                yield
            finally:
                redraw_task.cancel()


def print_summary(summary: Json, console: Console) -> None:
    """Print the summary as a table."""
    is_repeat = summary["replayed"] == summary["orders"]
    earlier = ", placed before" if is_repeat else ""
    table = Table(title=f"{summary['orders']:,} orders{earlier}", show_header=False)
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
    for key, title in _COUNT_TITLES.items():
        if summary[key]:
            table.add_row(title, f"{summary[key]:,}")
    console.print(table)

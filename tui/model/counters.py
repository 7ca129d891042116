"""What is counted about orders, kept up to date as they change: never by counting them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from tui.model.batches import Batches
from tui.model.orders import Order
from tui.model.rates import Rates, Savings
from tui.model.venue_health import Health
from tui.text.symbols import ENDS, STATUSES


class Before(NamedTuple):
    """What is remembered of an order over a change."""

    status: str
    dex: str | None
    updated_ms: int

    @classmethod
    def of(cls, order: Order) -> Before:
        """An order that is about to change."""
        return cls(order.status, order.dex, order.updated_ms)


class Tally:
    """Counts by status, venue and batch, and samples of speed and savings."""

    def __init__(self) -> None:
        self.rates = Rates()
        self.savings = Savings()
        self.health = Health()
        self.batches = Batches()
        self.routed: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._gone: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """How many orders have each status, also of those that are too old to be kept."""
        return {status: self._kept[status] + self._gone[status] for status in STATUSES}

    @property
    def in_flight(self) -> int:
        """How many orders have not ended."""
        return sum(n for status, n in self.counts.items() if status not in ENDS)

    def counted(self, order: Order, before: Before | None) -> None:
        """An order became known (``before`` is none), or changed."""
        was_end = before is not None and before.status in ENDS
        if before is not None:
            self._kept[before.status] -= 1
        self._kept[order.status] += 1
        self.batches.counted(order, is_new=before is None, was_end=was_end)
        dex = None if before is None else before.dex
        if dex != order.dex:
            self.routed[dex or ""] -= dex is not None
            self.routed[order.dex or ""] += 1
        if order.is_end and not was_end:
            self.rates.ended(order, is_old=before is None)
            if order.status == "confirmed":
                self.savings.confirmed(order)

    def stepped(self, order: Order, before: Before) -> None:
        """A live transition: it says how long the last status took, and which venues quote."""
        self.rates.passed(before.status, order.updated_ms - before.updated_ms)
        if order.status == "building":
            for dex in order.quoted:
                self.health.quoted(dex, order.updated_ms)
            for dex, code, _ in order.unavailable:
                self.health.missed(dex, code, order.updated_ms)

    def dropped(self, order: Order) -> None:
        """An order is not kept any more; it still counts."""
        self._kept[order.status] -= 1
        self._gone[order.status] += 1

    def stored(self, by_status: Mapping[str, int]) -> None:
        """The server's own counts: what is above ours are orders that were never loaded."""
        for status in STATUSES:
            self._gone[status] = max(by_status.get(status, 0) - self._kept[status], 0)

"""The activity log: failures, changes of the connection, and actions of the dashboard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from tui.model.orders import Order
from tui.model.wire import WireEvent
from tui.text.format import format_seconds, parse_timestamp_ms, sanitize_text

_ENTRIES_MAX: Final = 500


class LogEntry(NamedTuple):
    """An entry of the log. ``role`` is its style: a status, ``warn``, ``muted`` …"""

    at_ms: int
    role: str
    text: str


class ActivityLog:
    """The latest entries; ``entry_count`` is the number of all entries ever added."""

    def __init__(self) -> None:
        self.entries: deque[LogEntry] = deque(maxlen=_ENTRIES_MAX)
        self.entry_count = 0
        self._catch_up: _CatchUp | None = None

    def add_entry(self, at_ms: int, role: str, text: str) -> None:
        """Add an entry with the server time ``at_ms``."""
        self.entries.append(LogEntry(at_ms, role, sanitize_text(text)))
        self.entry_count += 1

    def add_failure(self, order: Order) -> None:
        """Add the failure of an order."""
        code = order.failure.code if order.failure else "no reason given"
        tries = f" after {order.attempt} attempts" if order.attempt > 1 else ""
        venue = f" ({order.dex})" if order.dex else ""
        subject = f"{order.short_id} {order.pair.side} {order.pair.name}"
        self.add_entry(order.updated_ms, "failed", f"{subject} {code}{tries}{venue}")

    def start_catch_up(self, gap_ms: int, at_ms: int) -> None:
        """Start counting replayed events after a reconnect; the gap lasted ``gap_ms``."""
        self._catch_up = _CatchUp(gap_ms, at_ms)

    def count_replayed(self, events: Iterable[WireEvent]) -> None:
        """Count events from the time of the disconnect; a newer event ends the count."""
        if self._catch_up is not None and self._catch_up.count_events(events):
            self.finish_catch_up()

    def finish_catch_up(self) -> None:
        """Log the number of replayed events: the replay is complete."""
        if self._catch_up is not None:
            gap, events = format_seconds(self._catch_up.gap_ms), f"{self._catch_up.replayed:,}"
            text = f"resumed after {gap}, {events} events replayed"
            self.add_entry(self._catch_up.until_ms, "confirmed", text)
            self._catch_up = None


class _CatchUp:
    """Counts the events of the time without a connection."""

    __slots__ = ("gap_ms", "replayed", "until_ms")

    def __init__(self, gap_ms: int, until_ms: int) -> None:
        self.gap_ms = gap_ms
        self.until_ms = until_ms
        self.replayed = 0

    def count_events(self, events: Iterable[WireEvent]) -> bool:
        """Count events from before the reconnect; returns whether a newer event ends the replay."""
        for event in events:
            if parse_timestamp_ms(event["at"]) > self.until_ms:
                return True
            self.replayed += 1
        return False

"""What is worth a line: failures, the connection, and what the dashboard itself did."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from tui.model.messages import WireEvent
from tui.model.orders import Order
from tui.text.format import clean, parse_at, seconds

_ENTRIES_MAX: Final = 500


class Entry(NamedTuple):
    """A line of the log. ``role`` says what it is about: a status, ``warn``, ``muted`` …"""

    at_ms: int
    role: str
    text: str


class Log:
    """The last lines; ``written`` counts all there ever were."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_ENTRIES_MAX)
        self.written = 0
        self._resumed: _Resumed | None = None

    def say(self, at_ms: int, role: str, text: str) -> None:
        """Add a line, as of ``at_ms`` of the server's time."""
        self.entries.append(Entry(at_ms, role, clean(text)))
        self.written += 1

    def failed(self, order: Order) -> None:
        """An order failed."""
        code = order.trouble.code if order.trouble else "no reason given"
        tries = f" after {order.attempt} attempts" if order.attempt > 1 else ""
        where = f" ({order.dex})" if order.dex else ""
        what = f"{order.short_id} {order.pair.side} {order.pair.name}"
        self.say(order.updated_ms, "failed", f"{what} {code}{tries}{where}")

    def resumed(self, away_ms: int, at_ms: int) -> None:
        """The connection is back after ``away_ms``: what happened meanwhile follows."""
        self._resumed = _Resumed(away_ms, at_ms)

    def happened(self, events: Iterable[WireEvent]) -> None:
        """Events came; those from the time of the silence are counted."""
        if self._resumed is not None and self._resumed.takes(events):
            self.caught_up()

    def caught_up(self) -> None:
        """Nothing older follows any more."""
        if self._resumed is not None:
            away, events = seconds(self._resumed.away_ms), f"{self._resumed.replayed:,}"
            text = f"resumed after {away}, {events} events replayed"
            self.say(self._resumed.until_ms, "confirmed", text)
            self._resumed = None


class _Resumed:
    """Counts what happened while the connection was away."""

    __slots__ = ("away_ms", "replayed", "until_ms")

    def __init__(self, away_ms: int, until_ms: int) -> None:
        self.away_ms = away_ms
        self.until_ms = until_ms
        self.replayed = 0

    def takes(self, events: Iterable[WireEvent]) -> bool:
        """Count the events that are old; whether there are others, so that all were counted."""
        for event in events:
            if parse_at(event["at"]) > self.until_ms:
                return True
            self.replayed += 1
        return False

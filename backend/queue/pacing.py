"""How many orders a worker has under way while several owners share it.

For one owner alone more of them mean larger batches and a higher rate. But an order of another
owner then goes through the same event loop, database and node as all of those. So while owners
share a worker, the number follows the time that an order takes: it grows while orders take little
longer than on a quiet worker, and shrinks when they take longer. Where the chain takes seconds,
that is thousands of orders; where the machine is the limit, it is a few.
"""

from __future__ import annotations

from typing import Final

SHARED_S: Final = 10.0
"""Owners share the worker until no other than one has started an order for so long."""
QUIET_ORDERS_MAX: Final = 4
"""With so many orders under way at its start, an order takes as long as on a quiet worker."""
SLOWDOWN_MAX: Final = 1.25
SLOWDOWN_ADDED_S: Final = 0.003
PLACES_MIN: Final = 4
GROWTH: Final = 0.2
"""By how much the number grows with each order that ends in time."""
SHRINK_FACTOR: Final = 0.8
QUIET_RISE_FACTOR: Final = 1.02
"""By how much the quiet time rises while the fewest orders take too long: the node, or the
database, is slower than it was."""
SMOOTHING: Final = 0.1
NO_EXECUTION_S: Final = 0.001
"""What takes less is a job whose order had a worker already."""


class StartPacing:
    """The number of orders under way: ``places_max``, or fewer while owners share the worker."""

    def __init__(self, places_max: int) -> None:
        self._places_max = places_max
        self._places_min = min(PLACES_MIN, places_max)
        self._places = float(self._places_min)
        self._last_owner: str | None = None
        self._shared_until = 0.0
        self._quiet_s: float | None = None
        self._usual_s = 0.0
        self._shrink_at = 0.0

    def count_places(self, now: float) -> int:
        """How many orders there may be under way."""
        return int(self._places) if now < self._shared_until else self._places_max

    def note_start(self, owner: str, now: float) -> None:
        """Take note of an order that starts."""
        if self._last_owner not in (None, owner):
            if now >= self._shared_until:
                self._places = float(self._places_min)
                self._usual_s = 0.0
                self._shrink_at = now
            self._shared_until = now + SHARED_S
        self._last_owner = owner

    def note_end(self, seconds: float, orders_at_start: int, now: float) -> None:
        """Take note of how long an order took that started with so many others under way."""
        if seconds < NO_EXECUTION_S:
            return
        if self._quiet_s is None or seconds < self._quiet_s:
            self._quiet_s = seconds
        elif orders_at_start <= QUIET_ORDERS_MAX:
            self._quiet_s += (seconds - self._quiet_s) * SMOOTHING
        if now < self._shared_until:
            self._adjust_places(seconds, self._quiet_s, now)

    def _adjust_places(self, seconds: float, quiet_s: float, now: float) -> None:
        self._usual_s += (seconds - self._usual_s) * SMOOTHING
        if self._usual_s <= quiet_s * SLOWDOWN_MAX + SLOWDOWN_ADDED_S:
            self._places = min(self._places + GROWTH, self._places_max)
        elif now >= self._shrink_at:
            # A smaller number shows its effect only on orders that start from now on.
            self._shrink_at = now + self._usual_s
            if self._places <= self._places_min:
                self._quiet_s = quiet_s * QUIET_RISE_FACTOR
            self._places = max(self._places * SHRINK_FACTOR, self._places_min)

"""How many orders a worker has started and not sent while several owners share it.

For one owner alone more of them mean larger batches and a higher rate. But an order of another
owner that comes then goes through the same event loop as all of those: so while owners share the
worker, the number follows the time that one turn of the event loop takes.
"""

from __future__ import annotations

from typing import Final

SHARED_S: Final = 10.0
"""Owners share the worker until no other than one has started an order for so long."""
LOOP_TURN_MAX_S: Final = 0.005
PLACES_MIN: Final = 50
PLACES_STEP: Final = 5
SHRINK_FACTOR: Final = 0.8
SHRINK_INTERVAL_S: Final = 0.05
"""A smaller number shows its effect only after the orders that were started before."""


class StartPacing:
    """The places for unsent orders: ``places_max``, or fewer while owners share the worker."""

    def __init__(self, places_max: int) -> None:
        self._places_max = places_max
        self._places: float = min(PLACES_MIN, places_max)
        self._last_owner: str | None = None
        self._shared_until = 0.0
        self._shrink_at = 0.0

    def count_places(self, now: float) -> int:
        """How many unsent orders there may be."""
        return int(self._places) if now < self._shared_until else self._places_max

    def note_start(self, owner: str, now: float) -> None:
        """Take note of an order that starts."""
        if self._last_owner not in (None, owner):
            if now >= self._shared_until:
                self._places = min(PLACES_MIN, self._places_max)
            self._shared_until = now + SHARED_S
        self._last_owner = owner

    def note_loop_turn(self, seconds: float, now: float) -> None:
        """Take note of how long a turn of the event loop took."""
        if seconds <= LOOP_TURN_MAX_S:
            self._places = min(self._places + PLACES_STEP, self._places_max)
        elif now >= self._shrink_at:
            self._shrink_at = now + SHRINK_INTERVAL_S
            least = min(PLACES_MIN, self._places_max)
            self._places = max(self._places * SHRINK_FACTOR, least)

"""A limit on the orders that a worker has started and not sent to the chain yet.

A worker can hold any number of orders that wait for the chain, but the unsent ones use its CPU.
Beyond some hundreds of them, more concurrency makes none faster: they only wait for each other, in
memory instead of in the queue, where another worker could take them. An order that waits for the
end of an outage uses no CPU: it gives its place back meanwhile, so that other orders can start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UnsentPlace:
    """The place of one order among the unsent ones; it is taken at first."""

    __slots__ = ("_is_paused", "_is_taken", "_limiter")

    def __init__(self, limiter: UnsentLimiter) -> None:
        self._limiter = limiter
        self._is_taken = False
        self._is_paused = False
        self.take()

    def take(self) -> None:
        """Count the order again, also if there are too many by now; no effect if it is counted."""
        self._set_paused(is_paused=False)
        if not self._is_taken:
            self._is_taken = True
            self._limiter.add(1)

    def give_back(self) -> None:
        """Count the order no longer; no effect if it is not counted."""
        if self._is_taken:
            self._is_taken = False
            self._limiter.add(-1)

    def pause(self) -> None:
        """Give the place back until ``take``: the order waits for the end of an outage."""
        self._set_paused(is_paused=True)
        self.give_back()

    def end(self) -> None:
        """Give back whatever the order has."""
        self._set_paused(is_paused=False)
        self.give_back()

    def _set_paused(self, *, is_paused: bool) -> None:
        self._limiter.paused += is_paused - self._is_paused
        self._is_paused = is_paused


class UnsentLimiter:
    """Counts unsent orders, of which there should be ``orders_max`` at most."""

    def __init__(self, orders_max: int) -> None:
        self.orders_max = orders_max
        self.paused = 0
        """The number of orders that wait for the end of an outage."""
        self._count = 0
        self._call_when_freed: Callable[[], None] = _ignore_freed_place

    @property
    def free(self) -> int:
        """How many more orders may start; negative if there are too many."""
        return self.orders_max - self._count

    def call_when_freed(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever a place is given back."""
        self._call_when_freed = callback

    def add(self, places: int) -> None:
        """Count more orders, or fewer."""
        self._count += places
        if places < 0:
            self._call_when_freed()

    @contextmanager
    def count_order(self) -> Iterator[UnsentPlace]:
        """Count an order until the block ends, or until it gives its place back."""
        place = UnsentPlace(self)
        try:
            yield place
        finally:
            place.end()


def _ignore_freed_place() -> None:
    """Before anybody waits for a place."""

"""The operations of a history: what clients asked, when, and what the answers showed."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any, Final, NamedTuple

from backend.trials.audit.records import OrderTransition

RECENT: Final = 8
"""So many events are recent: at hundreds a second, what they tell is some milliseconds old."""


class Action(StrEnum):
    """What an operation is."""

    PLACE = "placement"
    READ = "read"
    LIST = "list"
    COUNT = "statistics"
    CANCEL = "cancellation"
    EVENT = "event"
    JOURNAL = "journal"


class Outcome(StrEnum):
    """How an operation completed, as Jepsen calls it."""

    OK = "ok"
    """It was done."""
    FAIL = "fail"
    """It was not: there is no such order, or the request was refused."""
    INFO = "info"
    """Unknown: no answer, or one that says to ask again."""


class Sighting(NamedTuple):
    """An order as an answer showed it; ``None`` for what the answer does not tell."""

    order_id: str
    seq: int
    status: str | None = None
    created_at: str | None = None


class ListPage(NamedTuple):
    """What a page of a list, newest first, must have: orders of ``status``, if not ``None``.

    They were created from ``since`` on, and before ``before``, the last of the page before;
    ``is_last`` if none follows.
    """

    status: str | None = None
    since: str = ""
    before: str | None = None
    is_last: bool = False


@dataclass(slots=True)
class Operation:
    """One operation of a client at a server; times are seconds of one monotonic clock."""

    action: Action
    client: str
    server: str
    invoked_at: float = 0.0
    completed_at: float = 0.0
    outcome: Outcome = Outcome.INFO
    order_id: str | None = None
    """The only order that it is about."""
    sightings: Sequence[Sighting] = ()
    page: ListPage | None = None
    counts: Mapping[str, int] | None = None

    def complete(self, *sightings: Sighting) -> None:
        """Note that it was done, and the orders that its answer showed."""
        self.outcome, self.sightings = Outcome.OK, sightings


class FaultTime(NamedTuple):
    """From when to when there was a fault of a server, or of all."""

    began_at: float
    ended_at: float
    server: str | None = None


class EndCounts(NamedTuple):
    """Orders by status at the end: as a server's statistics show them, and as they are."""

    shown: Mapping[str, int]
    stored: Mapping[str, int]


@dataclass(slots=True)
class History:
    """All operations of a run, and when there were faults, or its clients did not run.

    ``counted_before``: the orders by status before the first operation. ``placed``: the ids of
    orders whose placement has its answer. ``changed``: those that events told of last: whoever
    reads them now must see what the events told. ``counts_at_end``: those of each server;
    ``unread`` are those whose list could not be read then.
    """

    now: Callable[[], float] = time.monotonic
    operations: list[Operation] = field(default_factory=list)
    faults: list[FaultTime] = field(default_factory=list)
    stalls: list[FaultTime] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    changed: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))
    counted_before: Mapping[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    counts_at_end: dict[str, EndCounts] = field(default_factory=dict)

    @contextmanager
    def record(self, operation: Operation) -> Iterator[Operation]:
        """Record an operation, which is the block; nothing if its task is cancelled."""
        operation.invoked_at = self.now()
        try:
            yield operation
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._append(operation)
            raise
        self._append(operation)

    @contextmanager
    def record_fault(self, server: str | None = None) -> Iterator[None]:
        """Record that there is a fault for the length of the block: of a server, or of all."""
        began_at = self.now()
        try:
            yield
        finally:
            self.faults.append(FaultTime(began_at, self.now(), server))

    def record_event(
        self, server: str, transition: OrderTransition, *, is_of_feed: bool = False
    ) -> None:
        """Record that a stream showed a transition: that of its order, or of all orders."""
        order_id = None if is_of_feed else transition.order_id
        operation = Operation(Action.EVENT, "a subscriber", server, order_id=order_id)
        with self.record(operation):
            operation.complete(Sighting(*transition))
        self.changed.append(transition.order_id)

    def _append(self, operation: Operation) -> None:
        operation.completed_at = self.now()
        self.operations.append(operation)
        if operation.action is Action.PLACE:
            self.placed += [each.order_id for each in operation.sightings]


class CalmTimes:
    """How long there was no fault that concerns a server, between any two times."""

    def __init__(self, faults: Sequence[FaultTime]) -> None:
        self._faults = faults
        self._by_server: dict[str, CalmTime] = {}

    def of(self, server: str) -> CalmTime:
        """That of a server."""
        if server not in self._by_server:
            times = [(e.began_at, e.ended_at) for e in self._faults if e.server in {None, server}]
            self._by_server[server] = CalmTime(times)
        return self._by_server[server]


class CalmTime:
    """How long there was no fault, between any two times."""

    def __init__(self, faults: Sequence[tuple[float, float]]) -> None:
        merged: list[tuple[float, float]] = []
        for begin, end in sorted(faults):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        self._faults = merged
        self._lasted = [0.0, *accumulate(end - begin for begin, end in merged)]

    def clock(self, at: float) -> float:
        """The time of a clock that stands still during faults."""
        number = bisect_right(self._faults, (at, float("inf")))
        if not number:
            return at
        begin, end = self._faults[number - 1]
        return at - self._lasted[number - 1] - (min(at, end) - begin)

    def measure_s(self, begin: float, end: float) -> float:
        """The seconds without a fault between two times."""
        return self.clock(end) - self.clock(begin)


def see_order(order: Mapping[str, Any]) -> Sighting:
    """The sighting of an order as the API shows it."""
    return Sighting(order["orderId"], order["seq"], order["status"], order.get("createdAt"))

"""The rules of statistics: they lag by a bound, and never go backwards on a process."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Final

from backend.domain.lifecycle import FINAL_STATUSES
from backend.trials.audit.history.operations import Action, CalmTimes, History, Operation
from backend.trials.audit.records import Violation, ViolationKind

TOTAL: Final = "total"
"""The name of the number of all orders, which only rises, as those of final statuses."""


def find_stale_counts(history: History, calm: CalmTimes, bound_s: float) -> Iterator[Violation]:
    """Find statistics that lack what was seen a bound before, or that went backwards."""
    reads = [each for each in history.operations if each.action is Action.COUNT and each.counts]
    known = _list_known_times(history)
    for read in reads:
        clock = calm.of(read.server).clock
        asked = clock(read.invoked_at) - bound_s
        for name, times in known.items():
            least = bisect_right(times, asked, key=clock) + _count(history.counted_before, name)
            shown = _count(read.counts or {}, name)
            if shown < least:
                message = f"statistics of {read.server}: {shown} {name}, {least} were seen before"
                yield Violation(ViolationKind.STALE, message)
    yield from _find_backward(reads)


def find_wrong_counts(history: History) -> Iterator[Violation]:
    """Find servers whose statistics at the end are not what the database has."""
    for server, (shown, stored) in history.counts_at_end.items():
        if Counter(shown) != Counter(stored):
            message = f"statistics of {server} at the end: {dict(shown)}, stored are {dict(stored)}"
            yield Violation(ViolationKind.WRONG, message)


def _list_known_times(history: History) -> Mapping[str, list[float]]:
    """When each order that was placed was first seen, and seen in each final status.

    Pages also show orders that were there before.
    """
    first: dict[tuple[str, str], float] = {}
    placed = frozenset(history.placed)
    for operation in sorted(history.operations, key=attrgetter("completed_at")):
        at = operation.completed_at
        for each in operation.sightings:
            if each.order_id not in placed:
                continue
            first.setdefault((TOTAL, each.order_id), at)
            if each.status in FINAL_STATUSES:
                first.setdefault((str(each.status), each.order_id), at)
    times = defaultdict[str, list[float]](list)
    for (name, _), at in first.items():
        times[name].append(at)
    return {name: sorted(each) for name, each in times.items()}


def _find_backward(reads: list[Operation]) -> Iterator[Violation]:
    by_server = defaultdict[str, list[Operation]](list)
    for read in reads:
        by_server[read.server].append(read)
    for server, own in by_server.items():
        completed = iter(sorted(own, key=attrgetter("completed_at")))
        earlier, highest = next(completed, None), Counter[str]()
        for read in sorted(own, key=attrgetter("invoked_at")):
            while earlier is not None and earlier.completed_at < read.invoked_at:
                highest |= Counter({name: _count(earlier.counts or {}, name) for name in _RISING})
                earlier = next(completed, None)
            for name, before in highest.items():
                shown = _count(read.counts or {}, name)
                if shown < before:
                    message = f"statistics of {server}: {shown} {name}, and {before} before"
                    yield Violation(ViolationKind.STALE, message)


_RISING: Final = (TOTAL, *FINAL_STATUSES)


def _count(counts: Mapping[str, int], name: str) -> int:
    return sum(counts.values()) if name == TOTAL else counts.get(name, 0)

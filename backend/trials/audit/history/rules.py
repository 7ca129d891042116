"""The rules of a history: what no order of its operations in real time explains."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter
from typing import Final, NamedTuple

from backend.domain.lifecycle import FINAL_STATUSES, Status
from backend.trials.audit.history.count_rules import find_stale_counts, find_wrong_counts
from backend.trials.audit.history.knowledge import Knowledge
from backend.trials.audit.history.operations import (
    Action,
    CalmTimes,
    History,
    ListPage,
    Operation,
    Outcome,
)
from backend.trials.audit.records import Violation, ViolationKind

_PAST: Final = frozenset({Action.PLACE, Action.EVENT, Action.JOURNAL})
"""What tells what was, and not what is."""
COUNTS_S: Final = 2.0
"""How old statistics may be: their cache's age, and a transaction that is open."""


class HistoryBounds(NamedTuple):
    """Bounds in seconds without a fault: of an answer, of an event on a stream, of statistics."""

    answer_s: float
    event_s: float
    counts_s: float


class HistorySummary(NamedTuple):
    """What was checked: requests, those of them that were answered, and events of streams.

    ``longest_s`` is the longest wait of a request, without the time of faults. ``stalled_s``: how
    long the clients themselves did not run.
    """

    requests: int
    answered: int
    events: int
    longest_s: float
    stalled_s: float

    def __str__(self) -> str:
        """Format it as a line of a report."""
        return (
            f"history: {self.requests:,} requests ({self.answered:,} answered) and"
            f" {self.events:,} events; the longest wait without a fault {self.longest_s:.1f} s;"
            f" the clients did not run for {self.stalled_s:.1f} s"
        )


def choose_bounds(answer_s: float) -> HistoryBounds:
    """The bounds of a run where an answer, and an event, takes at most so long."""
    return HistoryBounds(answer_s, answer_s, answer_s + COUNTS_S)


def check_history(history: History, bounds: HistoryBounds) -> list[Violation]:
    """Return every violation."""
    knowledge, calm = Knowledge(history), CalmTimes([*history.faults, *history.stalls])
    return [
        *find_absences(history, knowledge),
        *find_backward(history, knowledge),
        *find_contradictions(history),
        *find_unlisted(history, knowledge),
        *find_disordered_pages(history),
        *find_unread(history),
        *find_stale_counts(history, calm, bounds.counts_s),
        *find_wrong_counts(history),
        *find_late_events(history, calm, bounds.event_s),
        *find_late_answers(history, calm, bounds.answer_s),
    ]


def find_absences(history: History, knowledge: Knowledge) -> Iterator[Violation]:
    """Find reads that were answered 404 of an order that somebody had seen before."""
    for read in history.operations:
        if read.action is Action.READ and read.outcome is Outcome.FAIL and read.order_id:
            known_at = knowledge.find_first(read.order_id)
            if known_at is not None and known_at < read.invoked_at:
                age_s = read.invoked_at - known_at
                message = f"order {read.order_id} is absent {age_s:.3f} s after it was accepted"
                yield Violation(ViolationKind.STALE, f"{_name(read)}: {message}")


def find_backward(history: History, knowledge: Knowledge) -> Iterator[Violation]:
    """Find answers that show an order older than somebody had seen it before they were asked."""
    for operation in history.operations:
        if operation.action in _PAST:
            continue
        for each in operation.sightings:
            known = knowledge.find_newest(each.order_id, operation.invoked_at)
            if known > each.seq:
                message = f"order {each.order_id} is at {each.seq}, and was at {known} before"
                yield Violation(ViolationKind.STALE, f"{_name(operation)}: {message}")


def find_contradictions(history: History) -> Iterator[Violation]:
    """Find orders that have two statuses at one sequence number, or any behind a final one."""
    statuses: dict[str, dict[int, str]] = defaultdict(dict)
    for operation in history.operations:
        for each in operation.sightings:
            if each.status is None:
                continue
            known = statuses[each.order_id].setdefault(each.seq, each.status)
            if known != each.status:
                message = f"order {each.order_id} at {each.seq} is {each.status}, and was {known}"
                yield Violation(ViolationKind.WRONG, f"{_name(operation)}: {message}")
    for order_id, by_seq in statuses.items():
        newest = max(by_seq)
        for seq, status in sorted(by_seq.items()):
            if Status(status) in FINAL_STATUSES and seq < newest:
                message = f"order {order_id} was {status} at {seq}, and went on to {newest}"
                yield Violation(ViolationKind.WRONG, message)


def find_unlisted(history: History, knowledge: Knowledge) -> Iterator[Violation]:
    """Find orders that a page lacks although they were there before it was asked for.

    With a filter of a final status: that had that status before.
    """
    created = knowledge.list_created()
    times = [at for at, _ in created]
    for page, operation in _list_pages(history):
        listed = {each.order_id for each in operation.sightings}
        oldest = min((each.created_at or "" for each in operation.sightings), default="")
        begin = bisect_left(times, page.since) if page.is_last else bisect_right(times, oldest)
        end = len(times) if page.before is None else bisect_left(times, page.before)
        for _, order_id in created[begin:end]:
            if order_id in listed:
                continue
            known_at = knowledge.find_first(order_id, page.status)
            if known_at is not None and known_at < operation.invoked_at:
                message = f"order {order_id} is not listed, and was there before"
                yield Violation(ViolationKind.GAPS, f"{_name(operation)}: {message}")


def find_disordered_pages(history: History) -> Iterator[Violation]:
    """Find pages that are not newest first, or have an order twice or against their filter."""
    for page, operation in _list_pages(history):
        shown = operation.sightings
        times = [each.created_at or "" for each in shown]
        if times != sorted(times, reverse=True) or (page.before and times[:1] > [page.before]):
            message = f"{_name(operation)}: a page is not newest first"
            yield Violation(ViolationKind.WRONG, message)
        if len({each.order_id for each in shown}) < len(shown):
            message = f"{_name(operation)}: a page has an order twice"
            yield Violation(ViolationKind.WRONG, message)
        for each in shown:
            if page.status not in {None, each.status}:
                message = f"order {each.order_id} is {each.status} among those {page.status}"
                yield Violation(ViolationKind.WRONG, f"{_name(operation)}: {message}")


def find_unread(history: History) -> Iterator[Violation]:
    """Find servers whose list could not be read at the end, when there was no fault."""
    for server in history.unread:
        yield Violation(ViolationKind.STUCK, f"the list of {server} was not readable at the end")


def find_late_events(history: History, calm: CalmTimes, bound_s: float) -> Iterator[Violation]:
    """Find transitions that a server's stream showed too late after anybody had seen them.

    Those that it did not show at all are gaps of a subscriber, which the audit finds.
    """
    received: dict[str, dict[tuple[str, int], float]] = defaultdict(dict)
    seen: dict[tuple[str, int], float] = {}
    for operation in sorted(history.operations, key=attrgetter("completed_at")):
        for each in operation.sightings:
            key = (each.order_id, each.seq)
            seen.setdefault(key, operation.completed_at)
            if operation.action is Action.EVENT and operation.order_id is None:
                received[operation.server].setdefault(key, operation.completed_at)
    for server, times in received.items():
        for (order_id, seq), at in times.items():
            late_s = calm.of(server).measure_s(seen[order_id, seq], at)
            if late_s > bound_s:
                message = f"event {seq} of order {order_id} came {late_s:.1f} s after it was seen"
                yield Violation(ViolationKind.STALE, f"the stream of {server}: {message}")


def find_late_answers(history: History, calm: CalmTimes, bound_s: float) -> Iterator[Violation]:
    """Find requests whose answer took too long, or that got none in that time."""
    for operation in history.operations:
        waited_s = _measure_wait_s(operation, calm)
        if waited_s > bound_s:
            message = f"waited {waited_s:.1f} s without a fault ({operation.outcome})"
            yield Violation(ViolationKind.STUCK, f"{_name(operation)}: {message}")


def summarize_history(history: History) -> HistorySummary:
    """Summarize what was checked."""
    calm = CalmTimes([*history.faults, *history.stalls])
    asked = [each for each in history.operations if each.action is not Action.EVENT]
    waits = (_measure_wait_s(each, calm) for each in asked)
    answered = sum(each.outcome is not Outcome.INFO for each in asked)
    events = len(history.operations) - len(asked)
    stalled_s = sum(each.ended_at - each.began_at for each in history.stalls)
    return HistorySummary(len(asked), answered, events, max(waits, default=0.0), stalled_s)


def _measure_wait_s(operation: Operation, calm: CalmTimes) -> float:
    return calm.of(operation.server).measure_s(operation.invoked_at, operation.completed_at)


def _list_pages(history: History) -> Iterator[tuple[ListPage, Operation]]:
    for each in history.operations:
        if each.page is not None:
            yield each.page, each


def _name(operation: Operation) -> str:
    return f"{operation.action} of {operation.client} at {operation.server}"

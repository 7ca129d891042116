"""The check of histories finds what no order of events explains: each test plants one violation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from backend.trials.audit.history.operations import (
    Action,
    CalmTime,
    EndCounts,
    FaultTime,
    History,
    ListPage,
    Operation,
    Outcome,
    Sighting,
)
from backend.trials.audit.history.rules import HistoryBounds, check_history
from backend.trials.audit.records import OrderTransition, ViolationKind

ONE, TWO = "http://one", "http://two"
BOUNDS = HistoryBounds(answer_s=5, event_s=5, counts_s=2)
STATUSES = ("pending", "routing", "building", "submitted", "confirmed")
CREATED = {"a": "2026-11-01T10:00:00.000001Z", "b": "2026-11-01T10:00:00.000002Z"}


def see(order_id: str, seq: int, status: str | None = None) -> Sighting:
    return Sighting(order_id, seq, status or STATUSES[seq - 1], CREATED[order_id])


def operate(
    action: Action,
    at: float,
    *sightings: Sighting,
    server: str = ONE,
    took_s: float = 0.1,
    outcome: Outcome = Outcome.OK,
    order_id: str | None = None,
    page: ListPage | None = None,
    counts: Mapping[str, int] | None = None,
) -> Operation:
    return Operation(
        *(action, "client", server, at, at + took_s, outcome, order_id, sightings, page, counts)
    )


def receive(order_id: str, seq: int, at: float, server: str = ONE) -> Operation:
    return operate(Action.EVENT, at, see(order_id, seq), server=server, took_s=0)


def accept(order_id: str, at: float) -> Operation:
    sighting = Sighting(order_id, 1, created_at=CREATED[order_id])
    return operate(Action.PLACE, at, sighting, order_id=order_id)


GOOD = (
    accept("a", 1),
    operate(Action.READ, 1.2, see("a", 1), server=TWO, order_id="a"),
    receive("a", 2, 1.3),
    operate(Action.READ, 1.25, see("a", 1), order_id="a"),  # the event came while it was read
    operate(Action.READ, 1.4, see("a", 3), server=TWO, order_id="a"),
    accept("b", 1.5),
    operate(Action.LIST, 1.7, see("b", 1), see("a", 3), page=ListPage(is_last=True)),
    *(receive("a", seq, 1.8) for seq in (3, 4, 5)),
    operate(Action.LIST, 2, see("a", 5), page=ListPage("confirmed", is_last=True), server=TWO),
    operate(Action.COUNT, 2.1, counts={"pending": 2}),  # a second late
    operate(Action.COUNT, 5, counts={"pending": 1, "confirmed": 1}),
)


def check(
    *planted: Operation,
    good: Sequence[Operation] = GOOD,
    faults: Sequence[tuple[float, float] | tuple[float, float, str]] = (),
    at_end: EndCounts | None = None,
) -> list[tuple[ViolationKind, str]]:
    operations = sorted([*good, *planted], key=lambda each: each.completed_at)
    history = History(
        operations=operations, faults=[FaultTime(*each) for each in faults], placed=["a", "b"]
    )
    if at_end is not None:
        history.counts_at_end[ONE] = at_end
    return [(each.kind, each.message) for each in check_history(history, BOUNDS)]


def require(found: list[tuple[ViolationKind, str]], kind: ViolationKind, words: str) -> None:
    assert [each for each, _ in found] == [kind], found
    assert words in found[0][1]


def test_a_history_that_an_order_of_events_explains_is_good() -> None:
    assert check() == []


@pytest.mark.parametrize("server", [ONE, TWO])
def test_an_accepted_order_that_a_process_does_not_know_is_a_stale_read(server: str) -> None:
    absent = operate(Action.READ, 1.15, server=server, outcome=Outcome.FAIL, order_id="a")
    require(check(absent), ViolationKind.STALE, "absent 0.050 s")
    meanwhile = replace(absent, invoked_at=1.05)
    assert check(meanwhile) == []


@pytest.mark.parametrize(
    "stale",
    [
        operate(Action.READ, 1.55, see("a", 2), order_id="a"),
        operate(Action.LIST, 1.55, see("b", 1), see("a", 2), page=ListPage()),
        operate(Action.CANCEL, 1.55, see("a", 2), order_id="a"),
    ],
)
def test_an_answer_older_than_what_another_client_saw_before_goes_backwards(
    stale: Operation,
) -> None:
    require(check(stale), ViolationKind.STALE, "order a is at 2, and was at 3 before")


def test_an_event_is_known_once_a_subscriber_has_it() -> None:
    stale = operate(Action.READ, 1.85, see("a", 4), server=TWO, order_id="a")
    require(check(stale), ViolationKind.STALE, "order a is at 4, and was at 5 before")


def test_a_lost_update_leaves_one_sequence_number_with_two_statuses() -> None:
    """What an answer to a cancellation showed was overwritten."""
    cancelled = operate(Action.CANCEL, 1.75, see("a", 4, "cancelled"), order_id="a")
    found = check(cancelled)
    assert (
        ViolationKind.WRONG,
        f"cancellation of client at {ONE}: order a at 4 is cancelled, and was submitted",
    ) in found


def test_what_was_seen_and_is_not_in_the_journal_is_a_lost_update() -> None:
    journal = operate(Action.JOURNAL, 9, *(see("b", 1), see("b", 2, "failed")), took_s=0.1)
    seen = operate(Action.READ, 3, see("b", 2), order_id="b")
    require(check(journal, seen), ViolationKind.WRONG, "order b at 2 is failed, and was routing")
    stored = operate(Action.READ, 9, see("b", 1), order_id="b", server="PostgreSQL")
    require(check(stored, seen), ViolationKind.STALE, "order b is at 1, and was at 2 before")


def test_nothing_follows_a_final_status() -> None:
    after = operate(Action.READ, 3, see("a", 6, "failed"), order_id="a")
    require(check(after), ViolationKind.WRONG, "order a was confirmed at 5, and went on to 6")


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (ListPage(), [see("a", 5)]),
        (ListPage(is_last=True), [see("b", 1)]),
        (ListPage("confirmed", is_last=True), []),
        (ListPage(before=CREATED["b"], is_last=True), []),
    ],
)
def test_a_page_that_lacks_an_order_has_a_gap(page: ListPage, shown: list[Sighting]) -> None:
    missing = operate(Action.LIST, 3, *shown, page=page)
    require(check(missing), ViolationKind.GAPS, "is not listed, and was there before")


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (ListPage(), [see("b", 1)]),  # a full page, and order a is older
        (ListPage(since=CREATED["b"], is_last=True), [see("b", 1)]),
        (ListPage(before=CREATED["b"], is_last=True), [see("a", 5)]),
    ],
)
def test_a_page_need_not_have_what_other_pages_have(page: ListPage, shown: list[Sighting]) -> None:
    assert check(operate(Action.LIST, 3, *shown, page=page)) == []


def test_a_list_that_cannot_be_read_at_the_end_is_not_taken_for_a_good_one() -> None:
    history = History(operations=list(GOOD), placed=["a", "b"], unread=[TWO])
    [violation] = check_history(history, BOUNDS)
    assert (violation.kind, TWO in violation.message) == (ViolationKind.STUCK, True)


@pytest.mark.parametrize(
    ("page", "shown", "words"),
    [
        (ListPage(), [see("a", 5), see("b", 1)], "not newest first"),
        (ListPage(before=CREATED["a"]), [see("b", 1), see("a", 5)], "not newest first"),
        (ListPage(), [see("b", 1), see("b", 1)], "twice"),
        (ListPage("confirmed"), [see("b", 1), see("a", 5)], "among those confirmed"),
    ],
)
def test_a_page_is_in_order_and_matches_its_filter(
    page: ListPage, shown: list[Sighting], words: str
) -> None:
    require(check(operate(Action.LIST, 3, *shown, page=page)), ViolationKind.WRONG, words)


def test_statistics_lag_by_a_bound_and_never_go_backwards() -> None:
    lacking = operate(Action.COUNT, 4.5, counts={"pending": 2}, server=TWO)
    require(check(lacking), ViolationKind.STALE, "0 confirmed, 1 were seen before")
    assert check(lacking, faults=[(2, 4)]) == []
    backwards = operate(Action.COUNT, 2.3, counts={"pending": 1})
    require(check(backwards), ViolationKind.STALE, "1 total, and 2 before")


def test_statistics_at_the_end_are_what_is_stored() -> None:
    stored = {"confirmed": 1, "pending": 1}
    assert check(at_end=EndCounts(stored, stored)) == []
    found = check(at_end=EndCounts({"confirmed": 2}, stored))
    require(found, ViolationKind.WRONG, "at the end: {'confirmed': 2}")


def test_an_event_that_comes_long_after_it_was_seen_is_stale() -> None:
    late = receive("a", 5, 7.5, server=TWO)
    require(check(late), ViolationKind.STALE, "event 5 of order a came 5.7 s after it was seen")
    assert check(late, faults=[(3, 4)]) == []
    assert check(late, faults=[(3, 4, TWO)]) == []
    assert len(check(late, faults=[(3, 4, ONE)])) == 1


def test_an_event_that_a_stream_does_not_have_is_an_unexplained_gap_for_others() -> None:
    """A read that saw more than the stream has is right: the audit compares streams whole."""
    without = [each for each in GOOD if each.action is not Action.EVENT]
    assert check(good=without) == []


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.INFO])
def test_a_request_waits_no_longer_than_a_bound_without_a_fault(outcome: Outcome) -> None:
    slow = operate(Action.READ, 3, took_s=6, outcome=outcome, order_id="b")
    require(check(slow), ViolationKind.STUCK, f"waited 6.0 s without a fault ({outcome})")
    assert check(slow, faults=[(2, 3.5), (3.4, 5), (100, 200)]) == []
    stopped = History(operations=[slow], stalls=[FaultTime(4, 6)])
    assert check_history(stopped, BOUNDS) == []


def test_the_time_without_faults_stands_still_while_any_lasts() -> None:
    calm = CalmTime([(10, 12), (11, 14), (20, 21)])
    assert calm.measure_s(0, 10) == 10
    assert calm.measure_s(9, 13) == 1
    assert calm.measure_s(11, 13.5) == 0
    assert calm.measure_s(0, 30) == 25


def test_a_recorded_operation_ends_with_its_block_also_by_an_error() -> None:
    times = iter(range(10))
    history = History(now=lambda: float(next(times)))
    with pytest.raises(TimeoutError), history.record(Operation(Action.READ, "client", ONE)):
        raise TimeoutError
    with history.record_fault():
        history.record_event(ONE, OrderTransition("a", 1, "pending"), is_of_feed=True)
    asked, event = history.operations
    assert (asked.invoked_at, asked.completed_at, asked.outcome) == (0, 1, Outcome.INFO)
    assert event.sightings == (Sighting("a", 1, "pending"),)
    assert history.faults == [FaultTime(2, 5)]

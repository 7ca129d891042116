"""The lifecycle: the table over its whole cross product, and what recovery may never do."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.lifecycle import (
    ATTEMPTS_MAX,
    ENDS,
    TABLE,
    Fate,
    Happening,
    IllegalTransition,
    Recovery,
    Status,
    Step,
    advance,
    backoff_ms,
    diagram,
    recover,
)


@pytest.mark.parametrize(("status", "what"), list(itertools.product(Status, Happening)))
def test_only_what_the_table_lists_can_happen(status: Status, what: Happening) -> None:
    rule = TABLE.get((status, what))
    if rule is None:
        with pytest.raises(IllegalTransition, match=what.name):
            advance(status, 1, what)
    elif rule.retries:
        assert advance(status, 1, what) == Step(rule.to, 2, is_retry=True)
    else:
        assert advance(status, 1, what) == Step(rule.to, 1)


@pytest.mark.parametrize("what", Happening)
@pytest.mark.parametrize("status", sorted(ENDS))
def test_nothing_happens_to_an_order_that_ended(status: Status, what: Happening) -> None:
    with pytest.raises(IllegalTransition):
        advance(status, 1, what)


@pytest.mark.parametrize("status", [status for status in Status if not status.is_end])
def test_every_status_can_reach_an_end(status: Status) -> None:
    reached = {status}
    while True:
        further = {rule.to for (source, _), rule in TABLE.items() if source in reached} | reached
        if further == reached:
            break
        reached = further
    assert reached & ENDS


@pytest.mark.parametrize(("status", "what"), [key for key, rule in TABLE.items() if rule.retries])
def test_the_last_attempt_fails_instead_of_retrying(status: Status, what: Happening) -> None:
    assert advance(status, ATTEMPTS_MAX, what) == Step(Status.FAILED, ATTEMPTS_MAX)
    assert advance(status, 1, what, attempts_max=1) == Step(Status.FAILED, 1)


@given(st.lists(st.sampled_from(Happening), max_size=60))
def test_attempts_never_exceed_their_maximum(whats: list[Happening]) -> None:
    status, attempt = Status.PENDING, 1
    for what in whats:
        try:
            step = advance(status, attempt, what)
        except IllegalTransition:
            continue
        assert attempt <= step.attempt <= ATTEMPTS_MAX
        status, attempt = step.status, step.attempt


def test_a_crash_before_signing_costs_no_attempt() -> None:
    assert advance(Status.BUILDING, 3, Happening.INTERRUPTED) == Step(Status.ROUTING, 3)


def test_a_submitted_order_is_signed_again_only_if_its_transaction_is_dead() -> None:
    answers = {fate: recover(Status.SUBMITTED, fate) for fate in Fate}
    assert answers == {
        Fate.LANDED: Recovery.SETTLE,
        Fate.REVERTED: Recovery.SETTLE,
        Fate.OPEN: Recovery.RESEND,
        Fate.DEAD: Recovery.NEW_ATTEMPT,
    }


def test_a_submitted_order_is_not_recovered_without_asking_the_chain() -> None:
    with pytest.raises(AssertionError, match="ask the chain"):
        recover(Status.SUBMITTED)


def test_an_order_found_before_its_intent_was_stored_is_routed() -> None:
    assert recover(Status.ROUTING) is Recovery.ROUTE
    assert recover(Status.BUILDING) is Recovery.ROUTE_AGAIN


@pytest.mark.parametrize("status", [Status.PENDING, *ENDS])
def test_there_is_nothing_to_recover_where_nobody_drove(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        recover(status, Fate.OPEN)


@given(st.integers(1, 10), st.floats(0, 1), st.floats(0, 1))
def test_backoff_doubles_give_or_take_its_jitter(
    failed_attempt: int, jitter: float, chance: float
) -> None:
    middle = 500 * 2 ** (failed_attempt - 1)
    wait = backoff_ms(failed_attempt, base_ms=500, jitter=jitter, chance=chance)
    assert middle * (1 - jitter) - 1 <= wait <= middle * (1 + jitter) + 1


def test_backoff_without_chance_is_half_a_second_one_second_two() -> None:
    waits = [backoff_ms(n, base_ms=500, jitter=0.1, chance=0.5) for n in (1, 2, 3)]
    assert waits == [500, 1000, 2000]


def test_the_diagram_has_every_row_of_the_table() -> None:
    lines = list(diagram())
    for (status, what), rule in TABLE.items():
        assert any(f"{status} --> {rule.to}: {what}" in line for line in lines)

"""The lifecycle: the table over its whole cross product, and the limits of recovery."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.backoff import backoff_ms
from backend.domain.lifecycle import (
    ATTEMPTS_MAX,
    CANCELLABLE_STATUSES,
    FINAL_STATUSES,
    TRANSITIONS,
    Cause,
    IllegalTransition,
    RecoveryAction,
    SignatureOutcome,
    Status,
    Step,
    advance,
    choose_recovery,
    render_diagram,
)
from backend.domain.orders import TimeInForce


@pytest.mark.parametrize(("status", "cause"), list(itertools.product(Status, Cause)))
def test_only_what_the_table_lists_can_happen(status: Status, cause: Cause) -> None:
    rule = TRANSITIONS.get((status, cause))
    if rule is None:
        with pytest.raises(IllegalTransition, match=cause.name):
            advance(status, 1, cause)
    elif rule.is_retryable:
        assert advance(status, 1, cause) == Step(rule.to, 2, is_retry=True)
    else:
        assert advance(status, 1, cause) == Step(rule.to, 2 if rule.ends_attempt else 1)


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
def test_nothing_happens_to_an_order_that_ended(status: Status, cause: Cause) -> None:
    with pytest.raises(IllegalTransition):
        advance(status, 1, cause)


@pytest.mark.parametrize("status", [status for status in Status if not status.is_final])
def test_every_status_can_reach_an_end(status: Status) -> None:
    reached = {status}
    while True:
        further = {
            rule.to for (source, _), rule in TRANSITIONS.items() if source in reached
        } | reached
        if further == reached:
            break
        reached = further
    assert reached & FINAL_STATUSES


@pytest.mark.parametrize(
    ("status", "cause"), [key for key, rule in TRANSITIONS.items() if rule.is_retryable]
)
def test_the_last_attempt_fails_instead_of_retrying(status: Status, cause: Cause) -> None:
    assert advance(status, ATTEMPTS_MAX, cause) == Step(Status.FAILED, ATTEMPTS_MAX)
    assert advance(status, 1, cause, attempts_max=1) == Step(Status.FAILED, 1)


@given(st.lists(st.sampled_from(Cause), max_size=60))
def test_attempts_never_exceed_their_maximum(causes: list[Cause]) -> None:
    status, attempt = Status.PENDING, 1
    for cause in causes:
        try:
            step = advance(status, attempt, cause)
        except IllegalTransition:
            continue
        assert attempt <= step.attempt <= ATTEMPTS_MAX
        status, attempt = step.status, step.attempt


def test_an_order_is_cancelled_and_expires_until_it_is_submitted() -> None:
    assert {
        Status.PENDING,
        Status.WAITING,
        Status.ROUTING,
        Status.BUILDING,
    } == CANCELLABLE_STATUSES
    for status in CANCELLABLE_STATUSES:
        assert advance(status, 2, Cause.CANCELLED) == Step(Status.CANCELLED, 2)
        assert advance(status, 2, Cause.TIMED_OUT) == Step(Status.EXPIRED, 2)
    for cause in (Cause.CANCELLED, Cause.TIMED_OUT):
        with pytest.raises(IllegalTransition):
            advance(Status.SUBMITTED, 1, cause)


def test_an_order_with_one_attempt_expires_unless_that_fills_it() -> None:
    ends = {status for status, cause in TRANSITIONS if cause is Cause.UNFILLED}
    assert ends == {Status.ROUTING, Status.BUILDING, Status.SUBMITTED}
    for status in ends:
        assert advance(status, 1, Cause.UNFILLED) == Step(Status.EXPIRED, 1)
    assert {each for each in TimeInForce if each.has_one_attempt} == {
        *(TimeInForce.IOC, TimeInForce.FOK),
    }


def test_a_crash_before_signing_costs_no_attempt() -> None:
    assert advance(Status.BUILDING, 3, Cause.INTERRUPTED) == Step(Status.ROUTING, 3)


def test_a_submitted_order_is_signed_again_only_if_its_signature_expired() -> None:
    actions = {outcome: choose_recovery(Status.SUBMITTED, outcome) for outcome in SignatureOutcome}
    assert actions == {
        SignatureOutcome.LANDED: RecoveryAction.SETTLE,
        SignatureOutcome.REVERTED: RecoveryAction.SETTLE,
        SignatureOutcome.UNRESOLVED: RecoveryAction.RESEND,
        SignatureOutcome.EXPIRED: RecoveryAction.NEW_ATTEMPT,
    }


def test_a_submitted_order_is_not_recovered_without_checking_the_chain() -> None:
    with pytest.raises(AssertionError, match="check the chain"):
        choose_recovery(Status.SUBMITTED)


def test_an_order_found_before_its_intent_was_stored_is_routed() -> None:
    assert choose_recovery(Status.ROUTING) is RecoveryAction.ROUTE
    assert choose_recovery(Status.BUILDING) is RecoveryAction.ROUTE_AGAIN


@pytest.mark.parametrize("status", [Status.PENDING, *FINAL_STATUSES])
def test_an_order_that_no_worker_executes_needs_no_recovery(status: Status) -> None:
    with pytest.raises(IllegalTransition):
        choose_recovery(status, SignatureOutcome.UNRESOLVED)


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
    lines = list(render_diagram())
    for (status, cause), rule in TRANSITIONS.items():
        arrow = f"    {status} --> {rule.to}: "
        [labels] = [line.removeprefix(arrow) for line in lines if line.startswith(arrow)]
        assert str(cause) in labels


def test_an_order_may_be_tried_without_a_bound() -> None:
    step = advance(Status.SUBMITTED, 99, Cause.REVERTED, attempts_max=None)
    assert step == Step(Status.ROUTING, 100, is_retry=True)


def test_what_was_signed_in_vain_begins_a_new_attempt_when_it_waits_again() -> None:
    """An attempt has at most one signature, and no bound counts what waits."""
    assert advance(Status.SUBMITTED, 99, Cause.UNMET) == Step(Status.WAITING, 100)
    assert advance(Status.BUILDING, 99, Cause.UNMET) == Step(Status.WAITING, 99)

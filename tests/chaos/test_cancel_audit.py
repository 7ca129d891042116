"""The audit catches every false answer to a cancellation: each test plants one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.domain.lifecycle import CANCELLABLE_STATUSES, Status
from backend.trials.audit.clients import ClientObservations
from backend.trials.audit.collector import find_unanswered
from backend.trials.audit.records import (
    CancelAnswer,
    CancelObservations,
    Evidence,
    ExecutedSwap,
    OrderRow,
    OrderTransition,
    ViolationKind,
)
from backend.trials.audit.rules import audit

SOL, USDC = "sol", "usdc"
CANCELLED = OrderRow("c", Status.CANCELLED, 3, None, SOL, USDC, 10, None, is_leased=False)
CONFIRMED = OrderRow("a", Status.CONFIRMED, 5, "sig-a", SOL, USDC, 10, 990, is_leased=False)
HAPPY_PATH = ("pending", "routing", "building", "submitted", "confirmed")
IS_CANCELLED = CancelAnswer("c", is_cancelled=True, seq=3, status="cancelled")
WAS_SUBMITTED = CancelAnswer("a", is_cancelled=False, seq=4, status="submitted", signature="sig-a")
HAS_ENDED = WAS_SUBMITTED._replace(seq=5, status="confirmed")
BY_ID_ONLY = CancelAnswer("a", is_cancelled=False)


def collect(
    answers: Sequence[CancelAnswer],
    rows: Sequence[OrderRow] = (CANCELLED, CONFIRMED),
    statuses: Sequence[str] = ("pending", "routing", "cancelled"),
    swaps: Sequence[ExecutedSwap] = (),
    requested: Sequence[str] = ("a", "c"),
) -> Evidence:
    """Evidence on order ``c`` with these statuses, and a confirmed order ``a``."""
    journal = [
        *(OrderTransition("a", seq, status) for seq, status in enumerate(HAPPY_PATH, 1)),
        *(OrderTransition("c", seq, status) for seq, status in enumerate(statuses, 1)),
    ]
    return Evidence(
        accepted={"key-a": frozenset({"a"}), "key-c": frozenset({"c"})},
        rows={row.id: row for row in rows},
        journal=journal,
        order_by_signature={"sig-a": "a", "sig-c": "c"},
        swaps=[ExecutedSwap("sig-a", SOL, USDC, 10, 990), *swaps],
        cancels=CancelObservations(order_ids=set(requested), answers=list(answers)),
    )


def messages(evidence: Evidence) -> list[str]:
    violations = audit(evidence)
    assert {violation.kind for violation in violations} <= {ViolationKind.WRONG}
    return [violation.message for violation in violations]


def test_true_answers_are_good() -> None:
    assert audit(collect([IS_CANCELLED, WAS_SUBMITTED, HAS_ENDED, BY_ID_ONLY])) == []


def test_an_order_that_was_answered_to_be_cancelled_and_ended_otherwise_is_wrong() -> None:
    failed = replace(CANCELLED, status=Status.FAILED)
    evidence = collect([IS_CANCELLED], (failed, CONFIRMED), ("pending", "routing", "failed"))
    assert messages(evidence) == ["order c was answered to be cancelled, and is failed"]


@pytest.mark.parametrize(
    "answer", [IS_CANCELLED._replace(status="routing"), IS_CANCELLED._replace(seq=2)]
)
def test_an_answer_that_is_cancelled_and_shows_another_order_is_wrong(
    answer: CancelAnswer,
) -> None:
    [message] = messages(collect([answer]))
    assert message.startswith("order c was answered to be cancelled, as ")


def test_a_cancelled_order_that_landed_is_wrong() -> None:
    evidence = collect([IS_CANCELLED], swaps=[ExecutedSwap("sig-c", SOL, USDC, 10, 990)])
    assert messages(evidence) == ["order c is cancelled, and swap sig-c was executed"]


@pytest.mark.parametrize("before", [status for status in Status if not status.is_final])
def test_an_order_that_was_cancelled_when_it_was_submitted_is_wrong(before: Status) -> None:
    evidence = collect([IS_CANCELLED], statuses=("pending", before, "cancelled"))
    is_good = before in CANCELLABLE_STATUSES
    wrong = [] if is_good else [f"order c was cancelled when it was {before}"]
    assert messages(evidence) == wrong


def test_an_order_that_is_cancelled_and_nobody_asked_for_it_is_wrong() -> None:
    evidence = collect([], requested=())
    assert messages(evidence) == ["order c is cancelled, and no client asked for it"]
    evidence.cancels.mints_in.add(SOL)
    assert audit(evidence) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (BY_ID_ONLY._replace(order_id="c"), "and was neither submitted nor ended otherwise"),
        (WAS_SUBMITTED._replace(seq=3), "which is not what its events say"),
        (WAS_SUBMITTED._replace(seq=3, status="building"), "which is not what its events say"),
        (HAS_ENDED._replace(status="failed"), "which is not what its events say"),
        (WAS_SUBMITTED._replace(signature="sig-c"), "which it never had"),
        (WAS_SUBMITTED._replace(signature="unknown"), "which it never had"),
    ],
)
def test_a_late_answer_that_the_events_do_not_show_is_wrong(
    answer: CancelAnswer, reason: str
) -> None:
    [message] = messages(collect([answer]))
    assert message.startswith(f"order {answer.order_id} was answered to be too late to cancel")
    assert message.endswith(reason)


def test_an_answered_end_that_did_not_stay_is_wrong() -> None:
    """Its journal goes on behind its end, which is a gap too."""
    statuses = ("pending", "routing", "failed", "cancelled")
    answer = CancelAnswer("c", is_cancelled=False, seq=3, status="failed")
    violations = audit(collect([answer], (replace(CANCELLED, seq=4), CONFIRMED), statuses))
    assert any("as one that is failed, and is cancelled" in each.message for each in violations)


def test_a_cancellation_without_an_answer_is_stuck() -> None:
    observed = ClientObservations()
    observed.cancels.order_ids |= {"a", "c"}
    observed.cancels.answers.append(IS_CANCELLED)
    [violation] = find_unanswered(observed)
    assert violation.kind is ViolationKind.STUCK
    assert "order a" in violation.message

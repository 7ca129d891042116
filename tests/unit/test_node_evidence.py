"""What several nodes say of a transaction: two have to agree; a contradiction decides nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.chain.nodes.evidence import (
    TransactionAnswer,
    join_statuses,
    judge_status,
    judge_transaction,
)
from backend.chain.rpc.results import LandedTransaction, SignatureStatus, SignatureStatuses
from backend.chain.wire import Commitment
from backend.domain.errors import Unavailable

CONFIRMED = SignatureStatus(7, None, Commitment.CONFIRMED)
FINALIZED = SignatureStatus(7, None, Commitment.FINALIZED)
ELSEWHERE = SignatureStatus(8, None, Commitment.CONFIRMED)
REVERTED = SignatureStatus(7, {"InstructionError": [3, {"Custom": 6001}]}, Commitment.CONFIRMED)
PROCESSED = SignatureStatus(7, None, Commitment.PROCESSED)
LANDED = LandedTransaction(7, None, 5_000, (), 1, (9,), (8,), {}, {}, b"wire")
FAILURE = Unavailable("node_timeout", "no response")


@pytest.mark.parametrize(
    ("entries", "status", "is_decided"),
    [
        ([None], None, True),
        ([CONFIRMED], CONFIRMED, True),
        ([None, None], None, True),
        ([CONFIRMED, CONFIRMED], CONFIRMED, True),
        ([FINALIZED, CONFIRMED], CONFIRMED, True),
        ([CONFIRMED, None, None], None, True),
        ([CONFIRMED, None, CONFIRMED], CONFIRMED, True),
        ([PROCESSED, PROCESSED], PROCESSED, True),
        ([PROCESSED, None], PROCESSED, True),
        ([CONFIRMED, None], PROCESSED, False),
        ([CONFIRMED, REVERTED], PROCESSED, False),
        ([CONFIRMED, REVERTED, REVERTED], REVERTED, True),
        ([CONFIRMED, PROCESSED], PROCESSED, False),
        ([CONFIRMED, ELSEWHERE, None], replace(PROCESSED, slot=8), False),
    ],
)
def test_two_statuses_have_to_agree(
    entries: list[SignatureStatus | None], status: SignatureStatus | None, *, is_decided: bool
) -> None:
    assert judge_status(entries) == (status, is_decided)


def test_joined_statuses_are_as_of_the_oldest_slot() -> None:
    answers = [SignatureStatuses(9, [CONFIRMED, None]), SignatureStatuses(8, [CONFIRMED, None])]
    assert join_statuses(answers) == (SignatureStatuses(8, [CONFIRMED, None]), True)
    answers[1] = SignatureStatuses(8, [None, None])
    joined, is_decided = join_statuses(answers)
    assert (joined.entries[1], is_decided) == (None, False)


@pytest.mark.parametrize(
    ("entries", "answer", "is_decided"),
    [
        ([LANDED, LANDED], LANDED, True),
        ([LANDED, replace(LANDED, logs=("more",), units=None)], LANDED, True),
        ([None, None], None, True),
        ([LANDED, None], None, False),
        ([LANDED, None, LANDED], LANDED, True),
        ([LANDED, FAILURE], None, False),
        ([LANDED, replace(LANDED, slot=8)], None, False),
        ([LANDED, replace(LANDED, lamports_after=(7,))], None, False),
        ([LANDED, replace(LANDED, err="x"), LANDED], LANDED, True),
    ],
)
def test_two_nodes_have_to_tell_the_same_transaction(
    entries: list[TransactionAnswer], answer: TransactionAnswer, *, is_decided: bool
) -> None:
    assert judge_transaction(entries, is_last=False) == (answer, is_decided)


def test_where_no_other_node_can_be_asked_an_error_is_no_contradiction() -> None:
    assert judge_transaction([LANDED, FAILURE], is_last=True).answer == LANDED
    assert judge_transaction([LANDED], is_last=True).answer == LANDED
    assert judge_transaction([FAILURE, FAILURE], is_last=True).answer is FAILURE
    assert judge_transaction([LANDED, None], is_last=True).answer is None
    assert judge_transaction([None, None, LANDED], is_last=True).answer is None

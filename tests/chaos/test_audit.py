"""The audit catches every kind of violation: each test plants one in one source of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from backend.trials.audit.records import (
    Evidence,
    ExecutedSwap,
    OrderRelease,
    OrderRow,
    OrderTransition,
    ViolationKind,
)
from backend.trials.audit.rules import audit

SOL, USDC = "sol", "usdc"
GOOD = [
    OrderTransition("a", 1, "pending"),
    OrderTransition("b", 1, "pending"),
    OrderTransition("a", 2, "routing"),
    OrderTransition("b", 2, "routing"),
    OrderTransition("a", 3, "building"),
    OrderTransition("b", 3, "failed"),
    OrderTransition("a", 4, "submitted"),
    OrderTransition("a", 5, "confirmed"),
]
DONE = OrderRow("a", Status.CONFIRMED, 5, "sig-a", SOL, USDC, 10, 990, is_leased=False)
FAILED = OrderRow("b", Status.FAILED, 3, None, SOL, USDC, 10, None, is_leased=False)
SWAP = ExecutedSwap("sig-a", SOL, USDC, 10, 990)


def transitions_of(
    order_id: str, journal: Sequence[OrderTransition] = GOOD
) -> list[OrderTransition]:
    return [transition for transition in journal if transition.order_id == order_id]


def evidence() -> Evidence:
    """Consistent evidence on two orders, one confirmed and one failed."""
    return Evidence(
        accepted={"key-a": frozenset({"a"}), "key-b": frozenset({"b"})},
        rows={"a": DONE, "b": FAILED},
        journal=GOOD,
        order_by_signature={"sig-a": "a"},
        swaps=[SWAP],
        order_streams={"a": transitions_of("a"), "b": transitions_of("b")},
        feed_streams={"stream": GOOD},
        balance_changes={SOL: -10, USDC: 990},
    )


def violated_kinds(planted: Evidence) -> set[ViolationKind]:
    return {violation.kind for violation in audit(planted)}


def test_consistent_evidence_is_good() -> None:
    assert audit(evidence()) == []


def test_an_order_that_was_accepted_and_is_not_there_is_lost() -> None:
    accepted = {**evidence().accepted, "key-c": frozenset({"c"})}
    assert violated_kinds(replace(evidence(), accepted=accepted)) == {ViolationKind.LOST}


def test_a_request_that_became_two_orders_is_doubled() -> None:
    accepted = {"key-a": frozenset({"a", "b"})}
    assert violated_kinds(replace(evidence(), accepted=accepted)) == {ViolationKind.DOUBLED}


def test_an_order_whose_id_no_client_received_is_doubled() -> None:
    accepted = {"key-a": frozenset({"a"})}
    assert violated_kinds(replace(evidence(), accepted=accepted)) == {ViolationKind.DOUBLED}


def test_an_order_that_was_executed_twice_is_doubled() -> None:
    second = replace(SWAP, signature="sig-a-2")
    planted = replace(
        evidence(), swaps=[SWAP, second], order_by_signature={"sig-a": "a", "sig-a-2": "a"}
    )
    assert ViolationKind.DOUBLED in violated_kinds(
        replace(planted, balance_changes={SOL: -20, USDC: 1_980})
    )


def test_a_swap_of_no_order_is_doubled() -> None:
    planted = replace(evidence(), swaps=[SWAP, replace(SWAP, signature="unknown")])
    assert violated_kinds(planted) == {ViolationKind.DOUBLED}


def test_an_order_that_waits_for_a_price_is_not_stuck() -> None:
    rows = {"a": DONE, "b": replace(FAILED, status=Status.WAITING)}
    assert ViolationKind.STUCK not in violated_kinds(replace(evidence(), rows=rows))
    leased = {"a": DONE, "b": replace(FAILED, status=Status.WAITING, is_leased=True)}
    assert ViolationKind.STUCK in violated_kinds(replace(evidence(), rows=leased))


def test_an_order_that_received_less_than_its_limit_is_wrong() -> None:
    at_limit = replace(DONE, min_amount_out=SWAP.amount_out)
    assert audit(replace(evidence(), rows={**evidence().rows, "a": at_limit})) == []
    below = replace(DONE, min_amount_out=SWAP.amount_out + 1)
    planted = replace(evidence(), rows={**evidence().rows, "a": below})
    assert violated_kinds(planted) == {ViolationKind.WRONG}


def test_an_order_that_was_submitted_after_its_expiry_is_wrong() -> None:
    rows = {**evidence().rows, "a": replace(DONE, is_submitted_late=True)}
    assert violated_kinds(replace(evidence(), rows=rows)) == {ViolationKind.WRONG}


@pytest.mark.parametrize(
    "status", [each for each in Status if not each.is_final and each is not Status.WAITING]
)
def test_an_order_that_has_not_ended_is_stuck(status: Status) -> None:
    rows = {"a": DONE, "b": replace(FAILED, status=status)}
    assert ViolationKind.STUCK in violated_kinds(replace(evidence(), rows=rows))


def test_a_lease_that_was_not_released_is_stuck() -> None:
    rows = {"a": DONE, "b": replace(FAILED, is_leased=True)}
    assert violated_kinds(replace(evidence(), rows=rows)) == {ViolationKind.STUCK}


@pytest.mark.parametrize(
    "received",
    [
        [transition for transition in transitions_of("a") if transition.seq != 3],
        transitions_of("a")[:-1],
        [*transitions_of("a"), transitions_of("a")[-1]],
        [transitions_of("a")[1], transitions_of("a")[0], *transitions_of("a")[2:]],
        [*transitions_of("a")[:-1], OrderTransition("a", 5, "failed")],
        [],
    ],
    ids=["one is missing", "no end", "one comes twice", "out of order", "another end", "nothing"],
)
def test_a_follower_that_received_something_else_has_a_gap(received: list[OrderTransition]) -> None:
    order_streams = {**evidence().order_streams, "a": received}
    assert violated_kinds(replace(evidence(), order_streams=order_streams)) == {ViolationKind.GAPS}


@pytest.mark.parametrize(
    "received", [GOOD[1:], [*GOOD, GOOD[-1]], [GOOD[1], GOOD[0], *GOOD[2:]], []]
)
def test_a_stream_that_is_not_the_journal_has_a_gap(received: list[OrderTransition]) -> None:
    assert violated_kinds(replace(evidence(), feed_streams={"stream": received})) == {
        ViolationKind.GAPS
    }


@pytest.mark.parametrize(
    "journal",
    [
        [transition for transition in GOOD if transition != OrderTransition("a", 3, "building")],
        [*GOOD, OrderTransition("a", 6, "confirmed")],
        [*GOOD[:-1], OrderTransition("a", 5, "failed")],
        [*GOOD[:2], OrderTransition("a", 2, "failed"), *GOOD[3:]],
    ],
    ids=["a number is missing", "it goes on behind the end", "another end", "two ends"],
)
def test_a_journal_that_does_not_count_to_one_end_has_a_gap(journal: list[OrderTransition]) -> None:
    order_streams = {"a": transitions_of("a", journal), "b": transitions_of("b", journal)}
    planted = replace(
        evidence(), journal=journal, feed_streams={"stream": journal}, order_streams=order_streams
    )
    assert violated_kinds(planted) == {ViolationKind.GAPS}


def test_a_confirmed_order_whose_swap_is_not_in_the_ledger_is_wrong() -> None:
    assert violated_kinds(replace(evidence(), swaps=[], balance_changes={})) == {
        ViolationKind.WRONG
    }


@pytest.mark.parametrize(
    "swap",
    [
        replace(SWAP, amount_out=991),
        replace(SWAP, amount_in=11),
        replace(SWAP, mint_out=SOL),
        replace(SWAP, signature="sig-a-1"),
    ],
)
def test_a_confirmed_order_whose_swap_was_another_is_wrong(swap: ExecutedSwap) -> None:
    planted = replace(evidence(), swaps=[swap], order_by_signature={"sig-a": "a", "sig-a-1": "a"})
    assert violated_kinds(planted) == {ViolationKind.WRONG}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.EXPIRED])
def test_an_order_that_was_executed_and_is_not_confirmed_is_wrong(status: Status) -> None:
    row = replace(DONE, status=status, amount_out=None)
    journal = [*GOOD[:-1], OrderTransition("a", 5, status)]
    planted = replace(evidence(), rows={"a": row, "b": FAILED}, journal=journal)
    order_streams = {"a": transitions_of("a", journal), "b": transitions_of("b")}
    planted = replace(planted, feed_streams={"stream": journal}, order_streams=order_streams)
    assert violated_kinds(planted) == {ViolationKind.WRONG}


def test_a_confirmed_order_without_its_amount_is_wrong_where_the_node_told_it() -> None:
    rows = {"a": replace(DONE, amount_out=None), "b": FAILED}
    planted = replace(evidence(), rows=rows, needs_amounts=True)
    assert violated_kinds(planted) == {ViolationKind.WRONG}


def test_a_wallet_that_changed_by_more_than_its_orders_is_wrong() -> None:
    balance_changes = {SOL: -20, USDC: 990}
    assert violated_kinds(replace(evidence(), balance_changes=balance_changes)) == {
        ViolationKind.WRONG
    }


def test_a_confirmed_order_whose_amount_is_not_known_yet_is_good_if_its_swap_is_in_the_ledger() -> (
    None
):
    rows = {"a": replace(DONE, amount_out=None), "b": FAILED}
    assert audit(replace(evidence(), rows=rows)) == []
    planted = replace(evidence(), rows=rows, swaps=[], balance_changes={})
    assert violated_kinds(planted) == {ViolationKind.WRONG}


@pytest.mark.parametrize(
    ("kind", "executable", "trigger", "is_early"),
    [
        ("limit", "103.1", "103", False),
        ("limit", "102.9", "103", True),
        ("takeProfit", "102.9", "103", True),
        ("stop", "97", "97", False),
        ("stop", "97.1", "97", True),
        ("trailingStop", "97.1", "97", True),
        ("stopLimit", "96", "97", False),
        ("limit", None, None, True),
    ],
)
def test_a_release_before_its_price_is_wrong(
    kind: str, executable: str | None, trigger: str | None, is_early: bool
) -> None:
    release = OrderRelease("a", kind, executable, trigger)
    planted = replace(evidence(), releases=[release])
    assert violated_kinds(planted) == ({ViolationKind.WRONG} if is_early else set())


def test_a_stop_limit_that_was_released_once_waits_for_its_limit() -> None:
    first = OrderRelease("a", "stopLimit", "96", "97")
    again = OrderRelease("a", "stopLimit", "94", "95", is_limit=True)
    assert not violated_kinds(replace(evidence(), releases=[first]))
    assert violated_kinds(replace(evidence(), releases=[first, again])) == {ViolationKind.WRONG}


def test_a_release_by_the_terms_before_an_amendment_is_found() -> None:
    amended = OrderRelease("a", "limit", "104", "103", told_price="103")
    assert not violated_kinds(replace(evidence(), releases=[amended]))
    planted = amended._replace(told_price="104")
    assert violated_kinds(replace(evidence(), releases=[planted])) == {ViolationKind.WRONG}

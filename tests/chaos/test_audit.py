"""The audit catches what it is there for: in each test one witness tells another story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from backend.trials.chaos.audit import Cell, Facts, Row, Step, Swap, audit

SOL, USDC = "sol", "usdc"
GOOD = [
    Step("a", 1, "pending"),
    Step("b", 1, "pending"),
    Step("a", 2, "routing"),
    Step("b", 2, "routing"),
    Step("a", 3, "building"),
    Step("b", 3, "failed"),
    Step("a", 4, "submitted"),
    Step("a", 5, "confirmed"),
]
DONE = Row("a", Status.CONFIRMED, 5, "sig-a", SOL, USDC, 10, 990, is_leased=False)
FAILED = Row("b", Status.FAILED, 3, None, SOL, USDC, 10, None, is_leased=False)
SWAP = Swap("sig-a", SOL, USDC, 10, 990)


def life(order_id: str, steps: Sequence[Step] = GOOD) -> list[Step]:
    return [step for step in steps if step.order_id == order_id]


def facts() -> Facts:
    """Two orders, one confirmed and one failed, of which everybody tells the same."""
    return Facts(
        told={"key-a": frozenset({"a"}), "key-b": frozenset({"b"})},
        rows={"a": DONE, "b": FAILED},
        journal=GOOD,
        signed={"sig-a": "a"},
        swaps=[SWAP],
        followed={"a": life("a"), "b": life("b")},
        streams={"stream": GOOD},
        moved={SOL: -10, USDC: 990},
    )


def cells(what: Facts) -> set[Cell]:
    return {violation.cell for violation in audit(what)}


def test_one_story_told_by_all_is_good() -> None:
    assert audit(facts()) == []


def test_an_order_that_was_accepted_and_is_not_there_is_lost() -> None:
    told = {**facts().told, "key-c": frozenset({"c"})}
    assert cells(replace(facts(), told=told)) == {Cell.LOST}


def test_a_request_that_became_two_orders_is_doubled() -> None:
    told = {"key-a": frozenset({"a", "b"})}
    assert cells(replace(facts(), told=told)) == {Cell.DOUBLED}


def test_an_order_that_nobody_was_told_of_is_doubled() -> None:
    told = {"key-a": frozenset({"a"})}
    assert cells(replace(facts(), told=told)) == {Cell.DOUBLED}


def test_an_order_that_was_executed_twice_is_doubled() -> None:
    again = replace(SWAP, signature="sig-a-2")
    planted = replace(facts(), swaps=[SWAP, again], signed={"sig-a": "a", "sig-a-2": "a"})
    assert Cell.DOUBLED in cells(replace(planted, moved={SOL: -20, USDC: 1_980}))


def test_a_swap_of_no_order_is_doubled() -> None:
    planted = replace(facts(), swaps=[SWAP, replace(SWAP, signature="unknown")])
    assert cells(planted) == {Cell.DOUBLED}


@pytest.mark.parametrize("status", [status for status in Status if not status.is_end])
def test_an_order_that_has_not_ended_is_stuck(status: Status) -> None:
    rows = {"a": DONE, "b": replace(FAILED, status=status)}
    assert Cell.STUCK in cells(replace(facts(), rows=rows))


def test_a_lease_that_is_left_is_stuck() -> None:
    rows = {"a": DONE, "b": replace(FAILED, is_leased=True)}
    assert cells(replace(facts(), rows=rows)) == {Cell.STUCK}


@pytest.mark.parametrize(
    "told",
    [
        [step for step in life("a") if step.seq != 3],
        life("a")[:-1],
        [*life("a"), life("a")[-1]],
        [life("a")[1], life("a")[0], *life("a")[2:]],
        [*life("a")[:-1], Step("a", 5, "failed")],
        [],
    ],
    ids=["one is missing", "no end", "one comes twice", "out of order", "another end", "nothing"],
)
def test_a_follower_who_was_told_something_else_has_a_gap(told: list[Step]) -> None:
    followed = {**facts().followed, "a": told}
    assert cells(replace(facts(), followed=followed)) == {Cell.GAPS}


@pytest.mark.parametrize("told", [GOOD[1:], [*GOOD, GOOD[-1]], [GOOD[1], GOOD[0], *GOOD[2:]], []])
def test_a_stream_that_is_not_the_journal_has_a_gap(told: list[Step]) -> None:
    assert cells(replace(facts(), streams={"stream": told})) == {Cell.GAPS}


@pytest.mark.parametrize(
    "journal",
    [
        [step for step in GOOD if step != Step("a", 3, "building")],
        [*GOOD, Step("a", 6, "confirmed")],
        [*GOOD[:-1], Step("a", 5, "failed")],
        [*GOOD[:2], Step("a", 2, "failed"), *GOOD[3:]],
    ],
    ids=["a number is missing", "it goes on behind the end", "another end", "two ends"],
)
def test_a_journal_that_does_not_count_to_one_end_has_a_gap(journal: list[Step]) -> None:
    followed = {"a": life("a", journal), "b": life("b", journal)}
    planted = replace(facts(), journal=journal, streams={"stream": journal}, followed=followed)
    assert cells(planted) == {Cell.GAPS}


def test_a_confirmed_order_whose_swap_is_not_in_the_ledger_is_wrong() -> None:
    assert cells(replace(facts(), swaps=[], moved={})) == {Cell.WRONG}


@pytest.mark.parametrize(
    "swap",
    [
        replace(SWAP, amount_out=991),
        replace(SWAP, amount_in=11),
        replace(SWAP, mint_out=SOL),
        replace(SWAP, signature="sig-a-1"),
    ],
)
def test_a_confirmed_order_whose_swap_was_another_is_wrong(swap: Swap) -> None:
    planted = replace(facts(), swaps=[swap], signed={"sig-a": "a", "sig-a-1": "a"})
    assert cells(planted) == {Cell.WRONG}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.EXPIRED])
def test_an_order_that_was_executed_and_says_otherwise_is_wrong(status: Status) -> None:
    row = replace(DONE, status=status, amount_out=None)
    journal = [*GOOD[:-1], Step("a", 5, status)]
    planted = replace(facts(), rows={"a": row, "b": FAILED}, journal=journal)
    followed = {"a": life("a", journal), "b": life("b")}
    planted = replace(planted, streams={"stream": journal}, followed=followed)
    assert cells(planted) == {Cell.WRONG}


def test_a_wallet_that_has_moved_more_than_its_orders_say_is_wrong() -> None:
    moved = {SOL: -20, USDC: 990}
    assert cells(replace(facts(), moved=moved)) == {Cell.WRONG}

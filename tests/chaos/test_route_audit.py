"""The audit of routes: several swaps in one transaction are one execution, with what they leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from backend.trials.audit.evidence import parse_swaps
from backend.trials.audit.records import (
    Evidence,
    ExecutedSwap,
    OrderRow,
    OrderTransition,
    SwapLeg,
    ViolationKind,
)
from backend.trials.audit.rules import audit

SOL, USDC, JUP = "sol", "usdc", "jup"
JOURNAL = [
    OrderTransition("a", number, status)
    for number, status in enumerate(("pending", "routing", "building", "submitted", "confirmed"), 1)
]
ROW = OrderRow("a", Status.CONFIRMED, 5, "sig-a", SOL, USDC, 10, 990, is_leased=False)
SPLIT = ExecutedSwap(
    "sig-a",
    SOL,
    USDC,
    10,
    990,
    "two",
    (SwapLeg("one", SOL, USDC, 4, 390), SwapLeg("two", SOL, USDC, 6, 600)),
)
HOPS = ExecutedSwap(
    "sig-a",
    SOL,
    USDC,
    10,
    990,
    "two",
    (SwapLeg("one", SOL, JUP, 10, 55), SwapLeg("two", JUP, USDC, 50, 990)),
)


def evidence(swap: ExecutedSwap, changes: dict[str, int]) -> Evidence:
    return Evidence(
        accepted={"key-a": frozenset({"a"})},
        rows={"a": ROW},
        journal=JOURNAL,
        order_by_signature={"sig-a": "a"},
        swaps=[swap],
        balance_changes=changes,
    )


def violated_kinds(planted: Evidence) -> set[ViolationKind]:
    return {violation.kind for violation in audit(planted)}


@pytest.mark.parametrize(
    ("swap", "changes"),
    [(SPLIT, {SOL: -10, USDC: 990}), (HOPS, {SOL: -10, USDC: 990, JUP: 5})],
)
def test_a_route_is_one_execution(swap: ExecutedSwap, changes: dict[str, int]) -> None:
    assert audit(evidence(swap, changes)) == []


@pytest.mark.parametrize("change", [{"amount_in": 9}, {"amount_out": 991}, {"mint_out": JUP}])
def test_sums_that_are_not_the_orders_are_wrong(change: dict[str, object]) -> None:
    planted = replace(SPLIT, **change)  # type: ignore[arg-type]
    assert violated_kinds(evidence(planted, {SOL: -10, USDC: 990})) == {ViolationKind.WRONG}


def test_what_a_route_leaves_has_to_be_in_the_wallet() -> None:
    assert violated_kinds(evidence(HOPS, {SOL: -10, USDC: 990})) == {ViolationKind.WRONG}


def test_a_route_that_spends_what_it_had_not_bought_is_wrong() -> None:
    legs = (SwapLeg("one", SOL, JUP, 10, 55), SwapLeg("two", JUP, USDC, 60, 990))
    planted = evidence(replace(HOPS, legs=legs), {SOL: -10, USDC: 990, JUP: -5})
    assert violated_kinds(planted) == {ViolationKind.WRONG}


def test_two_transactions_of_one_order_are_doubled() -> None:
    planted = evidence(SPLIT, {})
    again = replace(planted, swaps=[SPLIT, SPLIT])
    assert ViolationKind.DOUBLED in violated_kinds(again)


def test_the_ledgers_entry_of_a_route_becomes_one_swap_with_legs() -> None:
    swaps = [
        {
            "pool": leg.pool,
            "mint_in": leg.mint_in,
            "mint_out": leg.mint_out,
            "amount_in": str(leg.amount_in),
            "amount_out": str(leg.amount_out),
        }
        for leg in SPLIT.legs
    ]
    entry = {
        "signature": "sig-a",
        "err": None,
        "pool": "two",
        "mint_in": SOL,
        "mint_out": USDC,
        "amount_in": "10",
        "amount_out": "990",
        "swaps": swaps,
    }
    assert parse_swaps([entry]) == [SPLIT]
    single = {**entry, "swaps": swaps[:1]}
    assert parse_swaps([single]) == [replace(SPLIT, legs=())]
    assert parse_swaps([{**entry, "err": {"InstructionError": [3, {"Custom": 1}]}}]) == []

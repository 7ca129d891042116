"""The audit catches slices that are placed twice or do not add up: each test plants one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from backend.trials.audit.records import (
    Evidence,
    ExecutedSwap,
    OrderRow,
    OrderTransition,
    SlicePlacing,
    ViolationKind,
)
from backend.trials.audit.rules import audit

SOL, USDC = "sol", "usdc"
PARENT = OrderRow("p", Status.CONFIRMED, 5, None, SOL, USDC, 10, None, False, is_sliced=True)
FIRST = OrderRow("a", Status.CONFIRMED, 5, "sig-a", SOL, USDC, 4, 400, False, parent_id="p")
SECOND = replace(FIRST, id="b", signature="sig-b", amount_in=6, amount_out=600)
PLACINGS = (SlicePlacing("p", 1, "a", 4), SlicePlacing("p", 2, "b", 6))
HAPPY_PATH = ("pending", "routing", "building", "submitted", "confirmed")
OPEN = replace(SECOND, status=Status.PENDING, seq=1)


def collect(
    rows: Sequence[OrderRow] = (PARENT, FIRST, SECOND),
    slices: Sequence[SlicePlacing] = PLACINGS,
) -> Evidence:
    """Evidence on an order of 10 that was executed in slices of 4 and 6."""
    paths = {"p": ("pending", *["waiting"] * 3)}
    journal = [
        OrderTransition(row.id, seq, status)
        for row in rows
        for seq, status in enumerate(
            (*paths.get(row.id, HAPPY_PATH)[: row.seq - 1], row.status.value), 1
        )
    ]
    swaps = [
        ExecutedSwap(row.signature, SOL, USDC, row.amount_in, row.amount_out or 0)
        for row in rows
        if row.status is Status.CONFIRMED and row.signature is not None
    ]
    return Evidence(
        accepted={"key": frozenset({"p"})},
        rows={row.id: row for row in rows},
        journal=journal,
        order_by_signature={"sig-a": "a", "sig-b": "b"},
        swaps=swaps,
        balance_changes={
            SOL: -sum(swap.amount_in for swap in swaps),
            USDC: sum(swap.amount_out for swap in swaps),
        },
        needs_amounts=True,
        slices=slices,
    )


def test_slices_that_add_up_are_good() -> None:
    assert audit(collect()) == []


def test_an_order_that_waits_for_its_slices_for_ever_is_stuck() -> None:
    waits = replace(PARENT, status=Status.WAITING, seq=4)
    [violation] = audit(collect([waits, FIRST], PLACINGS[:1]))
    assert violation.kind is ViolationKind.STUCK


@pytest.mark.parametrize(
    ("rows", "slices", "message"),
    [
        ([PARENT, FIRST, SECOND], [PLACINGS[0], *PLACINGS], "placed its slices as [1, 1, 2]"),
        ([PARENT, FIRST, SECOND], PLACINGS[:1], "has slice b, of which it did not tell"),
        ([PARENT, FIRST], PLACINGS, "told of slice b, which is not stored so"),
        ([PARENT, FIRST, replace(SECOND, amount_in=7)], PLACINGS, "has slices for 11"),
        ([PARENT, FIRST, replace(SECOND, mint_in="other")], PLACINGS, "of other tokens"),
        (
            [PARENT, FIRST, replace(SECOND, amount_in=5)],
            [PLACINGS[0], SlicePlacing("p", 2, "b", 5)],
            "of 10 is confirmed, and its slices filled 9",
        ),
        (
            [replace(PARENT, status=Status.FAILED), FIRST, SECOND],
            PLACINGS,
            "of 10 is failed, and its slices filled 10",
        ),
        ([PARENT, FIRST, OPEN], PLACINGS, "is confirmed, and slices of it are open"),
    ],
)
def test_slices_that_do_not_add_up_are_wrong(
    rows: Sequence[OrderRow], slices: Sequence[SlicePlacing], message: str
) -> None:
    found = audit(collect(rows, slices))
    wrong = [each.message for each in found if each.kind is ViolationKind.WRONG]
    assert any(message in each for each in wrong), found

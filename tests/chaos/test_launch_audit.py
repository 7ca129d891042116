"""The audit catches every sniper order that buys from a pool that fails a guard, or buys twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex
from backend.domain.waiting.guards import Guards
from backend.trials.audit.records import (
    Evidence,
    ExecutedSwap,
    LaunchedPoolTraits,
    OrderRelease,
    OrderRow,
    OrderTransition,
    ViolationKind,
)
from backend.trials.audit.rules import audit

SOL, NEW, POOL = "sol", "new", "pool"
STATUSES = ("pending", "waiting", "routing", "building", "submitted", "confirmed")
ROW = OrderRow("a", Status.CONFIRMED, 6, "sig-a", SOL, NEW, 10, 990, is_leased=False)
SWAP = ExecutedSwap("sig-a", SOL, NEW, 10, 990, POOL)
GUARDS = Guards(
    min_liquidity=100,
    mint_authority_revoked=True,
    freeze_authority_none=True,
    max_transfer_fee_bps=0,
    max_fee_bps=100,
    lp_locked_min_bps=9_000,
    dexes=frozenset({Dex.RAYDIUM}),
)
TRAITS = LaunchedPoolTraits(
    "raydium",
    fee_bps=100,
    locked_bps=9_000,
    reserve_in=100,
    has_mint_authority=False,
    has_freeze_authority=False,
    transfer_fee_bps=0,
)
EVIDENCE = Evidence(
    accepted={"key": frozenset({"a"})},
    rows={"a": ROW},
    journal=[OrderTransition("a", seq, status) for seq, status in enumerate(STATUSES, 1)],
    order_by_signature={"sig-a": "a"},
    swaps=[SWAP],
    balance_changes={SOL: -10},
    releases=[OrderRelease("a", "sniper", "99", None)],
    guards={"a": GUARDS},
    launched={POOL: TRAITS},
)


def test_an_order_that_bought_once_from_a_pool_that_passes_is_good() -> None:
    assert audit(EVIDENCE) == []
    assert audit(replace(EVIDENCE, launched={})) == []  # a pool that was there from the start


@pytest.mark.parametrize(
    ("trait", "words"),
    [
        ({"dex": "meteora"}, "is on meteora"),
        ({"fee_bps": 101}, "has a fee of 101 bps"),
        ({"locked_bps": 8_999}, "has a locked share of 8999"),
        ({"reserve_in": 99}, "has a reserve of 99"),
        ({"has_mint_authority": True}, "that can be minted"),
        ({"has_freeze_authority": True}, "that can be frozen"),
        ({"transfer_fee_bps": 1}, "has a transfer fee of 1 bps"),
    ],
)
def test_a_swap_in_a_pool_that_fails_a_guard_is_wrong(
    trait: Mapping[str, object], words: str
) -> None:
    planted = replace(EVIDENCE, launched={POOL: replace(TRAITS, **trait)})  # type: ignore[arg-type]
    [violation] = audit(planted)
    assert violation.kind is ViolationKind.WRONG
    assert words in violation.message
    assert audit(replace(planted, guards={"a": Guards()})) == []


def test_an_order_that_bought_twice_is_doubled() -> None:
    swaps = [SWAP, replace(SWAP, signature="sig-b")]
    planted = replace(EVIDENCE, swaps=swaps, order_by_signature={"sig-a": "a", "sig-b": "a"})
    assert {violation.kind for violation in audit(planted)} == {ViolationKind.DOUBLED}

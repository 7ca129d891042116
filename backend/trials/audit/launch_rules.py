"""The rule of the audit for orders that buy from a new pool: never from one that fails a guard.

That none buys twice is a rule of ``rules``, as for every order.
"""

from __future__ import annotations

from collections.abc import Iterator

from backend.domain.waiting.guards import Guards
from backend.trials.audit.records import (
    Evidence,
    LaunchedPoolTraits,
    Violation,
    ViolationKind,
)


def find_wrong_snipes(evidence: Evidence) -> Iterator[Violation]:
    """Find swaps of sniper orders in a pool whose traits, as the node made it, fail a guard."""
    for order_id, guards in evidence.guards.items():
        for swap in evidence.swaps_by_order.get(order_id, ()):
            for pool in swap.pools:
                launched = evidence.launched.get(pool)
                if launched is None:  # a pool that was there from the start
                    continue
                for reason in find_guard_failures(guards, launched):
                    message = f"order {order_id} bought from {pool}, which {reason}"
                    yield Violation(ViolationKind.WRONG, message)


def find_guard_failures(guards: Guards, pool: LaunchedPoolTraits) -> Iterator[str]:
    """Say which guards a pool fails, of those that ask about what it was launched with."""
    if guards.dexes is not None and pool.dex not in guards.dexes:
        yield f"is on {pool.dex}"
    if guards.mint_authority_revoked and pool.has_mint_authority:
        yield "has a token that can be minted"
    if guards.freeze_authority_none and pool.has_freeze_authority:
        yield "has a token that can be frozen"
    caps = (
        (guards.max_fee_bps, pool.fee_bps, "fee"),
        (guards.max_transfer_fee_bps, pool.transfer_fee_bps, "transfer fee"),
    )
    for cap, bps, name in caps:
        if cap is not None and bps > cap:
            yield f"has a {name} of {bps} bps"
    floors = (
        (guards.lp_locked_min_bps, pool.locked_bps, "locked share"),
        (guards.min_liquidity, pool.reserve_in, "reserve"),
    )
    for least, has, name in floors:
        if least is not None and has < least:
            yield f"has a {name} of {has}"

"""Splits that follow each other: each takes what the one before it ensures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from solders.pubkey import Pubkey

from backend.domain.amounts import compute_min_out
from backend.routing.hops.hop_splits import HopSplits, HopTerms, list_hop_splits
from backend.routing.splits.pool_curves import PoolCurves
from backend.venues import CPMM
from backend.venues.venue import Pool
from tests.pools import NOW, SOL, USDC

BONK, JUP = Pubkey(bytes([9] * 32)), Pubkey(bytes([8] * 32))
AMOUNT = 10**10
TERMS = HopTerms(AMOUNT, slippage_bps=25, legs_max=4)


def make_pool(mint: Pubkey, other: Pubkey, depth: int, price: float, number: int = 1) -> Pool:
    pool = CPMM.create_pool(mint, other, depth, int(depth * price), fee_e9=2_500_000)
    return replace(pool.with_clock(NOW), address=Pubkey(bytes([number] * 32)))


FIRST = PoolCurves([make_pool(BONK, SOL, 10**13, 0.2), make_pool(BONK, SOL, 10**12, 0.2, 2)], BONK)
SECOND = PoolCurves(
    [make_pool(SOL, USDC, 10**12, 0.15, 3), make_pool(SOL, USDC, 10**12, 0.15, 4)], SOL
)
THIRD = PoolCurves([make_pool(USDC, JUP, 10**12, 2, 5)], USDC)


def find_best(hops: Sequence[PoolCurves], terms: HopTerms) -> HopSplits | None:
    found = list(list_hop_splits(hops, terms))
    return max(found, key=lambda each: each.compute_value(terms.leg_cost), default=None)


def test_each_hop_takes_what_the_one_before_it_ensures() -> None:
    for hops in ((FIRST, SECOND), (FIRST, SECOND, THIRD)):
        route = find_best(hops, TERMS)
        assert route is not None
        assert route.legs <= 4
        assert route.splits[0].amount_in == AMOUNT
        for split, following in zip(route.splits, route.splits[1:], strict=False):
            outs = [part.quote.amount_out for part in split.parts]
            assert following.amount_in == sum(compute_min_out(out, 25) for out in outs)
            assert 0 < split.amount_out - following.amount_in <= split.amount_out * 26 // 10_000
        assert route.amount_out == route.splits[-1].amount_out


def test_without_tolerance_nothing_is_left_between_the_hops() -> None:
    route = find_best((FIRST, SECOND), TERMS._replace(slippage_bps=0))
    assert route is not None
    assert route.splits[1].amount_in == route.splits[0].amount_out


def test_all_hops_share_the_legs() -> None:
    best = 0
    for legs_max in (2, 3, 4):
        route = find_best((FIRST, SECOND), TERMS._replace(legs_max=legs_max))
        assert route is not None
        assert route.legs == legs_max
        assert route.amount_out > best
        best = route.amount_out


def test_no_arrangement_of_legs_is_better() -> None:
    route = find_best((FIRST, SECOND), TERMS._replace(legs_max=3))
    assert route is not None
    for legs in ((1, 2), (2, 1)):
        one = FIRST.split(AMOUNT, legs_max=legs[0])
        assert one is not None
        ensured = sum(compute_min_out(part.quote.amount_out, 25) for part in one.parts)
        other = SECOND.split(ensured, legs_max=legs[1])
        assert other is not None
        assert other.amount_out <= route.amount_out


def test_legs_that_cost_more_than_they_bring_are_left_out() -> None:
    route = find_best((FIRST, SECOND), TERMS._replace(leg_cost=10**8))
    assert route is not None
    assert route.legs == 2


def test_there_is_no_route_without_a_pool_and_a_leg_for_each_hop() -> None:
    assert find_best((PoolCurves([], BONK), SECOND), TERMS) is None
    assert find_best((FIRST, PoolCurves([], SOL)), TERMS) is None
    assert find_best((FIRST, SECOND), TERMS._replace(legs_max=1)) is None
    assert find_best((FIRST, SECOND), TERMS._replace(max_price_impact_bps=1)) is None

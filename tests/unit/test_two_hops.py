"""Routes of two hops: each a split, the second of what the first ensures."""

from __future__ import annotations

from dataclasses import replace

from solders.pubkey import Pubkey

from backend.domain.amounts import compute_min_out
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splits.two_hops import HopTerms, find_two_hops
from backend.venues import CPMM
from backend.venues.venue import Pool
from tests.pools import NOW, SOL, USDC

BONK = Pubkey(bytes([9] * 32))
AMOUNT = 10**10
TERMS = HopTerms(AMOUNT, slippage_bps=50, legs_max=4)


def make_pool(mint: Pubkey, other: Pubkey, depth: int, price: float, number: int = 1) -> Pool:
    pool = CPMM.create_pool(mint, other, depth, int(depth * price), fee_e9=2_500_000)
    return replace(pool.with_clock(NOW), address=Pubkey(bytes([number] * 32)))


FIRST = [make_pool(BONK, SOL, 10**13, 0.2), make_pool(BONK, SOL, 10**12, 0.2, 2)]
SECOND = [make_pool(SOL, USDC, 10**12, 0.15, 3), make_pool(SOL, USDC, 10**12, 0.15, 4)]


def curves(pools: list[Pool], mint_in: Pubkey) -> PoolCurves:
    return PoolCurves(pools, mint_in)


def test_the_second_hop_spends_what_the_first_ensures() -> None:
    route = find_two_hops(curves(FIRST, BONK), curves(SECOND, SOL), TERMS)
    assert route is not None
    outs = [part.quote.amount_out for part in route.first.parts]
    assert route.first.amount_in == AMOUNT
    assert route.second.amount_in == sum(compute_min_out(out, 50) for out in outs)
    assert route.residual == route.first.amount_out - route.second.amount_in > 0
    assert route.residual <= route.first.amount_out * 51 // 10_000 + 1
    assert route.legs == len(route.first.parts) + len(route.second.parts) <= 4


def test_both_hops_share_the_legs() -> None:
    best = 0
    for legs_max in (2, 3, 4):
        route = find_two_hops(
            curves(FIRST, BONK), curves(SECOND, SOL), TERMS._replace(legs_max=legs_max)
        )
        assert route is not None
        assert route.legs == legs_max
        assert route.amount_out > best
        best = route.amount_out


def test_no_arrangement_of_legs_is_better() -> None:
    route = find_two_hops(curves(FIRST, BONK), curves(SECOND, SOL), TERMS._replace(legs_max=3))
    assert route is not None
    for legs in ((1, 2), (2, 1)):
        one = curves(FIRST, BONK).split(AMOUNT, legs_max=legs[0])
        assert one is not None
        ensured = sum(compute_min_out(part.quote.amount_out, 50) for part in one.parts)
        other = curves(SECOND, SOL).split(ensured, legs_max=legs[1])
        assert other is not None
        assert other.amount_out <= route.amount_out


def test_legs_that_cost_more_than_they_bring_are_left_out() -> None:
    terms = TERMS._replace(leg_cost=10**8)
    route = find_two_hops(curves(FIRST, BONK), curves(SECOND, SOL), terms)
    assert route is not None
    assert route.legs == 2


def test_there_is_no_route_without_a_pool_for_each_hop() -> None:
    assert find_two_hops(curves([], BONK), curves(SECOND, SOL), TERMS) is None
    assert find_two_hops(curves(FIRST, BONK), curves([], SOL), TERMS) is None
    one_leg = TERMS._replace(legs_max=1)
    assert find_two_hops(curves(FIRST, BONK), curves(SECOND, SOL), one_leg) is None
    capped = TERMS._replace(max_price_impact_bps=1)
    assert find_two_hops(curves(FIRST, BONK), curves(SECOND, SOL), capped) is None

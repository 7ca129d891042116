"""Routes of several legs: what they pay and enforce, how they are shown, when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from solders.hash import Hash
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.messages import WIRE_BYTES_MAX
from backend.chain.rpc.results import Blockhash
from backend.chain.transactions import SwapLeg, SwapParameters, build_swap, measure_swap
from backend.chain.unit_prices import UnitPrices
from backend.domain.errors import Rejected
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.quotes import Dex, Quote
from backend.domain.route_constraints import LEGS_MAX, RouteConstraints
from backend.domain.tokens import SOL, USDC
from backend.routing.offers import Offers
from backend.routing.route import split_minimum
from backend.routing.splitter import Splitter
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM
from backend.venues.hosting import HostedPool
from backend.venues.spl import Clock

MINTS = Pubkey.from_string(SOL.mint), Pubkey.from_string(USDC.mint)
ONE_SOL = 10**9
ALL = ("cpmm", "damm_v2", "amm_v4", "clmm", "dlmm")
RESERVES = 1_000 * ONE_SOL, 1_000 * 100 * 10**6
OWNER = Pubkey(bytes([3] * 32))


def make_pools(venues: Sequence[str] = ("cpmm", "damm_v2")) -> list[HostedPool]:
    """Pools of 1,000 SOL at 100 USDC each, open since long ago."""
    fees = {"cpmm": 3_000_000, "damm_v2": 3_000_000, "amm_v4": 3_000_000, "clmm": 3_000_000}
    pools = [
        venue.create_pool(*MINTS, *RESERVES, fee_e9=fees.get(venue.name, 3_000_000))
        for venue in (CPMM, DAMM_V2, AMM_V4, CLMM, DLMM)
        if venue.name in venues
    ]
    return [pool.with_clock(Clock(unix_time=1_790_000_000)) for pool in pools]


def make_terms(amount_in: int = 100 * ONE_SOL, **changes: object) -> OrderTerms:
    terms = OrderTerms(OrderType.MARKET, SOL, USDC, amount_in, None, 50)
    return replace(terms, **changes)  # type: ignore[arg-type]


def make_offers(
    terms: OrderTerms, pools: Sequence[HostedPool], *, legs_max: int = LEGS_MAX
) -> Offers:
    quotes: list[Quote] = []
    quoted: list[HostedPool] = []
    for pool in pools:
        try:
            quotes.append(pool.quote(MINTS[0], terms.amount_in))
            quoted.append(pool)
        except Rejected:
            continue
    splitter = Splitter(legs_max=legs_max, prices=UnitPrices(1_000))
    return Offers(terms, tuple(quotes), tuple(quoted), (), tuple(pools), 0, splitter)


def test_equal_pools_share_an_order_and_pay_more_than_one_of_them() -> None:
    pools, terms = make_pools(), make_terms()
    offers = make_offers(terms, pools)
    route = offers.choose_route()
    assert len(route.legs) == 2
    assert sum(leg.quote.amount_in for leg in route.legs) == terms.amount_in
    assert all(leg.quote == leg.pool.quote(MINTS[0], leg.quote.amount_in) for leg in route.legs)
    assert route.amount_out > max(quote.amount_out for quote in offers.quotes)
    assert sum(leg.min_amount_out for leg in route.legs) == route.min_amount_out
    assert route.min_amount_out == route.amount_out * 9_950 // 10_000


def test_a_route_of_several_legs_is_shown_with_each_of_them() -> None:
    terms = make_terms()
    shown = make_offers(terms, make_pools()).choose_route().to_json(terms)
    assert {leg["dex"] for leg in shown["legs"]} == {"raydium", "meteora"}
    main = max(shown["legs"], key=lambda leg: float(leg["amountOut"]))
    assert [shown[name] for name in ("dex", "program", "pool")] == [
        main[name] for name in ("dex", "program", "pool")
    ]
    assert sum(float(leg["share"]) for leg in shown["legs"]) == pytest.approx(1)
    assert sum(float(leg["amountIn"]) for leg in shown["legs"]) == 100
    # Half of the amount in each pool has half of the impact: of about 9 %, about 4.5 % remain.
    assert 400 < float(shown["improvementBps"]) < 600
    assert 0 < float(shown["priceImpact"]) < 0.06
    assert len(shown["quotes"]) == 2


def test_a_small_order_takes_one_pool_and_shows_no_legs() -> None:
    pools = make_pools()
    pools[1] = pools[1].with_price(MINTS[0], 101 * 10**6, ONE_SOL)
    terms = make_terms(ONE_SOL)
    route = make_offers(terms, pools).choose_route()
    assert [leg.pool for leg in route.legs] == [pools[1]]
    shown = route.to_json(terms)
    assert "legs" not in shown
    assert (shown["dex"], shown["program"]) == (Dex.METEORA, "damm_v2")
    assert shown["pool"] == str(pools[1].address)


def test_an_order_above_the_impact_cap_of_each_pool_is_split_within_it() -> None:
    terms = make_terms(60 * ONE_SOL, max_price_impact_bps=400)
    pools = make_pools()
    with pytest.raises(Rejected, match="price_impact_too_high"):
        make_offers(terms, pools, legs_max=1).choose_route()
    route = make_offers(terms, pools).choose_route()
    assert len(route.legs) == 2
    assert all(leg.quote.is_within_impact(400) for leg in route.legs)
    assert route.to_json(terms)["improvementBps"] is None


def test_a_minimum_that_only_the_legs_together_meet_is_met() -> None:
    pools = make_pools()
    best = max(pool.quote(MINTS[0], 100 * ONE_SOL).amount_out for pool in pools)
    terms = make_terms(min_amount_out=best + 1)
    with pytest.raises(Rejected, match="min_out_not_met"):
        make_offers(terms, pools, legs_max=1).choose_route()
    route = make_offers(terms, pools).choose_route()
    assert len(route.legs) == 2
    assert sum(leg.min_amount_out for leg in route.legs) == route.min_amount_out >= best + 1


@pytest.mark.parametrize("max_legs", [1, 2])
def test_no_more_legs_are_used_than_asked_for(max_legs: int) -> None:
    pools = make_pools()
    terms = make_terms(constraints=RouteConstraints(max_legs=max_legs))
    assert len(make_offers(terms, pools).choose_route().legs) == max_legs


@pytest.mark.parametrize("venues", [ALL, ("clmm", "cpmm", "amm_v4"), ("damm_v2", "amm_v4")])
def test_a_route_always_fits_a_transaction(venues: Sequence[str]) -> None:
    pools = make_pools(venues)
    terms = make_terms(400 * ONE_SOL)
    route = make_offers(terms, pools).choose_route()
    assert len(route.legs) >= 2
    swap = SwapParameters(
        [SwapLeg(leg.pool, leg.quote.amount_in, leg.min_amount_out) for leg in route.legs],
        *MINTS,
        "0" * 32,
    )
    transaction = build_swap(swap, OWNER, Blockhash(Hash.default(), 100, 1), ComputeBudget())
    assert len(transaction.wire) <= WIRE_BYTES_MAX
    assert len(transaction.wire) == measure_swap(swap.legs, *MINTS)


@pytest.mark.parametrize("seed", range(20))
def test_the_minimum_is_divided_to_the_base_unit(seed: int) -> None:
    random = Random(seed)
    for _ in range(200):
        amounts = [random.randrange(1, 10 ** random.randrange(1, 12)) for _ in range(4)]
        quotes = [Quote(Dex.RAYDIUM, "cpmm", "pool", 1, each, 0, 0, 1) for each in amounts]
        minimum = random.randrange(len(amounts), sum(amounts) + 1)
        minimums = split_minimum(quotes, minimum)
        assert sum(minimums) == minimum
        assert all(1 <= least <= each for least, each in zip(minimums, amounts, strict=True))

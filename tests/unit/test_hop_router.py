"""Routes through other tokens: when they are looked for, what they pay, enforce and leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import Token, parse_amount
from backend.domain.errors import Rejected, Unavailable
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import JUP, RAY, SOL, USDC, USDT
from backend.routing.hops.hop_router import HopPreferences
from backend.routing.route import Route
from backend.routing.router import Router
from backend.venues import AMM_V4, CPMM, DAMM_V2
from backend.venues.hosting import HostedPool, HostedVenue
from tests.unit.pool_registries import MemoryNode, make_silent, run_registry

PRICES = {SOL: 100, JUP: 1, RAY: 2, USDC: 1, USDT: 1}
DEPTH_USD = 1_000_000
PREFERENCES = HopPreferences([SOL, USDC, USDT], hops_max=2, impact_min_bps=50)
TERMS = OrderTerms(OrderType.MARKET, JUP, RAY, 10_000 * 10**6, None, 50)


def make_pool(
    one: Token,
    other: Token,
    *,
    venue: HostedVenue = CPMM,
    depth_usd: int = DEPTH_USD,
    address: Pubkey | None = None,
) -> HostedPool:
    """A pool of two tokens, each side of which is worth so much."""
    mint, other_mint = Pubkey.from_string(one.mint), Pubkey.from_string(other.mint)
    reserves = [depth_usd * 10**each.decimals // PRICES[each] for each in (one, other)]
    return venue.create_pool(
        mint, other_mint, reserves[0], reserves[1], fee_e9=2_500_000, address=address
    )


HOPS = [make_pool(JUP, SOL), make_pool(SOL, RAY, venue=DAMM_V2)]


@asynccontextmanager
async def run_router(
    pools: Sequence[HostedPool], preferences: HopPreferences = PREFERENCES
) -> AsyncIterator[Router]:
    async with run_registry(MemoryNode(list(pools)), hops=preferences) as (_, router):
        yield router


async def route_with(
    router: Router, terms: OrderTerms, is_expected: Callable[[Route], bool] = bool
) -> Route:
    """The route of an order, as soon as the pools are known that make it what is expected."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Unavailable, Rejected):
                route = await router.route(terms)
                if is_expected(route):
                    return route
            await asyncio.sleep(0)


def ask(**constraints: object) -> RouteConstraints:
    return RouteConstraints(**constraints)  # type: ignore[arg-type]


async def test_a_pair_without_a_pool_is_traded_through_another_token() -> None:
    async with run_router(HOPS) as router:
        route = await router.route(TERMS)
    first, second = route.legs
    assert (first.token_in, first.token_out) == (JUP, SOL)
    assert (second.token_in, second.token_out) == (SOL, RAY)
    assert first.quote.amount_in == TERMS.amount_in
    assert first.quote == first.pool.quote(Pubkey.from_string(JUP.mint), TERMS.amount_in)
    assert second.quote.amount_in == first.min_amount_out < first.quote.amount_out
    assert route.min_amount_out == second.min_amount_out
    assert route.min_amount_out == route.amount_out * 9_950 // 10_000
    assert (route.quote, route.pool) == (second.quote, second.pool)


async def test_a_route_through_another_token_shows_its_legs_and_what_they_leave() -> None:
    async with run_router(HOPS) as router:
        shown = (await router.route(TERMS)).to_json(TERMS)
    assert [(leg["tokenIn"], leg["tokenOut"]) for leg in shown["legs"]] == [
        ("JUP", "SOL"),
        ("SOL", "RAY"),
    ]
    assert [leg["share"] for leg in shown["legs"]] == ["1", "1"]
    assert (shown["dex"], shown["program"]) == ("meteora", "damm_v2")
    bought, spent = shown["legs"][0]["amountOut"], shown["legs"][1]["amountIn"]
    assert shown["residuals"] == [
        {"token": "SOL", "amount": str(Decimal(bought) - Decimal(spent)).rstrip("0")}
    ]
    assert shown["expectedAmountOut"] == shown["legs"][1]["amountOut"]
    assert shown["improvementBps"] is None
    assert {fee["token"] for fee in shown["venueFees"]} <= {"JUP", "SOL", "RAY"}
    impacts = [1 - Decimal(leg["priceImpact"]) for leg in shown["legs"]]
    assert Decimal(shown["priceImpact"]) == pytest.approx(1 - impacts[0] * impacts[1])
    assert shown["quotes"] == []


async def test_each_hop_is_split_as_far_as_the_transaction_has_room() -> None:
    light = [make_pool(*pair, venue=AMM_V4) for pair in ((JUP, SOL), (SOL, RAY))]
    light.append(make_pool(JUP, SOL, venue=AMM_V4, address=Pubkey(bytes([6] * 32))))
    terms = replace(TERMS, amount_in=100_000 * 10**6)
    async with run_router(light) as router:
        route = await route_with(router, terms, lambda each: len(each.legs) > 2)
    assert [len(hop.legs) for hop in route.hops] == [2, 1]
    ensured = sum(leg.min_amount_out for leg in route.hops[0].legs)
    assert route.hops[1].amount_in == ensured
    for hop in route.hops:
        shown = [
            leg for leg in route.to_json(terms)["legs"] if leg["tokenIn"] == hop.token_in.symbol
        ]
        assert sum(Decimal(leg["share"]) for leg in shown) == pytest.approx(1)


async def test_legs_are_dropped_until_the_transaction_has_room() -> None:
    pools = [*HOPS, make_pool(JUP, SOL, venue=DAMM_V2), make_pool(SOL, RAY)]
    async with run_router(pools) as router:
        route = await router.route(replace(TERMS, amount_in=100_000 * 10**6))
    assert len(route.legs) == 2


async def test_a_small_order_is_swapped_in_the_pools_of_its_pair_unless_it_asks() -> None:
    worse = make_pool(JUP, RAY, venue=AMM_V4).with_price(Pubkey.from_string(JUP.mint), 45, 100)
    async with run_router([*HOPS, worse]) as router:
        await router.route(TERMS)
        small = replace(TERMS, amount_in=100 * 10**6)
        while not (direct := await router.route(small)).quotes:
            pass  # its pool is not found yet
        assert [leg.pool.address for leg in direct.legs] == [worse.address]
        asked = await router.route(replace(small, constraints=ask(max_hops=2)))
        assert len(asked.hops) == 2
        assert asked.amount_out > direct.amount_out
        assert asked.quotes == direct.quotes
        assert Decimal(asked.to_json(small)["improvementBps"]) > 500
        large = await router.route(TERMS)  # its price impact is above the setting
        assert len(large.hops) == 2


async def test_a_worse_way_round_is_not_taken() -> None:
    async with run_router([*HOPS, make_pool(JUP, RAY)]) as router:
        route = await router.route(replace(TERMS, constraints=ask(max_hops=2)))
    assert len(route.hops) == 1


@pytest.mark.parametrize("constraints", [{"max_hops": 1}, {"max_legs": 1}, {"dexes": ("raydium",)}])
async def test_a_way_that_the_order_does_not_allow_is_not_taken(
    constraints: dict[str, object],
) -> None:
    async with run_router(HOPS) as router:
        with pytest.raises(Rejected, match="no_pool"):
            await router.route(replace(TERMS, constraints=ask(**constraints)))


async def test_pools_that_are_named_may_be_those_of_hops() -> None:
    addresses = tuple(str(pool.address) for pool in HOPS)
    pools = [*HOPS, make_pool(JUP, SOL, venue=DAMM_V2), make_pool(JUP, RAY)]
    async with run_router(pools) as router:
        route = await route_with(router, replace(TERMS, constraints=ask(pools=addresses)))
        assert [leg.quote.pool for leg in route.legs] == list(addresses)
        with pytest.raises(Rejected, match="no_pool"):
            await router.route(replace(TERMS, constraints=ask(pools=addresses[:1])))


async def test_the_cap_of_the_price_impact_holds_for_all_hops_together() -> None:
    async with run_router(HOPS) as router:
        impact = (await router.route(TERMS)).price_impact_e9
        cap_bps = impact // 100_000
        assert all(leg.quote.is_within_impact(cap_bps) for leg in (await router.route(TERMS)).legs)
        with pytest.raises(Rejected):
            await router.route(replace(TERMS, max_price_impact_bps=cap_bps))
        route = await router.route(replace(TERMS, max_price_impact_bps=cap_bps + 1))
        assert route.price_impact_e9 == impact


async def test_a_minimum_that_only_another_way_pays_is_met() -> None:
    shallow = make_pool(JUP, RAY, depth_usd=20_000)
    async with run_router([*HOPS, shallow]) as router:
        best = await router.route(TERMS)
        minimum = best.amount_out - 1
        route = await router.route(replace(TERMS, min_amount_out=minimum))
        assert route.min_amount_out == minimum
        assert sum(leg.min_amount_out for leg in route.hops[-1].legs) == minimum
        with pytest.raises(Rejected, match="min_out_not_met"):
            await router.route(replace(TERMS, min_amount_out=best.amount_out + 1))


async def test_as_many_hops_as_the_setting_allows() -> None:
    pools = [make_pool(JUP, SOL), make_pool(SOL, USDC), make_pool(USDC, RAY)]
    async with run_router(pools) as router:
        with pytest.raises(Rejected, match="no_pool"):
            await router.route(TERMS)
    preferences = replace(PREFERENCES, hops_max=3)
    async with run_router(pools, preferences) as router:
        with pytest.raises(Rejected, match="no_pool"):
            await router.route(TERMS)  # three swaps of CPMM have no room in a transaction
    light = [make_pool(*pair, venue=AMM_V4) for pair in ((JUP, SOL), (SOL, USDC), (USDC, RAY))]
    async with run_router(light, preferences) as router:
        route = await route_with(router, TERMS)
        assert [hop.token_out for hop in route.hops] == [SOL, USDC, RAY]
        assert [token for token, _ in route.residuals] == [SOL, USDC]


def test_the_sample_amounts_are_what_they_say() -> None:
    assert TERMS.amount_in == parse_amount("10000", JUP.decimals)


@pytest.mark.looptime
async def test_a_way_round_is_quoted_while_the_pools_of_the_pair_are_not_known() -> None:
    node = make_silent(*HOPS)
    async with run_registry(node, hops=PREFERENCES) as (registry, router):
        route = await router.route(TERMS)
        assert len(route.hops) == 2
        assert not registry.is_settled(*(Pubkey.from_string(t.mint) for t in (JUP, RAY)))

"""What is measured of routes: what swaps are worth, and the price that routes are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.limits.measures import format_number
from backend.domain.limits.order_limits import LimitName
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.tokens import BONK, JUP, SOL, USDC
from backend.execution.trading.route_measurer import RouteMeasurer, compute_value
from backend.routing.pair_read import PairRead, ReadPool
from backend.routing.prices.reference_prices import find_reference_price
from backend.routing.route import Route
from backend.store.limits.known_limits import KnownLimits
from backend.venues import CPMM, DAMM_V2
from backend.venues.venue import Pool
from tests.unit.test_price_sampler import make_pool

NEAR = Fraction(1, 10_000)


def build_terms(token_in: Token, token_out: Token, amount_in: int) -> OrderTerms:
    return OrderTerms(OrderType.MARKET, token_in, token_out, amount_in, None, 50)


def build_route(pool: Pool, terms: OrderTerms) -> Route:
    quote = pool.quote(Pubkey.from_string(terms.token_in.mint), terms.amount_in)
    return Route.of_pool(terms, (pool, quote), [quote], [], 1)


@pytest.mark.parametrize(
    ("prices", "median"),
    [([100], 100), ([100, 102], 101), ([99, 100, 100_000], 100), ([1, 100, 101, 5_000], 100.5)],
)
def test_the_reference_price_is_the_median_of_the_pools_without_fee_and_impact(
    prices: list[int], median: float
) -> None:
    pools: list[Pool] = [
        make_pool(SOL, USDC, price, 1, is_damm=bool(price % 2)) for price in prices
    ]
    unit = Fraction(10**USDC.decimals, 10**SOL.decimals)
    sold = find_reference_price(pools, SOL, USDC)
    bought = find_reference_price(pools, USDC, SOL)
    assert sold is not None
    assert bought is not None
    assert sold[1] == bought[1] == len(prices)
    assert abs(sold[0] / unit / Fraction(median) - 1) < NEAR
    if len(prices) % 2:
        assert abs(bought[0] * unit * Fraction(median) - 1) < NEAR
    assert find_reference_price([], SOL, USDC) is None


async def test_a_route_is_compared_with_all_pools_of_its_pair_whichever_it_uses() -> None:
    pools = [make_pool(SOL, USDC, price, 1) for price in (90, 100, 101)]
    asked: list[Sequence[tuple[Token, Token]]] = []

    async def read_pools(pairs: Sequence[tuple[Token, Token]]) -> list[PairRead]:
        asked.append(pairs)
        return [PairRead([ReadPool(CPMM, each) for each in pools], (), True) for _ in pairs]

    measurer = RouteMeasurer(KnownLimits(), read_pools, age_max_s=0.25)
    terms = build_terms(SOL, USDC, 10**9)
    measure = await measurer.measure(terms, build_route(pools[0], terms))
    assert asked == [[(SOL, USDC)]]
    assert measure.reference is not None
    assert measure.reference.pools == 3
    assert 250 <= measure.reference.age_ms_max < 10_000
    # A tenth less, and a fee of a quarter of a percent of what is left.
    assert abs(measure.reference.distance_bps - Decimal("1022.5")) < 1
    assert measure.value == build_route(pools[0], terms).amount_out


async def test_a_swap_of_two_other_tokens_is_worth_what_the_best_pool_pays() -> None:
    jups = [make_pool(JUP, USDC, 2, 1), make_pool(JUP, USDC, 3, 1, is_damm=True)]

    async def read_pools(pairs: Sequence[tuple[Token, Token]]) -> list[PairRead]:
        known = {(JUP, USDC): jups}
        read = [[ReadPool(DAMM_V2, pool) for pool in known.get(pair, [])] for pair in pairs]
        return [PairRead(each, (), True) for each in read]

    terms = build_terms(BONK, JUP, 10**7)
    route = build_route(make_pool(BONK, JUP, 1, 1), terms)
    assert compute_value(terms, route, USDC) is None
    measure = await RouteMeasurer(KnownLimits(), read_pools).measure(terms, route)
    assert measure.value is not None
    assert abs(measure.value / (3 * route.amount_out) - 1) < 0.01
    assert measure.reference is None


def test_what_nobody_asks_for_is_not_measured() -> None:
    assert not RouteMeasurer().is_wanted
    limits = KnownLimits()
    assert limits.has(LimitName.REFERENCE_DISTANCE)  # it has not been read yet
    assert limits.is_limited("anyone")


@pytest.mark.parametrize(
    ("number", "shown"),
    [("5.0001", "5.01"), ("5", "5"), ("100", "100"), ("-0.001", "0"), ("1e60", "1.000E+60")],
)
def test_a_number_is_shown_as_more_than_what_it_exceeds(number: str, shown: str) -> None:
    assert format_number(Decimal(number)) == shown

"""Markets with pools of several curves: bounds that hold, and what trailing stops follow."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import EngineError
from backend.domain.prices import PriceRatio
from backend.triggers.pool_market import HIGHEST_PRICE, PoolMarket
from backend.triggers.size_classes import find_size_class
from backend.venues import CLMM, CPMM, DLMM
from backend.venues.hosting import HostedPool, HostedVenue
from backend.venues.spl import Clock
from tests.pools import SOL, USDC
from tests.strategies import magnitudes, pools

OPEN = Clock(slot=1, unix_time=1_790_000_000)
ARRAY_VENUES: tuple[HostedVenue, ...] = (CLMM, DLMM)
depths = magnitudes(10**9, 10**14)


@st.composite
def array_pools(draw: st.DrawFn) -> HostedPool:
    """Pools of several curves, after some swaps."""
    venue = draw(st.sampled_from(ARRAY_VENUES))
    depth, price = draw(depths), draw(st.integers(50, 150))
    try:
        pool = venue.create_pool(SOL, USDC, depth, depth * price // 1_000, fee_e9=2_500_000)
    except ValueError:
        assume(False)
    pool = pool.with_clock(OPEN)
    for mint, share in draw(st.lists(st.tuples(st.sampled_from([SOL, USDC]), st.integers(1, 40)))):
        try:
            pool = pool.after_swap(mint, max(depth * share // 1_000, 1))[1]
        except EngineError:
            continue
    return pool


@settings(max_examples=150, deadline=None)
@given(
    st.lists(array_pools(), min_size=1, max_size=2),
    st.lists(pools(), max_size=1),
    magnitudes(1_000, 10**13),
    st.sampled_from([0, 5]),
    st.permutations([SOL, USDC]),
)
def test_the_bounds_hold_where_pools_have_several_curves(
    several: list[HostedPool],
    single: list[HostedPool],
    amount: int,
    bits: int,
    mints: list[Pubkey],
) -> None:
    low, high = find_size_class(amount, bits)
    market = PoolMarket(mints[0], mints[1], [*several, *single], 1)
    quote = market.quote(amount)
    if quote is not None:
        price = PriceRatio(quote.amount_out, quote.amount_in)
        assert price <= market.find_ceiling(low, high)
        assert price >= market.find_floor(low, high)


def make_pool(venue: HostedVenue) -> HostedPool:
    return venue.create_pool(SOL, USDC, 10**12, 10**11, fee_e9=2_500_000).with_clock(OPEN)


def test_a_pool_of_several_curves_has_a_ceiling() -> None:
    market = PoolMarket(SOL, USDC, [make_pool(CLMM)], 1)
    assert market.find_ceiling(1, 10**9) < HIGHEST_PRICE


def test_trailing_stops_follow_the_pools_of_one_curve() -> None:
    single, several = make_pool(CPMM), make_pool(DLMM)
    market = PoolMarket(SOL, USDC, [several, single], 1)
    assert market.list_peak_pools() is None
    assert market.select_followed().pools == [single]
    assert market.select_followed() is market.select_followed()
    assert PoolMarket(SOL, USDC, [single], 1).select_followed().pools == [single]
    only = PoolMarket(SOL, USDC, [several], 1)
    assert only.select_followed() is only


@pytest.mark.parametrize("venue", [CLMM, DLMM], ids=lambda venue: venue.name)
def test_what_nobody_has_read_is_no_offer(venue: HostedVenue) -> None:
    pool = make_pool(venue)
    arrays = set(venue.guess_accounts(pool.address, pool.encode_accounts()))
    accounts = {
        key: None if key in arrays else account
        for key, account in pool.encode_quote_accounts().items()
    }
    read = venue.decode_pool(pool.address, accounts, 1)
    assert PoolMarket(SOL, USDC, [read], 1).quote(10**9) is None
    assert PoolMarket(SOL, USDC, [pool], 1).quote(10**9) is not None

"""What no pool of any venue may ever do, whatever its state and whatever the amount."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues import BY_PROGRAM, CPMM, DAMM_V2
from backend.venues.hosting import SwapCall
from backend.venues.meteora.damm_v2 import DammV2
from backend.venues.meteora.damm_v2.curve import Range
from backend.venues.meteora.damm_v2.pool import DammPool
from backend.venues.raydium.cpmm import Cpmm
from backend.venues.raydium.cpmm.pool import CpmmPool
from backend.venues.spl import token_account
from backend.venues.venue import Trader
from tests.pools import FEE_E9, SOL, USDC, seen
from tests.strategies import amounts, pools, reserves

AnyPool = CpmmPool | DammPool
tokens = st.sampled_from([SOL, USDC])
keys = st.binary(min_size=32, max_size=32).map(Pubkey)


def other(mint: Pubkey) -> Pubkey:
    return USDC if mint == SOL else SOL


def paid(pool: AnyPool, mint_in: Pubkey, amount: int) -> int:
    """What the pool pays, 0 if it would not swap."""
    try:
        return pool.quote(mint_in, amount).amount_out
    except Rejected:
        return 0


def held(pool: AnyPool) -> tuple[int, int]:
    """What is the pool's own in its vaults."""
    return pool.reserves if isinstance(pool, CpmmPool) else pool.market.amounts()


@given(pools(), tokens, amounts)
def test_the_quote_is_what_the_swap_pays(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    if not paid(pool, mint, amount):
        with pytest.raises(Rejected):
            pool.swapped(mint, amount)
        return
    quote = pool.quote(mint, amount)
    out, after = pool.swapped(mint, amount)
    assert out == quote.amount_out > 0
    moved = [
        now.balance - before.balance for before, now in zip(pool.sides, after.sides, strict=True)
    ]
    assert sorted(moved) == [-out, amount]
    assert moved[pool.mints.index(mint)] == amount


@given(pools(), tokens, amounts)
def test_a_pool_never_pays_out_its_whole_reserve(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    reserve = held(pool)[pool.mints.index(other(mint))]
    assert paid(pool, mint, amount) < reserve


@given(pools(with_limiter=False), tokens, amounts, amounts)
def test_more_in_never_gives_less_out(pool: AnyPool, mint: Pubkey, one: int, another: int) -> None:
    less, more = sorted((one, another))
    out = paid(pool, mint, more)
    assume(out)
    assert paid(pool, mint, less) <= out


@given(pools(), tokens, amounts)
def test_there_and_back_never_profits(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    assume(paid(pool, mint, amount))
    out, after = pool.swapped(mint, amount)
    assert paid(after, other(mint), out) <= amount


@given(pools(), tokens, amounts)
def test_a_swap_leaves_the_pool_at_least_as_rich(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    assume(paid(pool, mint, amount))
    _, after = pool.swapped(mint, amount)
    if isinstance(after, DammPool) and after.market.state.collect_fee_mode != 2:
        # A price range has no k: its reserves always back its liquidity at its price.
        s = after.market.state
        needed = Range(s.liquidity, s.sqrt_price, s.sqrt_min_price, s.sqrt_max_price).amounts()
        assert all(has >= needs for has, needs in zip(held(after), needed, strict=True))
        return
    (x0, y0), (x1, y1) = held(pool), held(after)
    assert x1 * y1 >= x0 * y0


@given(pools(), tokens, amounts)
def test_the_price_impact_is_a_fraction(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    assume(paid(pool, mint, amount))
    assert 0 <= pool.quote(mint, amount).price_impact_e9 < E9


@given(pools(), tokens, amounts)
def test_a_pool_survives_encoding_and_decoding(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    venue = CPMM if isinstance(pool, CpmmPool) else DAMM_V2
    assume(paid(pool, mint, amount))
    _, pool = pool.swapped(mint, amount)
    again = venue.decode(pool.address, seen(pool), 7)
    assert again.accounts() == pool.accounts()
    assert paid(again, mint, amount) == paid(pool, mint, amount)


@given(pools(), tokens, amounts, amounts, keys, keys, keys)
def test_a_parsed_swap_is_the_one_that_was_built(
    pool: AnyPool, mint: Pubkey, amount: int, least: int, owner: Pubkey, into: Pubkey, out: Pubkey
) -> None:
    trader = Trader(owner, into, out)
    instruction = pool.swap(trader, mint, amount, least)
    accounts = {into: token_account(mint, owner, amount)}
    call = BY_PROGRAM[instruction.program_id].parse_swap(
        [meta.pubkey for meta in instruction.accounts], instruction.data, accounts
    )
    assert call == SwapCall(pool.address, mint, amount, least, trader)


@given(
    reserves,
    reserves,
    st.lists(st.fractions(Fraction(9, 10), Fraction(11, 10)), min_size=1, max_size=20),
    st.sampled_from([CPMM, DAMM_V2]),
)
def test_depth_survives_any_number_of_price_moves(
    a: int, b: int, moves: list[Fraction], venue: Cpmm | DammV2
) -> None:
    assume(Fraction(1, 10**9) < Fraction(b, a) < 10**9)
    assume(min(a, b) > 10**6)
    pool = venue.create(SOL, USDC, a, b, fee_e9=FEE_E9)
    first = pool
    for move in moves:
        price = Fraction(b, a) * move
        pool = pool.at_price(SOL, price.numerator, price.denominator)
    x, y = held(pool)
    x0, y0 = held(first)
    assert x * y >= x0 * y0 * (10**6 - 10) // 10**6
    assert abs(Fraction(y, x) / price - 1) < Fraction(1, 10**4)

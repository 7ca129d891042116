"""Invariants of the pools of every venue, for any state and any amount."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.hosting import ParsedSwap
from backend.venues.meteora.damm_v2 import DammV2
from backend.venues.meteora.damm_v2.curve import PriceRange
from backend.venues.meteora.damm_v2.pool import DammPool
from backend.venues.raydium.cpmm import Cpmm
from backend.venues.raydium.cpmm.pool import CpmmPool
from backend.venues.spl import make_token_account
from backend.venues.venue import SwapAccounts
from tests.pools import FEE_E9, SOL, USDC, encode_quote_accounts
from tests.strategies import amounts, pools, reserves

AnyPool = CpmmPool | DammPool
tokens = st.sampled_from([SOL, USDC])
keys = st.binary(min_size=32, max_size=32).map(Pubkey)


def get_other_mint(mint: Pubkey) -> Pubkey:
    return USDC if mint == SOL else SOL


def quote_amount_out(pool: AnyPool, mint_in: Pubkey, amount: int) -> int:
    """Quote what the pool pays, 0 if it would not swap."""
    try:
        return pool.quote(mint_in, amount).amount_out
    except Rejected:
        return 0


def get_reserves(pool: AnyPool) -> tuple[int, int]:
    """The part of the vault balances that belongs to the pool itself."""
    return pool.reserves if isinstance(pool, CpmmPool) else pool.pricing.reserves()


@given(pools(), tokens, amounts)
def test_the_quote_is_what_the_swap_pays(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    if not quote_amount_out(pool, mint, amount):
        with pytest.raises(Rejected):
            pool.after_swap(mint, amount)
        return
    quote = pool.quote(mint, amount)
    out, after = pool.after_swap(mint, amount)
    assert out == quote.amount_out > 0
    moved = [
        now.balance - before.balance for before, now in zip(pool.sides, after.sides, strict=True)
    ]
    assert sorted(moved) == [-out, amount]
    assert moved[pool.mints.index(mint)] == amount


@given(pools(), tokens, amounts)
def test_a_pool_never_pays_out_its_whole_reserve(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    reserve = get_reserves(pool)[pool.mints.index(get_other_mint(mint))]
    assert quote_amount_out(pool, mint, amount) < reserve


@given(pools(with_limiter=False), tokens, amounts, amounts)
def test_more_in_never_gives_less_out(pool: AnyPool, mint: Pubkey, one: int, another: int) -> None:
    smaller, larger = sorted((one, another))
    out = quote_amount_out(pool, mint, larger)
    assume(out)
    assert quote_amount_out(pool, mint, smaller) <= out


@given(pools(), tokens, amounts)
def test_there_and_back_never_profits(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    assume(quote_amount_out(pool, mint, amount))
    out, after = pool.after_swap(mint, amount)
    assert quote_amount_out(after, get_other_mint(mint), out) <= amount


@given(pools(), tokens, amounts)
def test_a_swap_leaves_the_pool_at_least_as_rich(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    assume(quote_amount_out(pool, mint, amount))
    _, after = pool.after_swap(mint, amount)
    if isinstance(after, DammPool) and after.pricing.state.collect_fee_mode != 2:
        # A price range has no k: its reserves always back its liquidity at its price.
        s = after.pricing.state
        needed = PriceRange(
            s.liquidity, s.sqrt_price, s.sqrt_min_price, s.sqrt_max_price
        ).reserves()
        assert all(has >= needs for has, needs in zip(get_reserves(after), needed, strict=True))
        return
    (x0, y0), (x1, y1) = get_reserves(pool), get_reserves(after)
    assert x1 * y1 >= x0 * y0


@given(pools(), tokens, amounts)
def test_the_price_impact_is_a_fraction(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    assume(quote_amount_out(pool, mint, amount))
    assert 0 <= pool.quote(mint, amount).price_impact_e9 < E9


@given(pools(), tokens, amounts)
def test_a_pool_survives_encoding_and_decoding(pool: AnyPool, mint: Pubkey, amount: int) -> None:
    venue = CPMM if isinstance(pool, CpmmPool) else DAMM_V2
    assume(quote_amount_out(pool, mint, amount))
    _, pool = pool.after_swap(mint, amount)
    again = venue.decode_pool(pool.address, encode_quote_accounts(pool), 7)
    assert again.encode_accounts() == pool.encode_accounts()
    assert quote_amount_out(again, mint, amount) == quote_amount_out(pool, mint, amount)


@given(pools(), tokens, amounts, amounts, keys, keys, keys)
def test_a_parsed_swap_is_the_one_that_was_built(
    pool: AnyPool,
    mint: Pubkey,
    amount: int,
    min_amount_out: int,
    owner: Pubkey,
    into: Pubkey,
    out: Pubkey,
) -> None:
    trader = SwapAccounts(owner, into, out)
    instruction = pool.swap_instruction(trader, mint, amount, min_amount_out)
    accounts = {into: make_token_account(mint, owner, amount)}
    call = MAINNET_VENUES.by_program[instruction.program_id].parse_swap(
        [meta.pubkey for meta in instruction.accounts], instruction.data, accounts
    )
    assert call == ParsedSwap(pool.address, mint, amount, min_amount_out, trader)


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
    pool = venue.create_pool(SOL, USDC, a, b, fee_e9=FEE_E9)
    first = pool
    for move in moves:
        price = Fraction(b, a) * move
        pool = pool.with_price(SOL, price.numerator, price.denominator)
    x, y = get_reserves(pool)
    x0, y0 = get_reserves(first)
    assert x * y >= x0 * y0 * (10**6 - 10) // 10**6
    assert abs(Fraction(y, x) / price - 1) < Fraction(1, 10**4)

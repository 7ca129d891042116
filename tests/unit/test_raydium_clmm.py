"""Raydium CLMM: its ticks, bitmaps and accounts, and the swaps that the program would refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues import CLMM
from backend.venues.bit_line import BitLine
from backend.venues.raydium.clmm.accounts import (
    DEFAULT_CONFIG_INDEX,
    derive_config_address,
    derive_extension_address,
)
from backend.venues.raydium.clmm.array_ticks import SWAP_ARRAYS_MAX
from backend.venues.raydium.clmm.fees import DynamicFee
from backend.venues.raydium.clmm.pool import ClmmPool
from backend.venues.raydium.clmm.tick_array import Tick, create_tick_array
from backend.venues.raydium.clmm.tick_math import (
    compute_tick,
)
from backend.venues.spl import (
    MEMO_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    Clock,
    TransferFee,
)
from backend.venues.venue import AccountsMissing, SwapAccounts
from tests.pools import NOW, SOL, USDC, encode_quote_accounts, patch_account

DEFAULT_CONFIG = derive_config_address(CLMM.program, DEFAULT_CONFIG_INDEX)

FEE_ON, TICK_SPACING = 390, 235
ONE_SOL = 10**9
DYNAMIC = DynamicFee(
    filter_period=30,
    decay_period=600,
    reduction=5_000,
    control=5_000,
    max_accumulator=350_000,
    accumulator=20_000,
    last_update=NOW.unix_time - 100,
)


def create_pool(sol: int = 50_000 * ONE_SOL, usdc: int = 5_000_000 * 10**6) -> ClmmPool:
    return CLMM.create_pool(SOL, USDC, sol, usdc, fee_e9=2_500_000).with_clock(NOW)


def test_addresses_are_those_of_mainnet() -> None:
    assert str(DEFAULT_CONFIG) == "9iFER3bpjf1PTTCQCfTRu17EJgvsxo9pVyA9QWwEuX4x"
    assert CLMM.derive_pool_address(SOL, USDC) == CLMM.derive_pool_address(USDC, SOL)


def test_a_pool_survives_swaps_encoding_and_decoding() -> None:
    pool = replace(create_pool(), dynamic=DYNAMIC)
    for mint, amount in ((SOL, 2_000 * ONE_SOL), (USDC, 300_000 * 10**6), (SOL, 700)):
        _, pool = pool.after_swap(mint, amount)
        decoded = CLMM.decode_pool(pool.address, encode_quote_accounts(pool), 9)
        # Only the arrays about the price are decoded.
        assert decoded.encode_accounts().items() <= pool.encode_accounts().items()
        assert decoded.dynamic == pool.dynamic
        for other in (SOL, USDC):
            assert replace(decoded.quote(other, 10**10), slot=0) == pool.quote(other, 10**10)


def test_a_swap_over_ticks_changes_the_liquidity_and_the_ticks() -> None:
    pool = create_pool()
    _, after = pool.after_swap(SOL, 500 * ONE_SOL)
    crossed = pool.state.tick - after.state.tick
    assert 120 < crossed < 240
    assert after.state.liquidity == pool.state.liquidity - pool.state.liquidity // 8
    assert after.state.fee_growth0 > 0 == after.state.fee_growth1
    assert after.state.protocol_fees0 > after.state.fund_fees0 > 0
    tick = next(
        tick for array in after.arrays.values() for tick in array.ticks if tick.fee_growth_outside0
    )
    assert 0 < tick.fee_growth_outside0 < after.state.fee_growth0
    assert after.sides[0].balance == pool.sides[0].balance + 500 * ONE_SOL


@pytest.mark.parametrize(
    ("fee_on", "mint", "fee_in"),
    [(0, SOL, True), (0, USDC, True), (1, SOL, True), (1, USDC, False), (2, SOL, False)],
)
def test_the_fee_is_taken_in_the_token_that_the_mode_names(
    fee_on: int, mint: Pubkey, fee_in: bool
) -> None:
    pool = create_pool()
    assert pool.mints == (SOL, USDC)
    pool = replace(pool, state=pool.state._replace(fee_on=fee_on))
    quote = pool.quote(mint, ONE_SOL)
    assert (quote.fees[0] > 0, quote.fees[1] > 0) == (fee_in, not fee_in)
    _, after = pool.after_swap(mint, ONE_SOL)
    in_token0 = (mint == SOL) == fee_in
    s = after.state
    assert (s.protocol_fees0 > 0, s.protocol_fees1 > 0) == (in_token0, not in_token0)
    assert (s.fee_growth0 > 0, s.fee_growth1 > 0) == (in_token0, not in_token0)


def test_the_fee_follows_the_volatility_and_decays() -> None:
    calm = create_pool()
    pool = replace(calm, dynamic=DYNAMIC)
    rates = [
        pool.with_clock(Clock(unix_time=NOW.unix_time + wait)).quote(SOL, ONE_SOL).fee_e9
        for wait in (0, 499, 500)
    ]
    assert rates[0] == rates[1] > rates[2] == calm.quote(SOL, ONE_SOL).fee_e9
    assert pool.marginal_price(SOL) < calm.marginal_price(SOL)
    large = pool.quote(SOL, 1_000 * ONE_SOL)
    assert large.fee_e9 > rates[0], "the swap itself moves the price"
    _, after = pool.after_swap(SOL, 1_000 * ONE_SOL)
    assert after.dynamic is not None
    assert after.dynamic.last_update == NOW.unix_time
    assert after.quote(SOL, ONE_SOL).fee_e9 > rates[0]


def test_limit_orders_are_filled_at_their_price_and_leave_the_bitmap() -> None:
    pool = create_pool()
    tick = pool.state.tick - 30
    index = tick // 60
    assert index not in pool.arrays
    array = create_tick_array(
        pool.program, pool.address, index * 60, 1, [Tick(tick, orders=10**9, part_filled=5)]
    )
    bits = pool.line.bits | 1 << index - pool.line.first
    pool = replace(pool, arrays={**pool.arrays, index: array}, line=BitLine(bits, pool.line.first))
    without, with_orders = create_pool().quote(SOL, 500 * ONE_SOL), pool.quote(SOL, 500 * ONE_SOL)
    assert with_orders.amount_out > without.amount_out
    _, after = pool.after_swap(SOL, 500 * ONE_SOL)
    assert not after.line.has(index)
    assert after.arrays[index].ticks == ()
    decoded = CLMM.decode_pool(pool.address, encode_quote_accounts(after), 1)
    assert decoded.quote(USDC, 10**9).amount_out == after.quote(USDC, 10**9).amount_out
    # A part of the orders remains, and the price with them.
    _, partly = pool.after_swap(SOL, 80 * ONE_SOL)
    assert partly.state.tick == tick
    remaining = partly.arrays[index].ticks[0]
    assert remaining.orders == 0 < remaining.part_filled < 10**9
    assert remaining.order_phase == 1


def test_transfer_fees_are_taken_on_both_sides() -> None:
    pool = create_pool()
    fee = TransferFee(maximum=10**12, bps=100)
    side0, side1 = (replace(side, fee=fee) for side in pool.sides)
    charged = replace(pool, sides=(side0, side1))
    quote, plain = charged.quote(SOL, ONE_SOL), pool.quote(SOL, ONE_SOL * 99 // 100)
    assert quote.amount_out == plain.amount_out - -(-plain.amount_out // 100)
    _, after = charged.after_swap(SOL, ONE_SOL)
    assert after.sides[0].balance == pool.sides[0].balance + ONE_SOL * 99 // 100
    assert after.sides[1].balance == pool.sides[1].balance - plain.amount_out


def test_a_quote_beyond_what_was_read_names_the_next_arrays() -> None:
    pool = create_pool()
    near = replace(pool, arrays={n: a for n, a in pool.arrays.items() if abs(n + 384) < 3})
    with pytest.raises(AccountsMissing) as missing:
        near.quote(SOL, 1_000 * ONE_SOL)
    assert missing.value.code == "accounts_missing"
    count = len(missing.value.keys)
    assert 1 <= count <= 3


def test_a_swap_over_too_many_arrays_is_refused() -> None:
    pool = create_pool()
    first = pool.state.tick // 60
    arrays, bits = dict(pool.arrays), pool.line.bits
    for index in range(first - 2 * SWAP_ARRAYS_MAX, first):
        arrays[index] = create_tick_array(
            pool.program, pool.address, index * 60, 1, [Tick(index * 60, 0, 1)]
        )
        bits |= 1 << index - pool.line.first
    dense = replace(pool, arrays=arrays, line=BitLine(bits, pool.line.first))
    assert dense.quote(SOL, 100 * ONE_SOL).amount_out
    with pytest.raises(Rejected, match="amount_too_large"):
        dense.quote(SOL, 5_000 * ONE_SOL)


def test_more_than_all_liquidity_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        create_pool(10**6, 10**6).quote(SOL, 2**63)
    assert refusal.value.code in {"no_liquidity", "amount_too_large"}


@pytest.mark.parametrize(("offset", "value"), [(FEE_ON, b"\x03"), (TICK_SPACING, bytes(2))])
def test_a_pool_that_is_not_understood_is_refused(offset: int, value: bytes) -> None:
    pool = create_pool()
    accounts = patch_account(encode_quote_accounts(pool), pool.address, offset, value)
    with pytest.raises(Rejected, match="bad_pool"):
        CLMM.decode_pool(pool.address, accounts, 1)


def test_the_swap_names_its_accounts_in_the_programs_order() -> None:
    pool = create_pool()
    trader = SwapAccounts(*(Pubkey.new_unique() for _ in range(3)))
    instruction = pool.swap_instruction(trader, USDC, 5, 3)
    side0, side1 = pool.sides
    fixed = instruction.accounts[:13]
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in fixed] == [
        (trader.owner, True, False),
        (DEFAULT_CONFIG, False, False),
        (pool.address, False, True),
        (trader.account_in, False, True),
        (trader.account_out, False, True),
        (side1.vault, False, True),
        (side0.vault, False, True),
        (pool.state.observation, False, True),
        (TOKEN_PROGRAM, False, False),
        (TOKEN_2022_PROGRAM, False, False),
        (MEMO_PROGRAM, False, False),
        (USDC, False, False),
        (SOL, False, False),
    ]
    rest = instruction.accounts[13:]
    assert rest[0].pubkey == derive_extension_address(pool.program, pool.address)
    assert len(rest) == 4, "an array that is read, and two to spare"
    assert all(meta.is_writable and not meta.is_signer for meta in rest)
    assert instruction.data.hex() == (
        "2b04ed0b1ac91e62" + "05" + "00" * 7 + "03" + "00" * 7 + "00" * 16 + "01"
    )


def test_a_state_pays_as_much_as_itself_only() -> None:
    pool = create_pool()
    later = pool.with_clock(replace(NOW, unix_time=NOW.unix_time + 1))
    assert later.pays_at_least(pool, SOL)
    assert not pool.pays_at_least(later, SOL)
    assert not pool.after_swap(SOL, ONE_SOL)[1].pays_at_least(pool, USDC)
    assert not pool.has_flat_fee(SOL)


@pytest.mark.parametrize(
    ("amount_a", "amount_b", "fee_e9"),
    [(0, 1, 1_000), (1, 2**64, 1_000), (1, 1, 0), (1, 1, 1_500), (1, 1, 10**9)],
)
def test_a_pool_that_cannot_be_is_not_created(amount_a: int, amount_b: int, fee_e9: int) -> None:
    with pytest.raises(ValueError, match=r"fee|reserves"):
        CLMM.create_pool(SOL, USDC, amount_a, amount_b, fee_e9=fee_e9)


def test_a_pool_moves_to_a_price_from_either_side_and_back() -> None:
    pool = create_pool()
    one, other = pool.with_price(SOL, 80, 1_000), pool.with_price(USDC, 1_000, 80)
    assert abs(one.state.sqrt_price - other.state.sqrt_price) < 10**6
    assert one.state.tick == compute_tick(one.state.sqrt_price)
    back = one.with_price(SOL, 100, 1_000)
    assert back.state.liquidity == pool.state.liquidity
    for before, after in zip(pool.sides, back.sides, strict=True):
        assert 0 <= after.balance - before.balance <= before.balance // 10**9 + 100
    assert pool.with_price(SOL, 10**40, 1).state.sqrt_price >= pool.state.sqrt_price

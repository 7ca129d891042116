"""Meteora DLMM: its bins and accounts, and the swaps that the program would refuse."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues import DLMM
from backend.venues.meteora.dlmm.accounts import (
    derive_event_authority,
    derive_extension_address,
)
from backend.venues.meteora.dlmm.bin_array import Bin
from backend.venues.meteora.dlmm.bin_math import Q64, compute_bin_price
from backend.venues.meteora.dlmm.pool import DlmmPool
from backend.venues.spl import MEMO_PROGRAM, TOKEN_PROGRAM, Clock, TransferFee, make_account
from backend.venues.venue import AccountsMissing, SwapAccounts
from tests.pools import NOW, SOL, USDC, encode_quote_accounts, patch_account

PROGRAM = DLMM.program
EVENT_AUTHORITY = derive_event_authority(PROGRAM)

ONE_SOL = 10**9
COLLECT_FEE_MODE, BIN_STEP, TOKEN_FLAG_X = 36, 80, 880


@cache
def create_pool() -> DlmmPool:
    pool = DLMM.create_pool(SOL, USDC, 50_000 * ONE_SOL, 5_000_000 * 10**6, fee_e9=2_000_000)
    return pool.with_clock(NOW)


def make_volatile_pool() -> DlmmPool:
    pool = create_pool()
    state = pool.state._replace(
        variable_fee_control=40_000, accumulator=20_000, last_update=NOW.unix_time - 100
    )
    return replace(pool, state=state)


def make_pool_with_orders(orders: Bin) -> tuple[DlmmPool, int]:
    """A pool with limit orders in the bin below the active one, and the bin's id."""
    pool = create_pool()
    bin_id = pool.state.active_id - 1
    array = pool.arrays[bin_id // 70]
    ordered = array.get_bin(bin_id)._replace(
        open_orders=orders.open_orders,
        processing_left=orders.processing_left,
        ask_side=orders.ask_side,
    )
    arrays = {**pool.arrays, array.index: array.with_bins({bin_id: ordered})}
    return replace(pool, arrays=arrays), bin_id


def get_bin(pool: DlmmPool, bin_id: int) -> Bin:
    return pool.arrays[bin_id // 70].get_bin(bin_id)


def test_addresses_are_those_of_mainnet() -> None:
    assert str(EVENT_AUTHORITY) == "D1ZN9Wj1fRSUQfCjhvnu1hqDMT7hzjzBBpi12nVniYD6"
    assert DLMM.derive_pool_address(SOL, USDC) == DLMM.derive_pool_address(USDC, SOL)


def test_a_pool_survives_swaps_encoding_and_decoding() -> None:
    pool = make_volatile_pool()
    for mint, amount in ((SOL, 2_000 * ONE_SOL), (USDC, 300_000 * 10**6), (SOL, 700)):
        _, pool = pool.after_swap(mint, amount)
        decoded = DLMM.decode_pool(pool.address, encode_quote_accounts(pool), 9)
        # Only the arrays about the price are decoded.
        assert decoded.encode_accounts().items() <= pool.encode_accounts().items()
        for other in (SOL, USDC):
            assert replace(decoded.quote(other, 10**10), slot=0) == pool.quote(other, 10**10)


def test_a_swap_empties_bins_on_its_way() -> None:
    pool = create_pool()
    _, after = pool.after_swap(SOL, 100 * ONE_SOL)
    crossed = range(after.state.active_id + 1, pool.state.active_id + 1)
    assert len(crossed) > 2
    assert all(get_bin(after, n).amount_y == 0 < get_bin(after, n).amount_x for n in crossed)
    fees = [get_bin(after, n).fee_x_per_liquidity for n in crossed]
    assert all(fee > 0 for fee in fees)
    assert after.state.protocol_fee_x > 0 == after.state.protocol_fee_y
    assert after.state.last_update == NOW.unix_time
    assert after.sides[0].balance == pool.sides[0].balance + 100 * ONE_SOL
    # A trade within one bin is no update.
    _, again = after.with_clock(replace(NOW, unix_time=NOW.unix_time + 50)).after_swap(SOL, 10**6)
    assert again.state.last_update == NOW.unix_time


@pytest.mark.parametrize(
    ("mode", "mint", "fee_in"), [(0, SOL, True), (0, USDC, True), (1, SOL, False), (1, USDC, True)]
)
def test_the_fee_is_taken_in_the_token_that_the_mode_names(
    mode: int, mint: Pubkey, fee_in: bool
) -> None:
    pool = create_pool()
    pool = replace(pool, state=pool.state._replace(collect_fee_mode=mode))
    quote = pool.quote(mint, ONE_SOL)
    assert (quote.fees[0] > 0, quote.fees[1] > 0) == (fee_in, not fee_in)
    _, after = pool.after_swap(mint, ONE_SOL)
    in_x = (mint == SOL) == fee_in
    assert (after.state.protocol_fee_x > 0, after.state.protocol_fee_y > 0) == (in_x, not in_x)


def test_the_fee_follows_the_volatility_and_decays() -> None:
    pool = make_volatile_pool()
    rates = [
        pool.with_clock(Clock(unix_time=NOW.unix_time + wait)).quote(SOL, ONE_SOL).fee_e9
        for wait in (0, 499, 500)
    ]
    assert rates[0] == rates[1] > rates[2] == create_pool().quote(SOL, ONE_SOL).fee_e9
    assert pool.marginal_price(SOL) < create_pool().marginal_price(SOL)
    assert pool.quote(SOL, 500 * ONE_SOL).fee_e9 > rates[0], "the swap itself moves the price"
    wild = replace(pool, state=pool.state._replace(variable_fee_control=2**32 - 1))
    assert wild.quote(SOL, 500 * ONE_SOL).fee_e9 <= 100_000_000


def test_limit_orders_are_filled_after_the_liquidity_and_the_older_first() -> None:
    pool, bin_id = make_pool_with_orders(Bin(open_orders=10**9, processing_left=10**9))
    liquidity = get_bin(pool, bin_id).amount_y
    amount = 52 * ONE_SOL
    assert pool.quote(SOL, amount).amount_out > create_pool().quote(SOL, amount).amount_out
    _, after = pool.after_swap(SOL, amount)
    left = get_bin(after, bin_id)
    assert after.state.active_id == bin_id
    assert left.amount_y == 0 < liquidity
    assert (left.open_orders, left.processing_total, left.order_age) == (0, 10**9, 1)
    assert 0 < left.processing_left < 10**9
    assert left.filled_y == 2 * 10**9 - left.processing_left
    assert left.fee_bid_side > 0 == left.fee_ask_side


@pytest.mark.parametrize(("ask_side", "function_type"), [(1, 2), (0, 1)])
def test_limit_orders_that_do_not_count_are_not_filled(ask_side: int, function_type: int) -> None:
    pool, _ = make_pool_with_orders(Bin(open_orders=10**9, ask_side=ask_side))
    pool = replace(pool, state=pool.state._replace(function_type=function_type))
    assert pool.quote(SOL, 70 * ONE_SOL) == create_pool().quote(SOL, 70 * ONE_SOL)


def test_a_pair_with_rewards_has_no_orders_unless_it_says_so() -> None:
    state = create_pool().state._replace(function_type=0)
    assert state.supports_orders
    assert not state._replace(reward_mint1=USDC).supports_orders
    assert state._replace(reward_mint1=USDC, function_type=2).supports_orders


def test_an_empty_active_bin_is_passed_over() -> None:
    pool = create_pool()
    active_id = pool.state.active_id
    array = pool.arrays[active_id // 70]
    emptied = array.with_bins({active_id: Bin(price=compute_bin_price(active_id, 10))})
    pool = replace(pool, arrays={**pool.arrays, array.index: emptied})
    price = pool.marginal_price(SOL)
    assert pool.quote(SOL, ONE_SOL).amount_out * price.denominator <= ONE_SOL * price.numerator
    assert pool.after_swap(SOL, ONE_SOL)[1].state.active_id == active_id - 1


def test_transfer_fees_are_taken_on_both_sides() -> None:
    pool = create_pool()
    fee = TransferFee(maximum=10**12, bps=100)
    side_x, side_y = (replace(side, fee=fee) for side in pool.sides)
    charged = replace(pool, sides=(side_x, side_y))
    quote, plain = charged.quote(SOL, ONE_SOL), pool.quote(SOL, ONE_SOL * 99 // 100)
    assert quote.amount_out == plain.amount_out - -(-plain.amount_out // 100)


def test_a_quote_beyond_what_was_read_names_the_next_arrays() -> None:
    pool = create_pool()
    own = pool.state.active_id // 70
    near = replace(pool, arrays={own: pool.arrays[own]})
    with pytest.raises(AccountsMissing) as missing:
        near.quote(SOL, 4_000 * ONE_SOL)
    assert len(missing.value.keys) == 3


def test_a_swap_over_too_many_bins_is_refused() -> None:
    assert create_pool().quote(SOL, 4_000 * ONE_SOL).amount_out
    with pytest.raises(Rejected, match="amount_too_large"):
        create_pool().quote(SOL, 9_000 * ONE_SOL)


def test_bins_beyond_the_pairs_bounds_are_none() -> None:
    pool = create_pool()
    bounded = pool.state._replace(min_bin_id=pool.state.active_id - 3)
    with pytest.raises(Rejected, match="no_liquidity"):
        replace(pool, state=bounded).quote(SOL, 1_000 * ONE_SOL)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(COLLECT_FEE_MODE, b"\x02"), (BIN_STEP, bytes(2)), (TOKEN_FLAG_X, b"\x02")],
)
def test_a_pool_that_is_not_understood_is_refused(offset: int, value: bytes) -> None:
    pool = create_pool()
    accounts = patch_account(encode_quote_accounts(pool), pool.address, offset, value)
    with pytest.raises(Rejected, match="bad_pool"):
        DLMM.decode_pool(pool.address, accounts, 1)


@pytest.mark.parametrize("has_extension", [False, True])
def test_the_swap_names_its_accounts_in_the_programs_order(has_extension: bool) -> None:
    pool = create_pool()
    extension = PROGRAM
    if has_extension:
        pool = replace(pool, extension_account=make_account(PROGRAM, b""))
        extension = derive_extension_address(PROGRAM, pool.address)
    trader = SwapAccounts(*(Pubkey.new_unique() for _ in range(3)))
    instruction = pool.swap_instruction(trader, USDC, 5, 3)
    side_x, side_y = pool.sides
    fixed = instruction.accounts[:16]
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in fixed] == [
        (pool.address, False, True),
        (extension, False, has_extension),
        (side_x.vault, False, True),
        (side_y.vault, False, True),
        (trader.account_in, False, True),
        (trader.account_out, False, True),
        (SOL, False, False),
        (USDC, False, False),
        (pool.state.oracle, False, True),
        (PROGRAM, False, False),
        (trader.owner, True, False),
        (TOKEN_PROGRAM, False, False),
        (TOKEN_PROGRAM, False, False),
        (MEMO_PROGRAM, False, False),
        (EVENT_AUTHORITY, False, False),
        (PROGRAM, False, False),
    ]
    rest = instruction.accounts[16:]
    assert len(rest) == 3, "an array that is read, and two to spare"
    assert all(meta.is_writable and not meta.is_signer for meta in rest)
    assert instruction.data.hex() == (
        "414b3f4ceb5b5b88" + "05" + "00" * 7 + "03" + "00" * 7 + "00" * 4
    )


def test_a_state_pays_as_much_as_itself_only() -> None:
    pool = create_pool()
    later = pool.with_clock(replace(NOW, slot=NOW.slot + 1, unix_time=NOW.unix_time + 1))
    assert later.pays_at_least(pool, SOL)
    assert not pool.pays_at_least(later, SOL)
    assert not pool.after_swap(SOL, ONE_SOL)[1].pays_at_least(pool, USDC)
    assert not pool.has_flat_fee(SOL)


@pytest.mark.parametrize(
    ("amount_a", "amount_b", "fee_e9"),
    [(0, 1, 1_000), (1, 2**64, 1_000), (10, 10, 0), (10, 10, 150), (10, 10, 10**7)],
)
def test_a_pool_that_cannot_be_is_not_created(amount_a: int, amount_b: int, fee_e9: int) -> None:
    with pytest.raises(ValueError, match=r"fee|reserves"):
        DLMM.create_pool(SOL, USDC, amount_a, amount_b, fee_e9=fee_e9)


def test_a_pool_moves_to_the_nearest_price_and_gains_by_every_move() -> None:
    pool = create_pool()
    one, other = pool.with_price(SOL, 80, 1_000), pool.with_price(USDC, 1_000, 80)
    assert one.state.active_id == other.state.active_id < pool.state.active_id
    back = one.with_price(SOL, 100, 1_000)
    assert back.state.active_id in {pool.state.active_id, pool.state.active_id + 1}
    price = compute_bin_price(pool.state.active_id, 10)
    values = [each.sides[0].balance * price // Q64 + each.sides[1].balance for each in (pool, back)]
    assert values[1] >= values[0]
    assert pool.with_price(SOL, 10**9, 1).state.active_id == max(pool.arrays) * 70 + 69

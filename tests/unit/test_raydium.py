"""Raydium CPMM: fees, reserves, and the swaps that the program would refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.venues import CPMM
from backend.venues.raydium.cpmm.accounts import (
    DEFAULT_CONFIG_INDEX,
    derive_authority,
    derive_config_address,
    derive_vault_address,
)
from backend.venues.raydium.cpmm.curve import FeeRates, swap_exact_in, swap_exact_out
from backend.venues.spl import Clock, TransferFee
from backend.venues.venue import SwapAccounts
from tests.pools import FEE_E9, NOW, SOL, USDC, encode_quote_accounts, make_cpmm_pool, patch_account
from tests.strategies import amounts, rates, reserves

AUTHORITY, _ = derive_authority(CPMM.program)
DEFAULT_CONFIG = derive_config_address(CPMM.program, DEFAULT_CONFIG_INDEX)

NO_FEES = FeeRates(trade=0, creator=0, protocol=0, fund=0, is_creator_on_input=False)
CREATOR_FEE_ON = 389


def test_addresses_are_those_of_mainnet() -> None:
    assert str(AUTHORITY) == "GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL"
    assert str(DEFAULT_CONFIG) == "D4FPEruKEHrG5TenZ2mpDGEfu1iUvTiqBxvpU8HLBvC2"
    pool = CPMM.derive_pool_address(SOL, USDC)
    assert str(pool).startswith("7JuwJuNU")
    assert CPMM.derive_pool_address(USDC, SOL) == pool
    assert derive_vault_address(CPMM.program, pool, SOL) != derive_vault_address(
        CPMM.program, pool, USDC
    )


def test_a_quote_of_a_mainnet_pool_is_what_mainnet_paid() -> None:
    pool = make_cpmm_pool(
        1_927_052_254 - 69_220_427 - 86_140_625,
        146_870_650 - 869_850 - 1_264_457,
        fees0=(69_220_427, 86_140_625, 0),
        fees1=(869_850, 1_264_457, 0),
        trade_fee_rate=2_500,
    )
    assert [side.balance for side in pool.sides] == [1_927_052_254, 146_870_650]
    assert pool.quote(SOL, 1_000_000).amount_out == 81_443


def test_transfer_fees_are_taken_on_both_sides() -> None:
    pool = make_cpmm_pool(10_000_000, 199_000, trade_fee_rate=2_500)
    fee = TransferFee(maximum=1_000, bps=200)
    side0, side1 = (replace(side, fee=fee) for side in pool.sides)
    pool = replace(pool, sides=(side0, side1))
    assert pool.quote(SOL, 101_000).amount_out == 1_925
    _, after = pool.after_swap(SOL, 101_000)
    # The vault receives 1,000 less than is sent, and sends what the trader gets and the fee on it.
    assert after.sides[0].balance == 10_000_000 + 100_000
    assert after.sides[1].balance == 199_000 - 1_925 - 40


@given(amounts, reserves, reserves, rates())
def test_k_never_falls(amount: int, x: int, y: int, fees: FeeRates) -> None:
    swap = swap_exact_in(amount, x, y, fees)
    assert swap.reserve_in * swap.reserve_out >= x * y
    assert swap.amount_out < y


@given(amounts, reserves, reserves, rates())
def test_all_that_is_put_in_is_accounted_for(amount: int, x: int, y: int, fees: FeeRates) -> None:
    swap = swap_exact_in(amount, x, y, fees)
    creator_in, creator_out = (
        (swap.creator_fee, 0) if fees.is_creator_on_input else (0, swap.creator_fee)
    )
    assert swap.net_in + swap.trade_fee + creator_in == amount
    assert swap.amount_out + creator_out == swap.gross_out
    assert swap.protocol_fee + swap.fund_fee <= swap.trade_fee


@given(amounts, reserves, reserves, rates())
def test_asking_for_the_same_output_never_costs_more(
    amount: int, x: int, y: int, fees: FeeRates
) -> None:
    out = swap_exact_in(amount, x, y, fees).amount_out
    assume(out)
    swap = swap_exact_out(out, x, y, fees)
    assert swap.amount_in <= amount
    assert swap_exact_in(swap.amount_in, x, y, fees).amount_out >= out


@given(amounts, reserves, reserves, rates())
def test_buying_back_exactly_never_profits(amount: int, x: int, y: int, fees: FeeRates) -> None:
    swap = swap_exact_in(amount, x, y, fees)
    assume(swap.amount_out)
    pool_fee = swap.trade_fee - swap.protocol_fee - swap.fund_fee
    back_rates = replace(fees, is_creator_on_input=not fees.is_creator_on_input)
    try:
        returned = swap_exact_out(amount, swap.reserve_out, swap.reserve_in + pool_fee, back_rates)
    except Rejected:
        return
    assert returned.amount_in >= swap.amount_out


@given(st.integers(1, 10**6), reserves, reserves)
def test_a_wanted_output_that_is_not_there_is_refused(extra: int, x: int, y: int) -> None:
    with pytest.raises(Rejected) as refusal:
        swap_exact_out(y - 1 + extra, x, y, NO_FEES)
    assert refusal.value.code == "amount_too_large"


def test_without_any_fee_nothing_is_taken() -> None:
    assert swap_exact_out(500, 1_000, 1_000, NO_FEES).amount_in == 1_000
    assert swap_exact_in(1_000, 1_000, 1_000, NO_FEES).amount_out == 500


def test_the_program_fails_to_split_a_fee_of_nothing() -> None:
    with pytest.raises(Rejected, match="zero_output"):
        swap_exact_in(1_000, 1_000, 1_000, replace(NO_FEES, is_creator_on_input=True))


@pytest.mark.parametrize("on_input", [True, False])
def test_fees_of_more_than_everything_are_refused(on_input: bool) -> None:
    with pytest.raises(Rejected, match="zero_output"):
        swap_exact_in(
            1_000, 1_000, 1_000, FeeRates(1_000_001, 0, 0, 0, is_creator_on_input=on_input)
        )


@pytest.mark.parametrize(
    ("mode", "mint", "taken_in"),
    [(0, SOL, SOL), (0, USDC, USDC), (1, SOL, SOL), (1, USDC, SOL), (2, SOL, USDC)],
)
def test_the_creators_fee_stays_in_the_vault_of_its_token(
    mode: int, mint: Pubkey, taken_in: Pubkey
) -> None:
    pool = make_cpmm_pool(creator_fee_on=mode)
    _, after = pool.after_swap(mint, 10**9)
    assert bool(after.state.creator_fees0) == (taken_in == SOL)
    assert bool(after.state.creator_fees1) == (taken_in == USDC)
    assert pool.quote(mint, 10**9).fee_e9 == FEE_E9 + 500_000


@pytest.mark.parametrize("mint", [SOL, USDC])
def test_fees_leave_the_reserves_and_stay_in_the_vaults(mint: Pubkey) -> None:
    pool = make_cpmm_pool()
    i = pool.mints.index(mint)
    curve = swap_exact_in(
        10**9, pool.reserves[i], pool.reserves[1 - i], FeeRates(3_000, 0, 120_000, 40_000, True)
    )
    out, after = pool.after_swap(mint, 10**9)
    assert out == curve.amount_out
    pool_fee = curve.trade_fee - curve.protocol_fee - curve.fund_fee
    assert after.reserves[i] == curve.reserve_in + pool_fee
    assert after.reserves[1 - i] == curve.reserve_out
    assert after.state.recent_epoch == NOW.epoch


def test_an_empty_pool_is_refused() -> None:
    pool = make_cpmm_pool(1_000, 1_000)
    empty = replace(pool, sides=(pool.sides[0].with_balance_change(-1_000), pool.sides[1]))
    with pytest.raises(Rejected, match="no_liquidity"):
        empty.quote(USDC, 10)


def test_a_vault_cannot_hold_more_than_64_bits() -> None:
    with pytest.raises(Rejected, match="amount_too_large"):
        make_cpmm_pool().quote(SOL, U64_MAX)


def test_a_pool_that_owes_more_than_it_holds_is_refused() -> None:
    pool = make_cpmm_pool(1_000, 1_000, fees0=(10**6, 0, 0))
    accounts = patch_account(
        encode_quote_accounts(pool), pool.sides[0].vault, 64, (10).to_bytes(8, "little")
    )
    with pytest.raises(Rejected, match="bad_pool"):
        CPMM.decode_pool(pool.address, accounts, 1)


def test_a_fee_mode_that_is_not_known_is_refused() -> None:
    pool = make_cpmm_pool()
    accounts = patch_account(encode_quote_accounts(pool), pool.address, CREATOR_FEE_ON, b"\x03")
    with pytest.raises(Rejected, match="bad_pool"):
        CPMM.decode_pool(pool.address, accounts, 1)


def test_the_swap_names_its_accounts_in_the_programs_order() -> None:
    pool = make_cpmm_pool()
    trader = SwapAccounts(*(Pubkey.new_unique() for _ in range(3)))
    instruction = pool.swap_instruction(trader, USDC, 5, 3)
    side0, side1 = pool.sides
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in instruction.accounts] == [
        (trader.owner, True, False),
        (AUTHORITY, False, False),
        (DEFAULT_CONFIG, False, False),
        (pool.address, False, True),
        (trader.account_in, False, True),
        (trader.account_out, False, True),
        (side1.vault, False, True),
        (side0.vault, False, True),
        (side1.token_program, False, False),
        (side0.token_program, False, False),
        (USDC, False, False),
        (SOL, False, False),
        (pool.state.observation, False, True),
    ]
    assert instruction.data.hex() == "8fbe5adac41e33de" + "05" + "00" * 7 + "03" + "00" * 7


@pytest.mark.parametrize(
    ("amount_a", "amount_b", "fee_e9"),
    [(0, 1, FEE_E9), (1, U64_MAX + 1, FEE_E9), (1, 1, 0), (1, 1, 1_500), (1, 1, 10**9)],
)
def test_a_pool_that_cannot_be_is_not_created(amount_a: int, amount_b: int, fee_e9: int) -> None:
    with pytest.raises(ValueError, match=r"fee|reserves"):
        CPMM.create_pool(SOL, USDC, amount_a, amount_b, fee_e9=fee_e9)


def test_the_order_of_the_tokens_does_not_matter() -> None:
    one = CPMM.create_pool(SOL, USDC, 10**12, 10**9, fee_e9=FEE_E9)
    other = CPMM.create_pool(USDC, SOL, 10**9, 10**12, fee_e9=FEE_E9)
    assert one == other


def test_a_pool_moves_to_a_price_from_either_side() -> None:
    pool = make_cpmm_pool()
    one = pool.with_price(SOL, 120, 1_000)
    other = pool.with_price(USDC, 1_000, 120)
    assert one.reserves[1] * 1_000 // one.reserves[0] == pytest.approx(120, abs=1)
    assert [a - b for a, b in zip(one.reserves, other.reserves, strict=True)] == pytest.approx(
        [0, 0], abs=10
    )


def test_a_later_clock_opens_the_pool() -> None:
    pool = CPMM.create_pool(SOL, USDC, 10**12, 10**9, fee_e9=FEE_E9, open_time=100)
    with pytest.raises(Rejected, match="not_open"):
        pool.with_clock(Clock(unix_time=99)).quote(SOL, 10**6)
    assert pool.with_clock(Clock(unix_time=100)).quote(SOL, 10**6).amount_out

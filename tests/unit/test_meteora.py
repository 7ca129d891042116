"""Meteora DAMM v2: its fees, its curves, and the swaps that the program would refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.venues import DAMM_V2
from backend.venues.meteora.damm_v2.accounts import (
    BY_SLOT,
    BaseFee,
    BaseFeeMode,
    CollectFeeMode,
    RateLimiter,
    derive_authority,
    derive_event_authority,
)
from backend.venues.meteora.damm_v2.curve import (
    MAX_SQRT_PRICE,
    MIN_SQRT_PRICE,
    Q128,
    PriceRange,
    create_full_range,
)
from backend.venues.meteora.damm_v2.pool import DammPool
from backend.venues.spl import INSTRUCTIONS_SYSVAR, TOKEN_PROGRAM, Clock
from backend.venues.venue import SwapAccounts
from tests.pools import (
    CLIFF,
    FEE_E9,
    LIMITER,
    NOW,
    SOL,
    USDC,
    VOLATILITY,
    encode_quote_accounts,
    make_damm_pool,
    make_damm_state,
    patch_account,
)

AUTHORITY = derive_authority(DAMM_V2.program)
EVENT_AUTHORITY = derive_event_authority(DAMM_V2.program)

Q64 = 2**64
BASE_FEE_MODE, COLLECT_FEE_MODE, FEE_VERSION = 16, 484, 486
ACTIVATION_TYPE, TOKEN_FLAG_A, TOKEN_FLAG_B = 480, 482, 483


def create_pool(a: int = 50_000 * 10**9, b: int = 5_000_000 * 10**6) -> DammPool:
    return DAMM_V2.create_pool(SOL, USDC, a, b, fee_e9=FEE_E9)


def make_limited_pool(clock: Clock = NOW) -> DammPool:
    state = make_damm_state(create_full_range(10**12, 10**12))._replace(
        collect_fee_mode=int(CollectFeeMode.ONLY_B),
        activation_point=NOW.unix_time,
    )
    return make_damm_pool(
        state, fee=BaseFee(CLIFF, BaseFeeMode.RATE_LIMITER), schedule=LIMITER, clock=clock
    )


def test_addresses_are_those_of_mainnet() -> None:
    assert str(AUTHORITY) == "HLnpSz9h2S4hiLQ43rnSD9XkcUThA7B8hQMKmDaiTLcC"
    assert str(EVENT_AUTHORITY) == "3rmHSu74h1ZcmAisVcWerTCiRDQbUrBKmcwptYGjHfet"
    assert DAMM_V2.derive_pool_address(SOL, USDC) == DAMM_V2.derive_pool_address(USDC, SOL)


def test_only_purchases_are_limited_and_stand_alone_in_their_transaction() -> None:
    pool, trader = make_limited_pool(), SwapAccounts(*(Pubkey.new_unique() for _ in range(3)))
    assert pool.quote(USDC, 500).fee_e9 == CLIFF
    assert pool.quote(USDC, 1_500).fee_e9 == 103_333_334
    assert pool.quote(SOL, 1_500).fee_e9 == CLIFF
    assert pool.swap_instruction(trader, USDC, 5, 1).accounts[14].pubkey == INSTRUCTIONS_SYSVAR
    assert len(pool.swap_instruction(trader, SOL, 5, 1).accounts) == 14
    later = pool.with_clock(replace(NOW, unix_time=NOW.unix_time + 61))
    assert later.quote(USDC, 1_500).fee_e9 == CLIFF


@pytest.mark.parametrize(
    "limiter",
    [
        replace(LIMITER, reference_amount=0),
        replace(LIMITER, increment_bps=0),
        replace(LIMITER, max_fee_bps=10),
    ],
)
def test_an_incomplete_limiter_is_refused(limiter: RateLimiter) -> None:
    pool = make_limited_pool()
    with pytest.raises(Rejected, match="bad_pool"):
        replace(pool.pricing, schedule=limiter)


@pytest.mark.parametrize(
    ("mode", "mint", "taken_in", "on_input"),
    [
        (CollectFeeMode.OUTPUT, SOL, USDC, False),
        (CollectFeeMode.OUTPUT, USDC, SOL, False),
        (CollectFeeMode.ONLY_B, SOL, USDC, False),
        (CollectFeeMode.ONLY_B, USDC, USDC, True),
        (CollectFeeMode.COMPOUNDING, SOL, USDC, False),
        (CollectFeeMode.COMPOUNDING, USDC, USDC, True),
    ],
)
def test_the_fee_is_taken_in_the_token_that_the_mode_names(
    mode: CollectFeeMode, mint: Pubkey, taken_in: Pubkey, on_input: bool
) -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))._replace(collect_fee_mode=int(mode))
    pool = make_damm_pool(state)
    trade = pool.pricing.compute_trade(10**9, sells_a=mint == SOL)
    assert (trade.net_in < 10**9) == on_input
    assert (trade.amount_out < trade.gross_out) != on_input
    _, after = pool.after_swap(mint, 10**9)
    s = after.pricing.state
    assert (s.protocol_fee_a > 0, s.protocol_fee_b > 0) == (taken_in == SOL, taken_in == USDC)
    assert (s.fee_a_per_liquidity > 0, s.fee_b_per_liquidity > 0) == (
        taken_in == SOL,
        taken_in == USDC,
    )
    assert s.total_protocol_fee_a + s.total_protocol_fee_b == trade.shares.protocol
    assert s.total_lp_fee_a + s.total_lp_fee_b == trade.shares.claiming


def test_a_compounding_fee_joins_the_reserve() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))._replace(
        collect_fee_mode=int(CollectFeeMode.COMPOUNDING),
        compounding_fee_bps=5_000,
    )
    pool = make_damm_pool(state)
    trade = pool.pricing.compute_trade(10**9, sells_a=False)
    _, after = pool.after_swap(USDC, 10**9)
    assert trade.shares.compounding > 0
    assert after.pricing.state.amount_b == state.amount_b + trade.net_in + trade.shares.compounding


def test_the_whole_fee_is_capped_by_the_version_of_the_pool() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))
    fee = BaseFee(999_000_000)
    assert make_damm_pool(state, fee=fee).quote(SOL, 10**6).fee_e9 == 990_000_000
    old = state._replace(fee_version=0)
    assert make_damm_pool(old, fee=fee).quote(SOL, 10**6).fee_e9 == 500_000_000


def test_the_dynamic_fee_is_added_and_its_volatility_follows_the_swap() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))
    volatility = replace(
        VOLATILITY, sqrt_price_reference=state.sqrt_price, last_update=NOW.unix_time - 5
    )
    pool = make_damm_pool(state, volatility=volatility)
    assert pool.quote(SOL, 10**6).fee_e9 == FEE_E9 + 4_000
    _, after = pool.after_swap(SOL, 10**10)
    assert after.pricing.volatility.accumulator == 350_000
    assert after.pricing.volatility.last_update == NOW.unix_time
    assert after.quote(SOL, 10**6).fee_e9 == FEE_E9 + 49_000


@pytest.mark.parametrize(("mint", "code"), [(SOL, "amount_too_large"), (USDC, "amount_too_large")])
def test_a_price_outside_of_the_range_is_refused(mint: Pubkey, code: str) -> None:
    narrow = PriceRange(10**30, Q64, Q64 - Q64 // 100, Q64 + Q64 // 100)
    pool = make_damm_pool(make_damm_state(narrow))
    assert pool.quote(mint, 10**6).amount_out
    with pytest.raises(Rejected, match=code):
        pool.quote(mint, 10**12)


@pytest.mark.parametrize("mode", list(CollectFeeMode))
def test_an_empty_pool_is_refused(mode: CollectFeeMode) -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))
    empty = state._replace(collect_fee_mode=int(mode), liquidity=0, amount_a=0, amount_b=0)
    with pytest.raises(Rejected, match="no_liquidity"):
        make_damm_pool(empty).quote(SOL, 10**6)


def test_a_vault_that_holds_too_little_is_refused() -> None:
    pool = create_pool()
    poor = replace(
        pool, sides=(pool.sides[0], pool.sides[1].with_balance_change(1 - pool.sides[1].balance))
    )
    with pytest.raises(Rejected, match="no_liquidity"):
        poor.quote(SOL, 10**9)


def test_a_counter_of_fees_that_would_overflow_is_refused() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))._replace(
        total_protocol_fee_b=U64_MAX
    )
    with pytest.raises(Rejected, match="amount_too_large"):
        make_damm_pool(state).quote(SOL, 10**9)


def test_reserves_of_an_old_layout_follow_from_the_price() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))
    old = make_damm_pool(state._replace(amount_a=0, amount_b=0, layout_version=0))
    new = make_damm_pool(state)
    assert old.quote(SOL, 10**9) == new.quote(SOL, 10**9)
    assert old.after_swap(SOL, 10**9)[1].pricing == new.after_swap(SOL, 10**9)[1].pricing


def test_activation_by_slot_looks_at_the_slot() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))._replace(
        activation_type=BY_SLOT, activation_point=50
    )
    pool = make_damm_pool(state, clock=Clock(slot=49, unix_time=10**9))
    with pytest.raises(Rejected, match="not_open"):
        pool.quote(SOL, 10**6)
    assert pool.with_clock(Clock(slot=50)).quote(SOL, 10**6).amount_out


@pytest.mark.parametrize(
    "offset",
    [BASE_FEE_MODE, COLLECT_FEE_MODE, FEE_VERSION, ACTIVATION_TYPE, TOKEN_FLAG_A, TOKEN_FLAG_B],
)
def test_a_mode_that_is_not_known_is_refused(offset: int) -> None:
    pool = create_pool()
    with pytest.raises(Rejected, match="bad_pool"):
        DAMM_V2.decode_pool(
            pool.address,
            patch_account(encode_quote_accounts(pool), pool.address, offset, b"\x09"),
            1,
        )


def test_the_swap_names_its_accounts_in_the_programs_order() -> None:
    pool = create_pool()
    trader = SwapAccounts(*(Pubkey.new_unique() for _ in range(3)))
    instruction = pool.swap_instruction(trader, USDC, 5, 3)
    side_a, side_b = pool.sides
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in instruction.accounts] == [
        (AUTHORITY, False, False),
        (pool.address, False, True),
        (trader.account_in, False, True),
        (trader.account_out, False, True),
        (side_a.vault, False, True),
        (side_b.vault, False, True),
        (SOL, False, False),
        (USDC, False, False),
        (trader.owner, True, False),
        (TOKEN_PROGRAM, False, False),
        (TOKEN_PROGRAM, False, False),
        (DAMM_V2.program, False, False),
        (EVENT_AUTHORITY, False, False),
        (DAMM_V2.program, False, False),
    ]
    assert instruction.data.hex() == "414b3f4ceb5b5b88" + "05" + "00" * 7 + "03" + "00" * 8


@pytest.mark.parametrize(
    ("amount_a", "amount_b", "fee_e9"),
    [
        (0, 1, FEE_E9),
        (1, U64_MAX + 1, FEE_E9),
        (1, U64_MAX, FEE_E9),
        (U64_MAX, 1, FEE_E9),
        (1, 1, 0),
        (1, 1, 990_000_001),
    ],
)
def test_a_pool_that_cannot_be_is_not_created(amount_a: int, amount_b: int, fee_e9: int) -> None:
    with pytest.raises(ValueError, match=r"fee|reserves|price"):
        DAMM_V2.create_pool(SOL, USDC, amount_a, amount_b, fee_e9=fee_e9)


@given(st.integers(10**6, 2**60), st.integers(10**6, 2**60))
def test_a_created_pool_holds_no_more_than_it_was_given(a: int, b: int) -> None:
    pool = create_pool(a, b)
    assert all(0 < has <= given for has, given in zip(pool.pricing.reserves(), (a, b), strict=True))
    assert [side.balance for side in pool.sides] == list(pool.pricing.reserves())


def test_a_price_move_stops_at_the_end_of_the_range() -> None:
    narrow = PriceRange(10**30, Q64, Q64 - Q64 // 100, Q64 + Q64 // 100)
    pool = make_damm_pool(make_damm_state(narrow))
    assert pool.with_price(SOL, 2, 1).pricing.state.sqrt_price == narrow.sqrt_max
    assert pool.with_price(USDC, 2, 1).pricing.state.sqrt_price == narrow.sqrt_min
    assert pool.with_price(SOL, 2, 1).pricing.reserves()[0] == 0


def test_a_constant_product_moves_along_its_curve() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))._replace(
        collect_fee_mode=int(CollectFeeMode.COMPOUNDING)
    )
    pool = make_damm_pool(state)
    a, b = pool.with_price(SOL, 4, 1).pricing.reserves()
    assert a == pytest.approx(5 * 10**11, rel=1e-6)
    assert b == pytest.approx(2 * 10**12, rel=1e-6)
    assert a * b >= state.amount_a * state.amount_b


def test_the_widest_range_is_that_of_the_program() -> None:
    curve = create_full_range(10**12, 10**12)
    assert (curve.sqrt_min, curve.sqrt_max) == (MIN_SQRT_PRICE, MAX_SQRT_PRICE)
    assert curve.spot_price() == (curve.sqrt_price**2, Q128)

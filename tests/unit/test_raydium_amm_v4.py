"""Raydium AMM v4: its curve, its status, and the swaps that the program would refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues import AMM_V4
from backend.venues.raydium.amm_v4.accounts import (
    STATUS_INITIALIZED,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
    derive_authority,
)
from backend.venues.raydium.amm_v4.curve import FeeRate, swap_exact_in, swap_exact_out
from backend.venues.raydium.amm_v4.pool import AmmV4Pool
from backend.venues.spl import TOKEN_PROGRAM, Clock
from backend.venues.venue import SwapAccounts
from tests.pools import SOL, USDC, encode_quote_accounts, patch_account
from tests.strategies import amounts, reserves

AUTHORITY, _ = derive_authority(AMM_V4.program)

NEED_TAKE_PNL_COIN, FEE_DENOMINATOR = 192, 184
rates = st.integers(1, 1_000).map(lambda numerator: FeeRate(numerator, 10_000))


def create_pool(coin: int = 50_000 * 10**9, pc: int = 5_000_000 * 10**6) -> AmmV4Pool:
    return AMM_V4.create_pool(SOL, USDC, coin, pc, fee_e9=2_500_000)


def test_addresses_are_those_of_mainnet() -> None:
    assert str(AUTHORITY) == "5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1"
    assert AMM_V4.derive_pool_address(SOL, USDC) == AMM_V4.derive_pool_address(USDC, SOL)


@given(amounts, reserves, reserves, rates)
def test_k_never_falls(amount: int, x: int, y: int, rate: FeeRate) -> None:
    swap = swap_exact_in(amount, x, y, rate)
    assert (x + amount) * (y - swap.amount_out) >= x * y
    assert swap.amount_out < y
    assert 0 < swap.fee <= amount


@given(amounts, amounts, reserves, reserves, rates)
def test_more_in_never_gives_less_out(
    one: int, another: int, x: int, y: int, rate: FeeRate
) -> None:
    smaller, larger = (swap_exact_in(a, x, y, rate) for a in sorted((one, another)))
    assert smaller.amount_out <= larger.amount_out


@given(amounts, reserves, reserves, rates)
def test_asking_for_the_same_output_never_costs_more(
    amount: int, x: int, y: int, rate: FeeRate
) -> None:
    out = swap_exact_in(amount, x, y, rate).amount_out
    assume(out)
    swap = swap_exact_out(out, x, y, rate)
    assert swap.amount_in <= amount
    assert swap_exact_in(swap.amount_in, x, y, rate).amount_out >= out


@given(amounts, reserves, reserves, rates)
def test_there_and_back_never_profits(amount: int, x: int, y: int, rate: FeeRate) -> None:
    out = swap_exact_in(amount, x, y, rate).amount_out
    assume(out)
    assert swap_exact_in(out, y - out, x + amount, rate).amount_out <= amount


@pytest.mark.parametrize("extra", [0, 1])
def test_a_wanted_output_that_is_not_there_is_refused(extra: int) -> None:
    with pytest.raises(Rejected, match="amount_too_large"):
        swap_exact_out(1_000 + extra, 1_000, 1_000, FeeRate(25, 10_000))


def test_profit_that_is_owed_is_no_reserve() -> None:
    pool = create_pool(1_000_000, 1_000_000)
    owed = (400_000).to_bytes(8, "little")
    accounts = patch_account(encode_quote_accounts(pool), pool.address, NEED_TAKE_PNL_COIN, owed)
    decoded = AMM_V4.decode_pool(pool.address, accounts, 1)
    assert decoded.reserves == (600_000, 1_000_000)
    expected = swap_exact_in(1_000, 600_000, 1_000_000, FeeRate(25, 10_000))
    assert decoded.quote(SOL, 1_000).amount_out == expected.amount_out
    too_much = (1_000_001).to_bytes(8, "little")
    accounts = patch_account(accounts, pool.address, NEED_TAKE_PNL_COIN, too_much)
    with pytest.raises(Rejected, match="bad_pool"):
        AMM_V4.decode_pool(pool.address, accounts, 1)


def test_a_fee_without_a_denominator_is_refused() -> None:
    pool = create_pool()
    accounts = patch_account(encode_quote_accounts(pool), pool.address, FEE_DENOMINATOR, bytes(8))
    with pytest.raises(Rejected, match="bad_pool"):
        AMM_V4.decode_pool(pool.address, accounts, 1)


@pytest.mark.parametrize(
    ("status", "after"),
    [
        (STATUS_INITIALIZED, STATUS_INITIALIZED),
        (STATUS_SWAP_ONLY, STATUS_SWAP_ONLY),
        (STATUS_WAITING_TRADE, STATUS_SWAP_ONLY),
    ],
)
def test_the_first_swap_ends_the_waiting(status: int, after: int) -> None:
    pool = create_pool()
    pool = replace(pool, state=pool.state._replace(status=status, open_time=100))
    _, swapped = pool.with_clock(Clock(unix_time=100)).after_swap(SOL, 10**9)
    assert swapped.state.status == after


@pytest.mark.parametrize("mint", [SOL, USDC])
def test_a_swap_is_added_to_the_pools_totals(mint: Pubkey) -> None:
    pool = create_pool()
    out, after = pool.after_swap(mint, 10**9)
    s, fee = after.state, pool.quote(mint, 10**9).fees[0]
    sold = (s.coin_in, s.pc_out, s.coin_fee)
    bought = (s.pc_in, s.coin_out, s.pc_fee)
    assert (sold, bought) == (
        ((10**9, out, fee), (0, 0, 0)) if mint == SOL else ((0, 0, 0), (10**9, out, fee))
    )
    assert [side.balance for side in after.sides] == [
        side.balance + (10**9 if side.mint == mint else -out) for side in pool.sides
    ]


def test_an_empty_pool_is_refused() -> None:
    pool = create_pool(1_000, 1_000)
    empty = replace(pool, sides=(pool.sides[0].with_balance_change(-1_000), pool.sides[1]))
    for attempt in (lambda: empty.quote(USDC, 10), lambda: empty.marginal_price(USDC)):
        with pytest.raises(Rejected, match="no_liquidity"):
            attempt()


def test_the_swap_names_its_accounts_in_the_programs_order() -> None:
    pool = create_pool()
    trader = SwapAccounts(*(Pubkey.new_unique() for _ in range(3)))
    instruction = pool.swap_instruction(trader, USDC, 5, 3)
    coin, pc = pool.sides
    assert [(meta.pubkey, meta.is_signer, meta.is_writable) for meta in instruction.accounts] == [
        (TOKEN_PROGRAM, False, False),
        (pool.address, False, True),
        (AUTHORITY, False, False),
        (coin.vault, False, True),
        (pc.vault, False, True),
        (trader.account_in, False, True),
        (trader.account_out, False, True),
        (trader.owner, True, False),
    ]
    assert instruction.data.hex() == "10" + "05" + "00" * 7 + "03" + "00" * 7


def test_a_state_that_is_better_for_the_trader_pays_at_least_as_much() -> None:
    pool = create_pool()
    cheaper = pool.with_price(SOL, 90, 1_000)
    assert pool.pays_at_least(cheaper, SOL)
    assert not cheaper.pays_at_least(pool, SOL)
    assert cheaper.pays_at_least(pool, USDC)
    assert pool.has_flat_fee(SOL)


@pytest.mark.parametrize(
    ("amount_a", "amount_b", "fee_e9"), [(0, 1, 25), (1, 2**64, 25), (1, 1, 0), (1, 1, 10**9)]
)
def test_a_pool_that_cannot_be_is_not_created(amount_a: int, amount_b: int, fee_e9: int) -> None:
    with pytest.raises(ValueError, match=r"fee|reserves"):
        AMM_V4.create_pool(SOL, USDC, amount_a, amount_b, fee_e9=fee_e9)

"""The contract of every venue: one specification, run against all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.domain.quotes import Quote
from backend.venues import DAMM_V2, MAINNET_VENUES
from backend.venues.spl import (
    SYSVAR_OWNER,
    Clock,
    make_token_account,
)
from backend.venues.venue import SwapAccounts
from tests.contract.venue_cases import (
    CASES,
    ONE_SOL,
    Case,
    encode_quote_accounts,
    get_own_account,
)
from tests.pools import NOW, SOL, USDC, patch_account


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    param: Case = request.param
    return param


def test_every_venue_has_a_case() -> None:
    assert {*MAINNET_VENUES.all, *MAINNET_VENUES.hosted} <= {case.venue for case in CASES}
    assert len({(case.venue.dex, case.venue.name) for case in CASES}) == len(CASES)
    assert all(MAINNET_VENUES.by_program[venue.program] is venue for venue in MAINNET_VENUES.hosted)


def test_a_quote_is_of_the_slot_and_the_price_after_the_fee(case: Case) -> None:
    pool = case.venue.decode_pool(
        case.create_pool().address, encode_quote_accounts(case.create_pool()), 71
    )
    quote = pool.quote(SOL, ONE_SOL)
    # 100 USDC, less the fee, less an impact of 1 SOL on 50,000.
    expected = 100_000_000 * (10**9 - case.fee_e9) // 10**9
    step = expected * case.price_step_bps // 10_000
    assert -step <= expected - quote.amount_out <= expected // 50_000 + 2 + step
    low, high = case.impact_e9
    assert low <= quote.price_impact_e9 <= high
    assert quote == Quote(
        case.venue.dex,
        case.venue.name,
        str(case.create_pool().address),
        ONE_SOL,
        quote.amount_out,
        case.fee_e9,
        quote.price_impact_e9,
        71,
        quote.fees,
    )
    fee_in, fee_out = quote.fees
    assert fee_in in {0, -(-ONE_SOL * case.fee_e9 // 10**9)}
    assert fee_out in {0, -(-(quote.amount_out + fee_out) * case.fee_e9 // 10**9)}
    assert (fee_in > 0) != (fee_out > 0)


@pytest.mark.parametrize("mint", [SOL, USDC])
def test_the_marginal_price_is_the_limit_of_small_amounts(case: Case, mint: Pubkey) -> None:
    pool = case.create_pool()
    price, amount = pool.marginal_price(mint), 10**8
    limit = Fraction(price.numerator, price.denominator) * amount
    assert limit * Fraction(9_999, 10_000) < pool.quote(mint, amount).amount_out <= limit


@pytest.mark.parametrize("mint", [SOL, USDC])
def test_a_swap_pays_the_quote_and_moves_the_price_against_the_next(
    case: Case, mint: Pubkey
) -> None:
    pool = case.create_pool()
    quote = pool.quote(mint, 10**10)
    out, after = pool.after_swap(mint, 10**10)
    assert out == quote.amount_out
    assert after.quote(mint, 10**10).amount_out < out
    assert pool.quote(mint, 10**10) == quote, "a pool does not change"


def test_the_default_pool_does_not_depend_on_the_order_of_its_tokens(case: Case) -> None:
    address = case.venue.derive_pool_address(SOL, USDC)
    assert address == case.venue.derive_pool_address(USDC, SOL) == case.create_pool().address


def test_both_tokens_have_a_token_program(case: Case) -> None:
    pool = case.create_pool()
    assert sorted(map(bytes, pool.mints)) == sorted([bytes(SOL), bytes(USDC)])
    assert pool.token_program(SOL) == pool.token_program(USDC)


def test_a_pool_of_another_program_is_refused(case: Case) -> None:
    address, account = get_own_account(case)
    foreign = replace(account, owner=SYSVAR_OWNER)
    for attempt in (
        lambda: case.venue.list_accounts(address, foreign),
        lambda: case.venue.decode_pool(
            address, {**encode_quote_accounts(case.create_pool()), address: foreign}, 1
        ),
    ):
        with pytest.raises(Rejected) as refusal:
            attempt()
        assert refusal.value.code == "bad_pool"


def test_an_account_of_another_kind_is_refused(case: Case) -> None:
    pool = case.create_pool()
    accounts = patch_account(encode_quote_accounts(pool), pool.address, 0, bytes(8))
    with pytest.raises(Rejected, match="bad_pool"):
        case.venue.decode_pool(pool.address, accounts, 1)


def test_a_short_account_is_refused_and_a_longer_one_is_not(case: Case) -> None:
    address, account = get_own_account(case)
    assert len(account.data) == case.size
    with pytest.raises(Rejected, match="bad_pool"):
        case.venue.list_accounts(address, replace(account, data=account.data[:-1]))
    longer = replace(account, data=account.data + b"later")
    again = case.venue.decode_pool(
        address, {**encode_quote_accounts(case.create_pool()), address: longer}, 1
    )
    assert again.quote(SOL, ONE_SOL).amount_out == case.create_pool().quote(SOL, ONE_SOL).amount_out


def test_a_disabled_pool_is_refused(case: Case) -> None:
    pool = case.create_pool()
    accounts = patch_account(
        encode_quote_accounts(pool), pool.address, case.status_offset, bytes([case.status_disabled])
    )
    with pytest.raises(Rejected, match="pool_disabled"):
        case.venue.decode_pool(pool.address, accounts, 1).quote(SOL, ONE_SOL)


@pytest.mark.parametrize(("now", "is_open"), [(999, False), (1_000, True)])
def test_a_pool_opens_at_its_time(case: Case, now: int, is_open: bool) -> None:
    pool = case.create_pool(open_time=1_000 - case.opens_late_s)
    decoded = case.venue.decode_pool(
        pool.address, encode_quote_accounts(pool, Clock(unix_time=now)), 1
    )
    if is_open:
        assert decoded.quote(SOL, ONE_SOL).amount_out
        return
    with pytest.raises(Rejected, match="not_open"):
        decoded.quote(SOL, ONE_SOL)


@pytest.mark.parametrize("amount", [-1, 0, 1])
def test_an_amount_that_pays_nothing_is_refused(case: Case, amount: int) -> None:
    with pytest.raises(Rejected, match="zero_output"):
        case.create_pool().quote(SOL, amount)


@pytest.mark.parametrize("amount", [U64_MAX, U64_MAX + 1])
def test_an_amount_that_is_too_large_is_refused(case: Case, amount: int) -> None:
    with pytest.raises(Rejected, match="amount_too_large"):
        case.create_pool().quote(SOL, amount)


def test_a_token_that_is_not_the_pools_is_refused(case: Case) -> None:
    stranger = Pubkey.new_unique()
    with pytest.raises(Rejected, match="bad_pool"):
        case.create_pool().quote(stranger, ONE_SOL)
    with pytest.raises(Rejected, match="bad_pool"):
        case.create_pool().token_program(stranger)


def test_a_moved_price_is_the_price(case: Case) -> None:
    pool = case.create_pool().with_price(SOL, 98_000_000, ONE_SOL)
    out = pool.quote(SOL, ONE_SOL).amount_out
    fair = 98_000_000 * (10**9 - case.fee_e9) // 10**9
    step = fair * case.price_step_bps // 10_000
    assert -step <= fair - out <= fair // 40_000 + step


@pytest.mark.parametrize(
    ("one_at", "other_at", "pays_at_least"),
    [(1_000, 1_001, True), (1_001, 1_000, True), (999, 1_001, False)],
)
def test_an_open_pool_pays_at_least_what_a_lower_one_pays_whichever_is_newer(
    case: Case, one_at: int, other_at: int, *, pays_at_least: bool
) -> None:
    pool = case.create_pool(open_time=1_000)
    one = pool.with_clock(replace(NOW, unix_time=one_at))
    other = pool.with_clock(replace(NOW, unix_time=other_at)).with_price(SOL, 99, 1_000)
    # Of several curves only an equal state is said to pay as much.
    assert one.pays_at_least(other, SOL) == (pays_at_least and pool.is_single_curve)
    assert not other.pays_at_least(one, SOL)


def test_an_instruction_that_is_no_such_swap_is_refused(case: Case) -> None:
    pool = case.create_pool()
    trader = SwapAccounts(Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique())
    instruction = pool.swap_instruction(trader, SOL, 5, 1)
    keys = [meta.pubkey for meta in instruction.accounts]
    accounts = {trader.account_in: make_token_account(SOL, trader.owner, 5)}
    assert case.venue.parse_swap(keys, instruction.data, accounts).pool == pool.address
    for bad_keys, bad_data in (
        (keys[:7], instruction.data),
        (keys, instruction.data[:-1]),
        (keys, b"\0" * 8 + instruction.data[8:]),
    ):
        with pytest.raises(Rejected, match="bad_instruction"):
            case.venue.parse_swap(bad_keys, bad_data, accounts)


def test_a_swap_of_an_account_that_is_not_there_has_no_direction() -> None:
    pool = CASES[1].create_pool()
    trader = SwapAccounts(Pubkey.new_unique(), Pubkey.new_unique(), Pubkey.new_unique())
    instruction = pool.swap_instruction(trader, SOL, 5, 1)
    keys = [meta.pubkey for meta in instruction.accounts]
    with pytest.raises(Rejected, match="bad_instruction"):
        DAMM_V2.parse_swap(keys, instruction.data, {})

"""How every venue creates pools, finds them, and shows what they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from backend.simulator.chain.launches import LaunchedMint
from backend.venues.spl import TOKEN_2022_PROGRAM, Clock
from tests.contract.venue_cases import CASES, NOW, Case, get_own_account
from tests.pools import SOL, USDC


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    param: Case = request.param
    return param


@pytest.mark.parametrize("locked_bps", [0, 2_500, 10_000])
def test_a_pool_shows_its_reserve_its_locked_liquidity_and_its_age(
    case: Case, locked_bps: int
) -> None:
    pool = case.venue.create_pool(
        SOL, USDC, 10**12, 10**11, fee_e9=3_000_000, open_time=1_000, locked_bps=locked_bps
    ).with_clock(Clock(unix_time=1_060))
    accounts = case.venue.encode_lp_mint(pool.address, pool.lp_supply, locked_bps)
    assert set(pool.list_trait_accounts()) == set(accounts)
    traits = pool.read_traits(SOL, accounts)
    expected = 10**12 * case.reserve_bps // 10_000
    assert abs(traits.reserve_in - expected) <= (10**6 if expected == 10**12 else 10**8)
    assert traits.age_s == 60
    if not case.shows_locked:
        assert traits.locked_bps is None
        return
    assert traits.locked_bps is not None
    assert locked_bps - 1 <= traits.locked_bps <= locked_bps
    if accounts:
        assert pool.read_traits(SOL, {}).locked_bps is None


def test_a_pool_without_a_time_of_opening_shows_no_age(case: Case) -> None:
    traits = case.create_pool().read_traits(SOL, {})
    assert traits.age_s in {None, NOW.unix_time}, "where the program sets no time, none is known"


def test_the_search_finds_the_pools_of_two_tokens(case: Case) -> None:
    _, account = get_own_account(case)
    search = case.venue.search
    assert search.data_size == len(account.data) == case.size
    assert {account.data[at : at + 32] for at in search.mint_offsets} == {bytes(SOL), bytes(USDC)}
    assert [account.data[at : at + 32] for at in search.mint_offsets] == list(
        map(bytes, case.create_pool().mints)
    )


def test_pools_at_other_addresses_share_no_account_that_a_swap_writes(case: Case) -> None:
    one, other = (
        case.venue.create_pool(
            SOL, USDC, 10**12, 10**11, fee_e9=fee_e9, address=Pubkey(bytes([mark] * 32))
        ).with_clock(NOW)
        for mark, fee_e9 in ((1, 1_000_000), (2, 4_000_000))
    )
    assert [one.address, other.address] == [Pubkey(bytes([mark] * 32)) for mark in (1, 2)]
    shared = one.encode_accounts().keys() & other.encode_accounts().keys()
    assert not shared
    assert not set(one.list_trait_accounts()) & set(other.list_trait_accounts())
    accounts = {**one.encode_quote_accounts(), **other.encode_quote_accounts()}
    for pool, fee_e9 in ((one, 1_000_000), (other, 4_000_000)):
        decoded = case.venue.decode_pool(pool.address, accounts, 1)
        quote = decoded.quote(SOL, 10**6)
        assert quote == replace(pool.quote(SOL, 10**6), slot=1)
        assert quote.fee_e9 == fee_e9


@pytest.mark.parametrize("mint_in", [SOL, USDC])
def test_a_transfer_fee_is_part_of_the_quote(case: Case, mint_in: Pubkey) -> None:
    token = LaunchedMint(1, 6, transfer_fee_bps=100, transfer_fee_max=10**7)
    mints = {USDC: token.encode()}
    if not case.takes_token_2022:
        with pytest.raises(ValueError, match="Token-2022"):
            case.venue.create_pool(
                SOL, USDC, 10**14, 10**13, fee_e9=case.fee_e9, address=None, mints=mints
            )
        return
    free = case.venue.create_pool(SOL, USDC, 10**14, 10**13, fee_e9=case.fee_e9).with_clock(NOW)
    pool = case.venue.create_pool(SOL, USDC, 10**14, 10**13, fee_e9=case.fee_e9, mints=mints)
    pool = pool.with_clock(NOW)
    assert pool.token_program(USDC) == TOKEN_2022_PROGRAM
    accounts = pool.encode_quote_accounts()
    assert USDC in case.venue.list_accounts(pool.address, pool.encode_accounts()[pool.address])
    decoded = case.venue.decode_pool(pool.address, accounts, 1)
    for amount in (10**6, 10**10):
        out = decoded.quote(mint_in, amount).amount_out
        withheld = min(amount // 100, 10**7)
        if mint_in == USDC:
            assert out == free.quote(USDC, amount - withheld).amount_out
        else:
            full = free.quote(SOL, amount).amount_out
            assert out == full - min(-(-full // 100), 10**7)
        paid, after = decoded.after_swap(mint_in, amount)
        assert paid == out
        again = case.venue.decode_pool(pool.address, after.encode_quote_accounts(), 1)
        assert again.quote(SOL, 10**8).amount_out == after.quote(SOL, 10**8).amount_out

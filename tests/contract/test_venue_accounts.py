"""How every venue names the accounts that its quotes and swaps need."""

from __future__ import annotations

from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.hosting import HostedPool
from backend.venues.spl import CLOCK_SYSVAR, SYSVAR_OWNER
from backend.venues.venue import AccountsMissing
from tests.contract.venue_cases import (
    CASES,
    ONE_SOL,
    TRADER,
    Case,
    get_own_account,
    read_accounts,
)
from tests.pools import SOL, USDC


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    param: Case = request.param
    return param


def test_the_accounts_of_a_pool_are_all_that_decoding_needs(case: Case) -> None:
    pool = case.create_pool()
    named = case.venue.list_accounts(*get_own_account(case))
    guessed = case.venue.guess_accounts(pool.address, read_accounts(pool, [pool.address]))
    assert len({*named, *guessed}) == len(named) + len(guessed)
    assert len(guessed) <= 8, "the accounts of many pools have to fit one read"
    only = read_accounts(pool, [*named, *guessed])
    assert case.venue.decode_pool(pool.address, only, 1).quote(SOL, ONE_SOL).amount_out
    for key in named[: case.needed]:
        with pytest.raises(Rejected) as refusal:
            case.venue.decode_pool(pool.address, {**only, key: None}, 1)
        assert refusal.value.code == ("no_pool" if key == pool.address else "bad_pool")


def read_until_quoted(
    case: Case, pool: HostedPool, mint: Pubkey, amount: int
) -> tuple[list[Pubkey], int]:
    """The keys that a quote needs, from the fixed ones on, and how often it named missing ones."""
    keys = list(case.venue.list_accounts(*get_own_account(case)))
    for rounds in range(6):
        decoded = case.venue.decode_pool(pool.address, read_accounts(pool, keys), 1)
        try:
            decoded.quote(mint, amount)
        except AccountsMissing as error:
            keys += error.keys
        else:
            return keys, rounds
    raise AssertionError("the quote does not end")


@pytest.mark.parametrize("mint", [SOL, USDC])
@pytest.mark.parametrize("share", [1_000_000, 100, 10])
def test_a_quote_names_the_accounts_that_it_misses_until_it_has_them(
    case: Case, mint: Pubkey, share: int
) -> None:
    pool, venue = case.create_pool(), case.venue
    amount = (50_000 * ONE_SOL if mint == SOL else 5_000_000 * 10**6) // share
    keys, rounds = read_until_quoted(case, pool, mint, amount)
    assert len(set(keys)) == len(keys), "what was read is not missing"
    decoded = venue.decode_pool(pool.address, read_accounts(pool, keys), 1)
    assert decoded.quote(mint, amount).amount_out == pool.quote(mint, amount).amount_out
    assert (rounds > 0) == bool(
        venue.guess_accounts(pool.address, read_accounts(pool, [pool.address]))
    )
    named = [meta.pubkey for meta in pool.swap_instruction(TRADER, mint, amount, 1).accounts]
    needed = pool.list_swap_accounts(mint, amount)
    assert [key for key in named if key in needed] == list(needed)
    assert {*needed} <= {*keys}


@pytest.mark.parametrize("mint", [SOL, USDC])
def test_a_pool_survives_swaps_encoding_and_decoding(case: Case, mint: Pubkey) -> None:
    pool = case.create_pool()
    for amount in (10**8, 10**11):
        _, pool = pool.after_swap(mint, amount)
        decoded = case.venue.decode_pool(pool.address, pool.encode_quote_accounts(), 1)
        # Arrays far from the price are not decoded.
        encoded = decoded.encode_quote_accounts()
        assert encoded.items() <= pool.encode_quote_accounts().items()
        assert pool.address in encoded
        for other in (SOL, USDC):
            assert decoded.quote(other, 10**10).amount_out == pool.quote(other, 10**10).amount_out


def test_bytes_that_no_layout_names_survive(case: Case) -> None:
    pool = case.create_pool()
    accounts = {
        key: account and replace(account, data=account.data + b"later")
        for key, account in pool.encode_quote_accounts().items()
    }
    decoded = case.venue.decode_pool(pool.address, accounts, 1)
    _, after = decoded.after_swap(SOL, ONE_SOL)
    for key, account in after.encode_quote_accounts().items():
        assert account is not None
        assert account.data.endswith(b"later") or key == CLOCK_SYSVAR


def test_state_accounts_of_another_program_are_refused(case: Case) -> None:
    pool = case.create_pool()
    accounts = pool.encode_quote_accounts()
    for key in case.venue.guess_accounts(pool.address, accounts):
        account = accounts[key]
        assert account is not None
        foreign = {**accounts, key: replace(account, owner=SYSVAR_OWNER)}
        with pytest.raises(Rejected, match="bad_pool"):
            case.venue.decode_pool(pool.address, foreign, 1)


def test_no_pool_has_no_accounts_to_guess(case: Case) -> None:
    address = case.create_pool().address
    if not case.venue.guess_accounts(address, case.create_pool().encode_quote_accounts()):
        assert case.venue.guess_accounts(address, {}) == ()
        return
    with pytest.raises(Rejected, match="no_pool"):
        case.venue.guess_accounts(address, {})

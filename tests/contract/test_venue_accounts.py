"""How every venue names the accounts that its quotes and swaps need."""

from __future__ import annotations

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.hosting import HostedPool
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

"""Mints of both token programs, as the programs encode them.

The extended mint has the values of the sample that Token-2022's own tests unpack: the base record,
padding up to the size of a token account, the account type, then the extensions.
"""

from __future__ import annotations

import pytest
from solders.pubkey import Pubkey
from solders.token.state import Mint as SoldersMint

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.venues.layout import compute_rent_exemption
from backend.venues.mint import MintFacts, read_mint
from backend.venues.spl import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, TransferFee, make_account
from backend.venues.venue import Account
from tests.unit.test_spl import make_fee_config, make_token_2022_mint

ADDRESS, MINTER, FREEZER = (Pubkey(bytes([mark] * 32)) for mark in (9, 1, 2))
BASE = b"\1\0\0\0" + bytes(MINTER) + (42).to_bytes(8, "little") + b"\7\1\1\0\0\0" + bytes(FREEZER)
CLOSE_AUTHORITY = b"\3\0\x20\0" + bytes([1] * 32)


def make_mint(data: bytes, program: Pubkey = TOKEN_PROGRAM) -> Account:
    return make_account(program, data)


def test_a_mint_with_authorities_is_read_as_the_program_packs_it() -> None:
    assert read_mint(ADDRESS, make_mint(BASE), 0) == MintFacts(
        TOKEN_PROGRAM, 7, 42, MINTER, FREEZER, None
    )


def test_a_mint_with_an_extension_is_read_as_token_2022_packs_it() -> None:
    data = BASE.ljust(165, b"\0") + b"\1" + CLOSE_AUTHORITY
    facts = read_mint(ADDRESS, make_mint(data, TOKEN_2022_PROGRAM), 0)
    assert facts == MintFacts(TOKEN_2022_PROGRAM, 7, 42, MINTER, FREEZER, None)


@pytest.mark.parametrize("minter", [None, MINTER])
@pytest.mark.parametrize("freezer", [None, FREEZER])
def test_authorities_are_those_that_solders_encodes(
    minter: Pubkey | None, freezer: Pubkey | None
) -> None:
    data = bytes(SoldersMint(minter, U64_MAX, 9, is_initialized=True, freeze_authority=freezer))
    facts = read_mint(ADDRESS, make_mint(data), 0)
    assert (facts.mint_authority, facts.freeze_authority) == (minter, freezer)
    assert (facts.decimals, facts.supply) == (9, U64_MAX)


def test_the_transfer_fee_is_that_of_the_epoch() -> None:
    older, newer = TransferFee(1_000, 50), TransferFee(2_000, 700)
    account = make_token_2022_mint((1, make_fee_config(older, newer, 10)))
    assert read_mint(ADDRESS, account, 9).transfer_fee == older
    assert read_mint(ADDRESS, account, 10).transfer_fee == newer


@pytest.mark.parametrize(
    "account",
    [
        None,
        make_mint(BASE[:-1]),
        make_mint(b""),
        Account(ADDRESS, compute_rent_exemption(82), BASE),
    ],
)
def test_what_is_no_mint_is_refused(account: Account | None) -> None:
    with pytest.raises(Rejected) as refusal:
        read_mint(ADDRESS, account, 0)
    assert refusal.value.code == "invalid_mint"


def test_a_mint_with_a_hook_is_refused() -> None:
    with pytest.raises(Rejected, match="unsupported_mint"):
        read_mint(ADDRESS, make_token_2022_mint((14, bytes([1] * 64))), 0)

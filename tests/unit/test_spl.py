"""Token accounts, mints, transfer fees and the clock, compared with how solders decodes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from solders.pubkey import Pubkey
from solders.token.associated import get_associated_token_address
from solders.token.state import Mint as SoldersMint
from solders.token.state import TokenAccount as SoldersTokenAccount

from backend.domain.amounts import U64_MAX
from backend.domain.errors import Rejected
from backend.venues.layout import compute_rent_exemption
from backend.venues.pool_side import read_pool_side
from backend.venues.spl import (
    CLOCK,
    MINT,
    NATIVE_MINT,
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    Clock,
    Mint,
    TokenAccount,
    TransferFee,
    derive_ata,
    make_account,
    make_token_account,
    may_be_restricted,
    read_transfer_fee,
    require_transfers,
    with_amount,
)
from backend.venues.venue import Account
from tests.pools import USDC

OWNER = Pubkey.from_string("4Nd1mYwJvzj6Y3qJQ9fGq1vL4C6sGqV8m3y2qkQkJv1T")


def make_token_2022_mint(*extensions: tuple[int, bytes]) -> Account:
    """A Token-2022 mint with ``extensions``."""
    data = MINT.write(Mint(supply=10**9, decimals=6)).ljust(165, b"\0")
    if extensions:
        data += b"\x01"
    else:
        data = data[:82]
    for kind, value in extensions:
        data += kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
    return make_account(TOKEN_2022_PROGRAM, data)


def make_fee_config(older: TransferFee, newer: TransferFee, newer_from: int) -> bytes:
    """The configuration of the transfer fee extension."""

    def fee(start: int, value: TransferFee) -> bytes:
        return b"".join(
            number.to_bytes(size, "little")
            for number, size in ((start, 8), (value.maximum, 8), (value.bps, 2))
        )

    return bytes(72) + fee(0, older) + fee(newer_from, newer)


def test_an_associated_account_is_where_the_program_puts_it() -> None:
    assert derive_ata(OWNER, USDC) == get_associated_token_address(OWNER, USDC)
    assert derive_ata(OWNER, USDC, TOKEN_2022_PROGRAM) == get_associated_token_address(
        OWNER, USDC, TOKEN_2022_PROGRAM
    )


def test_a_token_account_is_what_others_read() -> None:
    account = make_token_account(USDC, OWNER, 12_345)
    theirs = SoldersTokenAccount.from_bytes(account.data)
    assert (theirs.mint, theirs.owner, theirs.amount) == (USDC, OWNER, 12_345)
    assert theirs.is_native is None
    assert account.owner == TOKEN_PROGRAM
    assert account.lamports == compute_rent_exemption(165) == 2_039_280


def test_a_wrapped_sol_account_holds_its_amount_in_lamports() -> None:
    account = make_token_account(NATIVE_MINT, OWNER, 500)
    assert account.lamports == 2_039_280 + 500
    assert SoldersTokenAccount.from_bytes(account.data).is_native == 2_039_280
    assert with_amount(account, 700).lamports == 2_039_280 + 700


def test_only_the_amount_of_a_token_account_changes() -> None:
    account = make_token_account(USDC, OWNER, 500)
    longer = replace(account, data=account.data + b"\x02\x07\x00\x00\x00")
    changed = with_amount(longer, 700)
    assert TOKEN_ACCOUNT.read(changed.data) == TokenAccount(USDC, OWNER, 700)
    assert changed.data[165:] == longer.data[165:]
    assert changed.lamports == account.lamports
    assert with_amount(longer, 500) is longer


def test_a_mint_is_what_others_read() -> None:
    theirs = SoldersMint.from_bytes(MINT.write(Mint(supply=77, decimals=6)))
    assert (theirs.supply, theirs.decimals, theirs.is_initialized) == (77, 6, True)


def test_the_clock_may_be_before_1970() -> None:
    clock = Clock(5, -1, 7, 8, -9)
    assert CLOCK.read(CLOCK.write(clock)) == clock
    assert len(CLOCK.write(clock)) == 40


@pytest.mark.parametrize(
    ("bps", "maximum", "amount", "withheld"),
    [
        (0, 1_000, 10**6, 0),
        (200, 1_000, 0, 0),
        (200, 1_000, 1, 1),
        (200, 1_000, 1_945, 39),
        (200, 1_000, 50_001, 1_000),
        (10_000, 1_000, 5, 5),
        (10_000, U64_MAX, 5, 5),
        (10_000, 1_000, 5_000, 1_000),
    ],
)
def test_the_transfer_fee_is_rounded_up_to_its_maximum(
    bps: int, maximum: int, amount: int, withheld: int
) -> None:
    assert TransferFee(maximum, bps).compute(amount) == withheld


@pytest.mark.parametrize(("epoch", "bps"), [(9, 100), (10, 200), (11, 200)])
def test_the_newer_fee_counts_from_its_epoch(epoch: int, bps: int) -> None:
    config = make_fee_config(TransferFee(5, 100), TransferFee(6, 200), 10)
    fee = read_transfer_fee(USDC, make_token_2022_mint((1, config)), epoch)
    assert fee is not None
    assert fee.bps == bps


@pytest.mark.parametrize(
    "mint",
    [
        make_account(TOKEN_PROGRAM, MINT.write(Mint(1, 6))),
        make_token_2022_mint(),
        make_token_2022_mint(
            (18, bytes(64)), (19, b"name"), (12, bytes([1]) * 32), (10, bytes([1]) * 52)
        ),
        make_token_2022_mint(
            (14, bytes(64)), (4, bytes(65)), (6, b"\x01"), (26, bytes([1]) * 32 + b"\0")
        ),
        # An authority may name a hook later, and confidential transfers are others.
        make_token_2022_mint((14, bytes(OWNER) + bytes(32)), (4, bytes(OWNER) + b"\1" + bytes(32))),
        make_token_2022_mint((16, bytes(OWNER) + bytes([1]) * 97), (24, bytes(196))),
        make_token_2022_mint((3, bytes(32)), (0, b"")),
    ],
)
def test_a_mint_that_changes_no_transfer_is_supported(mint: Account) -> None:
    assert read_transfer_fee(USDC, mint, 0) is None


@pytest.mark.parametrize(
    "mint",
    [
        None,
        make_account(OWNER, MINT.write(Mint(1, 6))),
        make_account(TOKEN_PROGRAM, MINT.write(Mint(1, 6, is_initialized=0))),
        make_token_2022_mint((14, bytes(32) + bytes(OWNER))),
        make_token_2022_mint((14, bytes(32))),
        make_token_2022_mint((24, bytes(OWNER) + bytes(64))),
        make_token_2022_mint((6, b"\x02")),
        make_token_2022_mint((26, bytes(32) + b"\x01")),
        make_token_2022_mint((9, b"")),
        make_token_2022_mint((999, b"")),
        replace(
            make_token_2022_mint((18, bytes(64))),
            data=make_token_2022_mint((18, bytes(64))).data[:-1],
        ),
        make_account(TOKEN_2022_PROGRAM, make_token_2022_mint((18, b"")).data[:165]),
        make_account(TOKEN_2022_PROGRAM, MINT.write(Mint(1, 6)).ljust(166, b"\x02")),
    ],
)
def test_a_mint_that_may_change_a_transfer_is_refused(mint: Account | None) -> None:
    with pytest.raises(Rejected) as refusal:
        read_transfer_fee(USDC, mint, 0)
    assert refusal.value.code == "unsupported_mint"


ACCOUNT = make_token_account(USDC, OWNER, 5, TOKEN_2022_PROGRAM)


def make_extended_account(kind: int, value: bytes) -> Account:
    """A token account of Token-2022 with its owner's seal, as all have it, and an extension."""
    seal = b"\7\0\0\0"
    entry = kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
    return replace(ACCOUNT, data=ACCOUNT.data + b"\2" + seal + entry)


def freeze(account: Account) -> Account:
    record = replace(TOKEN_ACCOUNT.read(account.data), state=2)
    return replace(account, data=TOKEN_ACCOUNT.write(record, account.data))


CONFIDENTIAL = bytes([1]) * 262
RESTRICTIONS: list[tuple[Account, str | None, str | None]] = [
    (ACCOUNT, None, None),
    (freeze(ACCOUNT), "account_frozen", "account_frozen"),
    (freeze(make_extended_account(2, bytes(8))), "account_frozen", "account_frozen"),
    (make_extended_account(8, b"\1"), None, "memo_required"),
    (make_extended_account(8, b"\0"), None, None),
    (make_extended_account(11, b"\1"), "cpi_guard", None),
    (make_extended_account(11, b"\0"), None, None),
    (make_extended_account(5, CONFIDENTIAL + b"\0" + bytes(32)), None, "confidential_only"),
    (make_extended_account(5, CONFIDENTIAL + b"\1" + bytes(32)), None, None),
    (make_extended_account(2, bytes(8)), None, None),
]


@pytest.mark.parametrize(("account", "debit", "credit"), RESTRICTIONS)
def test_what_keeps_a_program_from_transfers_has_a_name(
    account: Account, debit: str | None, credit: str | None
) -> None:
    for is_debit, expected in ((True, debit), (False, credit)):
        code = None
        try:
            require_transfers(account, is_debit=is_debit)
        except Rejected as refusal:
            code = refusal.code
        assert code == expected
        assert may_be_restricted(account) or code is None


def test_a_token_2022_side_charges_for_transfers_by_its_epoch() -> None:
    config = make_fee_config(TransferFee(10, 0), TransferFee(10, 100), 4)
    vault = Pubkey.new_unique()
    accounts = {
        vault: make_token_account(USDC, OWNER, 500, TOKEN_2022_PROGRAM),
        USDC: make_token_2022_mint((1, config)),
    }
    side = read_pool_side(USDC, TOKEN_2022_PROGRAM, vault, OWNER, accounts, 3)
    assert side.compute_received(500) == 500
    assert side.with_epoch(4).compute_received(500) == 495
    assert side.with_epoch(4).compute_received(1) == 0


@pytest.mark.parametrize(
    "vault",
    [
        None,
        make_account(OWNER, make_token_account(USDC, OWNER, 1).data),
        make_token_account(NATIVE_MINT, OWNER, 1),
        make_token_account(USDC, USDC, 1),
        make_account(TOKEN_PROGRAM, TOKEN_ACCOUNT.write(TokenAccount(USDC, OWNER, 1, state=2))),
        make_account(TOKEN_PROGRAM, bytes(164)),
    ],
)
def test_a_vault_that_is_not_the_pools_is_refused(vault: Account | None) -> None:
    address = Pubkey.new_unique()
    with pytest.raises(Rejected) as refusal:
        read_pool_side(USDC, TOKEN_PROGRAM, address, OWNER, {address: vault}, 0)
    assert refusal.value.code == "bad_pool"

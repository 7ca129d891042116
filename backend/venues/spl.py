"""The parts of the token programs that swaps use: token accounts, mints, transfer fees, the clock.

A mint of Token-2022 can change the effect of a transfer. Extensions that change nothing are
ignored, the transfer fee is computed, and every other extension, known or unknown, makes the mint
unsupported: no quote is better than one that could be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, ceil_div
from backend.domain.errors import Rejected
from backend.venues.layout import Layout, compute_rent_exemption, i64, key, u8, u16, u32, u64
from backend.venues.venue import Account

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})
ATA_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
SYSTEM_PROGRAM = Pubkey.from_string("11111111111111111111111111111111")
NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")
SYSVAR_OWNER = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")
CLOCK_SYSVAR = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
INSTRUCTIONS_SYSVAR = Pubkey.from_string("Sysvar1nstructions1111111111111111111111111")

_STATE_INITIALIZED = 1


def derive_ata(owner: Pubkey, mint: Pubkey, token_program: Pubkey = TOKEN_PROGRAM) -> Pubkey:
    """Derive the address of the associated token account of ``owner`` for ``mint``."""
    seeds = [bytes(owner), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ATA_PROGRAM)[0]


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock sysvar, which determines fees and opening times."""

    slot: Annotated[int, u64(0)] = 0
    epoch_start: Annotated[int, i64(8)] = 0
    epoch: Annotated[int, u64(16)] = 0
    leader_epoch: Annotated[int, u64(24)] = 0
    unix_time: Annotated[int, i64(32)] = 0


CLOCK = Layout(Clock, "clock", 40)


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A token account. ``native_reserve`` is the rent reserve of a wrapped SOL account."""

    mint: Annotated[Pubkey, key(0)]
    owner: Annotated[Pubkey, key(32)]
    amount: Annotated[int, u64(64)] = 0
    state: Annotated[int, u8(108)] = _STATE_INITIALIZED
    is_native: Annotated[int, u32(109)] = 0
    native_reserve: Annotated[int, u64(113)] = 0


TOKEN_ACCOUNT = Layout(TokenAccount, "token account", 165)
TOKEN_ACCOUNT_RENT = compute_rent_exemption(TOKEN_ACCOUNT.size)
"""The lamports of a token account, also of a temporary one."""
TOKEN_2022_ACCOUNT_SIZES = {1: 8, 14: 1, 26: 0}
"""The sizes of what an account of Token-2022 has of extensions of its mint: the fees that it
withholds, a hook, and whether it is paused, each with a head of 4 bytes."""
TOKEN_2022_ACCOUNT_RENT_MAX = compute_rent_exemption(
    TOKEN_ACCOUNT.size + 5 + sum(4 + size for size in TOKEN_2022_ACCOUNT_SIZES.values())
)
"""The most lamports of an associated account of Token-2022, whose owner is immutable as well."""
_TYPE_TOKEN_ACCOUNT = 2
"""The byte of an account of Token-2022 with extensions that tells it from a mint."""


def is_token_account(account: Account) -> bool:
    """Whether an account is a token account of either token program."""
    data, size = account.data, TOKEN_ACCOUNT.size
    if account.owner not in TOKEN_PROGRAMS or len(data) < size:
        return False
    return len(data) == size or data[size] == _TYPE_TOKEN_ACCOUNT


@dataclass(frozen=True, slots=True)
class Mint:
    """A mint: its supply in base units and the decimals of one token unit."""

    supply: Annotated[int, u64(36)]
    decimals: Annotated[int, u8(44)]
    is_initialized: Annotated[int, u8(45)] = 1


MINT = Layout(Mint, "mint", 82)


def make_account(owner: Pubkey, data: bytes) -> Account:
    """Make an account of a program that holds just the rent exemption."""
    return Account(owner, compute_rent_exemption(len(data)), data)


def make_token_account(
    mint: Pubkey, owner: Pubkey, amount: int, token_program: Pubkey = TOKEN_PROGRAM
) -> Account:
    """Make a token account; one of wrapped SOL also holds its amount in lamports."""
    record = TokenAccount(mint, owner, amount)
    lamports = TOKEN_ACCOUNT_RENT
    if mint == NATIVE_MINT:
        record = replace(record, is_native=1, native_reserve=TOKEN_ACCOUNT_RENT)
        lamports += amount
    return Account(token_program, lamports, TOKEN_ACCOUNT.write(record))


def with_amount(account: Account, amount: int) -> Account:
    """The token account with another amount, and the same change in lamports if wrapped SOL."""
    record = TOKEN_ACCOUNT.read(account.data)
    if record.amount == amount:
        return account
    lamports = account.lamports + (amount - record.amount if record.is_native else 0)
    data = TOKEN_ACCOUNT.write(replace(record, amount=amount), account.data)
    return replace(account, lamports=lamports, data=data)


@dataclass(frozen=True, slots=True)
class TransferFee:
    """The fee that Token-2022 withholds from a transfer."""

    maximum: Annotated[int, u64(0)]
    bps: Annotated[int, u16(8)]

    def compute(self, amount: int) -> int:
        """min(⌈amount · bps / 10,000⌉, maximum): rounded up, the receiver loses the remainder."""
        return min(ceil_div(amount * self.bps, BPS), self.maximum)


@dataclass(frozen=True, slots=True)
class _FeeConfig:
    newer_from: Annotated[int, u64(90)]


_FEE_CONFIG = Layout(_FeeConfig, "transfer fee extension", 108)
_FEE = Layout(TransferFee, "transfer fee", 10)

_TRANSFER_FEE_EXTENSION = 1
_DEFAULT_STATE_EXTENSION = 6
_PAUSABLE_EXTENSION = 26
# These affect who may close, delegate or describe a token, how it is displayed, or what
# confidential transfers do, but not what another transfer moves: close authority, confidential
# transfers and their fees, interest (display), permanent delegate, metadata, groups, scaled amounts
# (display).
_HARMLESS_EXTENSIONS = frozenset({3, 4, 10, 12, 16, 18, 19, 20, 21, 22, 23, 25})
_TRANSFER_HOOK_EXTENSION = 14
_CONFIDENTIAL_SUPPLY_EXTENSION = 24
_REFUSED_EXTENSIONS = {
    _DEFAULT_STATE_EXTENSION: "accounts are frozen by default",
    9: "not transferable",
    _TRANSFER_HOOK_EXTENSION: "transfer hook",
    _CONFIDENTIAL_SUPPLY_EXTENSION: "confidential minting and burning",
    _PAUSABLE_EXTENSION: "paused",
}
"""What the extensions do that are refused, as far as they are known."""
_STATE_FROZEN = 2
_STATE_OFFSET = 108
_PAUSED_OFFSET = 32
_HOOK_PROGRAM_OFFSET = 32
_HOOK_SIZE = 64
_EXTENSIONS_OFFSET = 166
_ACCOUNT_TYPE_OFFSET = 165
_ACCOUNT_TYPE_MINT = 1

_CONFIDENTIAL_ACCOUNT_EXTENSION = 5
_MEMO_EXTENSION = 8
_CPI_GUARD_EXTENSION = 11
_PLAIN_CREDITS_OFFSET = 262
"""Where an account that is configured for confidential transfers says whether it takes others."""


def read_transfer_fee(mint: Pubkey, account: Account | None, epoch: int) -> TransferFee | None:
    """Read the fee that a token withholds from transfers in ``epoch``; ``None`` for most tokens.

    Raises ``Rejected`` (``unsupported_mint``) if a transfer would have any other effect.
    """
    if account is None or account.owner not in TOKEN_PROGRAMS:
        raise Rejected("unsupported_mint", f"{mint} is not the mint of a token")
    if not MINT.read(account.data).is_initialized:
        raise Rejected("unsupported_mint", f"the mint {mint} is not initialized")
    if account.owner == TOKEN_PROGRAM:
        return None
    fee = None
    for kind, value in _iterate_mint_extensions(mint, account.data):
        if kind == _TRANSFER_FEE_EXTENSION:
            config = _FEE_CONFIG.read(value)
            fee = _FEE.read(value[98:] if epoch >= config.newer_from else value[80:])
        elif not _is_harmless(kind, value):
            raise Rejected("unsupported_mint", f"the mint {mint} {_describe_extension(kind)}")
    return fee


def _describe_extension(kind: int) -> str:
    name = _REFUSED_EXTENSIONS.get(kind, "not known here")
    return f"uses the extension {kind} ({name}), with which what a transfer brings is not certain"


def _is_harmless(kind: int, value: bytes) -> bool:
    if kind == _DEFAULT_STATE_EXTENSION:
        return value[:1] != bytes([_STATE_FROZEN])
    if kind == _PAUSABLE_EXTENSION:
        return not any(value[_PAUSED_OFFSET:])
    if kind == _TRANSFER_HOOK_EXTENSION:  # an authority that may name a program, and the program
        return len(value) == _HOOK_SIZE and not any(value[_HOOK_PROGRAM_OFFSET:])
    if kind == _CONFIDENTIAL_SUPPLY_EXTENSION:
        return not any(value)
    return kind in _HARMLESS_EXTENSIONS


def may_be_restricted(account: Account) -> bool:
    """Whether a token account is frozen, or has extensions."""
    return account.data[_STATE_OFFSET] == _STATE_FROZEN or len(account.data) > TOKEN_ACCOUNT.size


def require_transfers(account: Account, *, is_debit: bool) -> None:
    """Raise ``Rejected`` if no program can transfer out of a token account, or else into it.

    The codes are ``account_frozen``, ``cpi_guard``, ``memo_required`` and ``confidential_only``.
    """
    data = account.data
    if TOKEN_ACCOUNT.read(data).state == _STATE_FROZEN:
        raise Rejected("account_frozen", "the token account is frozen")
    if len(data) == TOKEN_ACCOUNT.size:
        return
    for kind, _, value in iterate_extensions(data):
        if is_debit and kind == _CPI_GUARD_EXTENSION and any(value):
            reason = "the token account's CPI guard refuses what a program takes"
            raise Rejected("cpi_guard", reason)
        if not is_debit and kind == _MEMO_EXTENSION and any(value):
            raise Rejected("memo_required", "the token account takes transfers with a memo only")
        takes_plain = any(value[_PLAIN_CREDITS_OFFSET : _PLAIN_CREDITS_OFFSET + 1])
        if not is_debit and kind == _CONFIDENTIAL_ACCOUNT_EXTENSION and not takes_plain:
            reason = "the token account takes confidential transfers only"
            raise Rejected("confidential_only", reason)


def _iterate_mint_extensions(mint: Pubkey, data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) == MINT.size:
        return
    if len(data) < _EXTENSIONS_OFFSET or data[_ACCOUNT_TYPE_OFFSET] != _ACCOUNT_TYPE_MINT:
        raise Rejected("unsupported_mint", f"the mint {mint} is malformed")
    for kind, size, value in iterate_extensions(data):
        if len(value) < size:
            raise Rejected("unsupported_mint", f"the mint {mint} is malformed")
        yield kind, value


def iterate_extensions(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The extensions of a mint or an account: kind, size, and the value, which may be cut off."""
    offset = _EXTENSIONS_OFFSET
    while offset + 4 <= len(data):
        kind = int.from_bytes(data[offset : offset + 2], "little")
        size = int.from_bytes(data[offset + 2 : offset + 4], "little")
        if kind == 0:
            return
        offset += 4 + size
        yield kind, size, data[offset - size : offset]

"""The token programs as far as a swap meets them: token accounts, mints, transfer fees, the clock.

A mint of Token-2022 can change what a transfer does. The extensions that change nothing are
passed over, the transfer fee is computed, and every other one, known or not, makes the mint
unsupported: a quote that could be wrong is no quote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, ceil_div
from backend.domain.errors import Rejected
from backend.venues.layout import Layout, i64, key, rent_exempt, u8, u16, u32, u64
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

_INITIALIZED = 1


def ata(owner: Pubkey, mint: Pubkey, token_program: Pubkey = TOKEN_PROGRAM) -> Pubkey:
    """The address of the associated token account of ``owner`` for ``mint``."""
    seeds = [bytes(owner), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ATA_PROGRAM)[0]


@dataclass(frozen=True, slots=True)
class Clock:
    """The cluster's clock as programs see it; fees and opening times go by it."""

    slot: Annotated[int, u64(0)] = 0
    epoch_start: Annotated[int, i64(8)] = 0
    epoch: Annotated[int, u64(16)] = 0
    leader_epoch: Annotated[int, u64(24)] = 0
    unix_time: Annotated[int, i64(32)] = 0


CLOCK = Layout(Clock, "clock", 40)


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A holding of one token. ``native_reserve`` is the rent that a wrapped SOL account keeps."""

    mint: Annotated[Pubkey, key(0)]
    owner: Annotated[Pubkey, key(32)]
    amount: Annotated[int, u64(64)] = 0
    state: Annotated[int, u8(108)] = _INITIALIZED
    is_native: Annotated[int, u32(109)] = 0
    native_reserve: Annotated[int, u64(113)] = 0


TOKEN_ACCOUNT = Layout(TokenAccount, "token account", 165)


@dataclass(frozen=True, slots=True)
class Mint:
    """A token: how many base units exist and how many decimals one unit has."""

    supply: Annotated[int, u64(36)]
    decimals: Annotated[int, u8(44)]
    is_initialized: Annotated[int, u8(45)] = 1


MINT = Layout(Mint, "mint", 82)


def new_account(owner: Pubkey, data: bytes) -> Account:
    """An account of a program that holds just enough lamports to stay."""
    return Account(owner, rent_exempt(len(data)), data)


def token_account(
    mint: Pubkey, owner: Pubkey, amount: int, token_program: Pubkey = TOKEN_PROGRAM
) -> Account:
    """A new token account; one of wrapped SOL also holds its amount in lamports."""
    rent = rent_exempt(TOKEN_ACCOUNT.size)
    record = TokenAccount(mint, owner, amount)
    lamports = rent
    if mint == NATIVE_MINT:
        record = replace(record, is_native=1, native_reserve=rent)
        lamports += amount
    return Account(token_program, lamports, TOKEN_ACCOUNT.write(record))


def with_amount(account: Account, amount: int) -> Account:
    """The token account holding ``amount`` instead, its lamports too if it is of wrapped SOL."""
    record = TOKEN_ACCOUNT.read(account.data)
    if record.amount == amount:
        return account
    lamports = account.lamports + (amount - record.amount if record.is_native else 0)
    data = TOKEN_ACCOUNT.write(replace(record, amount=amount), account.data)
    return replace(account, lamports=lamports, data=data)


@dataclass(frozen=True, slots=True)
class TransferFee:
    """What Token-2022 withholds of a transfer."""

    maximum: Annotated[int, u64(0)]
    bps: Annotated[int, u16(8)]

    def of(self, amount: int) -> int:
        """min(⌈amount · bps / 10,000⌉, maximum): rounded up, the receiver loses the remainder."""
        return min(ceil_div(amount * self.bps, BPS), self.maximum)


@dataclass(frozen=True, slots=True)
class _FeeConfig:
    newer_from: Annotated[int, u64(90)]


_FEE_CONFIG = Layout(_FeeConfig, "transfer fee extension", 108)
_FEE = Layout(TransferFee, "transfer fee", 10)

_TRANSFER_FEE = 1
_DEFAULT_STATE = 6
_PAUSABLE = 26
# These change who may close, delegate or describe a token, or how it is displayed, and not what
# a transfer moves: close authority, interest (display), permanent delegate, metadata, groups,
# scaled amounts (display).
_HARMLESS = frozenset({3, 10, 12, 18, 19, 20, 21, 22, 23, 25})
# Confidential transfer, its fee and its mint and burn, and the transfer hook: harmless as long as
# their whole configuration is null.
_HARMLESS_IF_NULL = frozenset({4, 14, 16, 24})
_FROZEN = 2
_PAUSED_AT = 32
_EXTENSIONS_FROM = 166
_ACCOUNT_TYPE_AT = 165
_ACCOUNT_TYPE_MINT = 1


def transfer_fee(mint: Pubkey, account: Account | None, epoch: int) -> TransferFee | None:
    """What the token withholds of transfers in ``epoch``; none for most tokens.

    Raises ``Rejected`` (``unsupported_mint``) if a transfer would do anything else as well.
    """
    if account is None or account.owner not in TOKEN_PROGRAMS:
        raise Rejected("unsupported_mint", f"{mint} is not the mint of a token")
    if not MINT.read(account.data).is_initialized:
        raise Rejected("unsupported_mint", f"the mint {mint} is not initialized")
    if account.owner == TOKEN_PROGRAM:
        return None
    fee = None
    for kind, value in _extensions(mint, account.data):
        if kind == _TRANSFER_FEE:
            config = _FEE_CONFIG.read(value)
            fee = _FEE.read(value[98:] if epoch >= config.newer_from else value[80:])
        elif not _is_harmless(kind, value):
            raise Rejected("unsupported_mint", f"the mint {mint} uses the extension {kind}")
    return fee


def _is_harmless(kind: int, value: bytes) -> bool:
    if kind == _DEFAULT_STATE:
        return value[:1] != bytes([_FROZEN])
    if kind == _PAUSABLE:
        return not any(value[_PAUSED_AT:])
    return kind in _HARMLESS or (kind in _HARMLESS_IF_NULL and not any(value))


def _extensions(mint: Pubkey, data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) == MINT.size:
        return
    if len(data) < _EXTENSIONS_FROM or data[_ACCOUNT_TYPE_AT] != _ACCOUNT_TYPE_MINT:
        raise Rejected("unsupported_mint", f"the mint {mint} is malformed")
    at = _EXTENSIONS_FROM
    while at + 4 <= len(data):
        kind = int.from_bytes(data[at : at + 2], "little")
        size = int.from_bytes(data[at + 2 : at + 4], "little")
        at += 4 + size
        if kind == 0:
            return
        if at > len(data):
            raise Rejected("unsupported_mint", f"the mint {mint} is malformed")
        yield kind, data[at - size : at]

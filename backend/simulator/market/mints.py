"""Encodes the mints of tokens, and that of the token with a transfer fee."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from solders.pubkey import Pubkey
from solders.token.state import Mint as MintState

from backend.domain.amounts import U64_MAX, Token
from backend.venues.spl import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, make_account
from backend.venues.venue import Account

_EXTENSIONS_OFFSET: Final = 165
_ACCOUNT_TYPE_MINT: Final = b"\x01"
_TRANSFER_FEE: Final = 1
_TRANSFER_HOOK: Final = 14
_NOBODY: Final = bytes(32)


def encode_mint(
    supply: int,
    decimals: int,
    extensions: Sequence[bytes] = (),
    *,
    minter: Pubkey | None = None,
    freezer: Pubkey | None = None,
) -> Account:
    """Encode a mint; with extensions it is one of Token-2022."""
    state = MintState(minter, supply, decimals, is_initialized=True, freeze_authority=freezer)
    base = bytes(state)
    if not extensions:
        return make_account(TOKEN_PROGRAM, base)
    padded = base.ljust(_EXTENSIONS_OFFSET, b"\0") + _ACCOUNT_TYPE_MINT + b"".join(extensions)
    return make_account(TOKEN_2022_PROGRAM, padded)


def encode_extension(kind: int, value: bytes) -> bytes:
    """Encode an extension of Token-2022 by its number."""
    return kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


def encode_transfer_fee(bps: int, maximum: int) -> bytes:
    """Encode the extension by which each transfer withholds a fee, of ``maximum`` base units."""
    fee = bytes(8) + maximum.to_bytes(8, "little") + bps.to_bytes(2, "little")
    return encode_extension(_TRANSFER_FEE, _NOBODY * 2 + bytes(8) + fee + fee)


def encode_transfer_hook(program: Pubkey) -> bytes:
    """Encode the extension by which each transfer calls a program."""
    return encode_extension(_TRANSFER_HOOK, _NOBODY + bytes(program))


FEE_TOKEN: Final = Token("FEE", str(Pubkey(sha256(b"token with a transfer fee").digest())), 6)
"""The token of Token-2022 of a chain with many pools, whose transfers withhold a fee."""
_FEE_TOKEN_BPS: Final = 50
_FEE_TOKEN_MAX: Final = 1_000 * 10**FEE_TOKEN.decimals


def encode_fee_token() -> Account:
    """Encode the mint of ``FEE_TOKEN``: a transfer withholds 0.5 %, and 1,000 tokens at most."""
    fee = encode_transfer_fee(_FEE_TOKEN_BPS, _FEE_TOKEN_MAX)
    return encode_mint(U64_MAX // 2, FEE_TOKEN.decimals, [fee])

"""The instruction ``swap_v2`` of Raydium CLMM for an exact input, without a limit of the price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.hosting import ParsedSwap
from backend.venues.pool_side import PoolSide
from backend.venues.raydium.clmm.accounts import PoolState
from backend.venues.spl import MEMO_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import SwapAccounts

_SWAP_V2: Final = bytes.fromhex("2b04ed0b1ac91e62")
_NO_PRICE_LIMIT: Final = bytes(16)
_BASE_INPUT: Final = b"\x01"
_FIXED_ACCOUNT_COUNT: Final = 13
_DATA_SIZE: Final = 41


def build_swap(
    program: Pubkey,
    pool: Pubkey,
    state: PoolState,
    sides: tuple[PoolSide, PoolSide],
    trader: SwapAccounts,
    amounts: tuple[int, int],
    remaining: Sequence[Pubkey],
) -> Instruction:
    """Build a swap from the first side to the second, of an amount for at least a minimum.

    ``remaining`` are the bitmap extension, if there is one, and the tick arrays in their order.
    """
    side_in, side_out = sides
    keys = [
        AccountMeta(trader.owner, is_signer=True, is_writable=False),
        AccountMeta(state.amm_config, is_signer=False, is_writable=False),
        AccountMeta(pool, is_signer=False, is_writable=True),
        AccountMeta(trader.account_in, is_signer=False, is_writable=True),
        AccountMeta(trader.account_out, is_signer=False, is_writable=True),
        AccountMeta(side_in.vault, is_signer=False, is_writable=True),
        AccountMeta(side_out.vault, is_signer=False, is_writable=True),
        AccountMeta(state.observation, is_signer=False, is_writable=True),
        AccountMeta(TOKEN_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(TOKEN_2022_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(MEMO_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(side_in.mint, is_signer=False, is_writable=False),
        AccountMeta(side_out.mint, is_signer=False, is_writable=False),
        *[AccountMeta(key, is_signer=False, is_writable=True) for key in remaining],
    ]
    data = _SWAP_V2 + b"".join(amount.to_bytes(8, "little") for amount in amounts)
    return Instruction(program, data + _NO_PRICE_LIMIT + _BASE_INPUT, keys)


def parse_swap(keys: Sequence[Pubkey], data: bytes) -> ParsedSwap:
    """Parse a swap as ``build_swap`` builds it; raises ``Rejected`` (``bad_instruction``)."""
    is_swap = len(data) == _DATA_SIZE and data[:8] == _SWAP_V2
    if not is_swap or len(keys) < _FIXED_ACCOUNT_COUNT:
        raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
    if data[24:] != _NO_PRICE_LIMIT + _BASE_INPUT:
        raise Rejected("bad_instruction", "the instruction has a limit of the price")
    return ParsedSwap(
        pool=keys[2],
        mint_in=keys[11],
        amount_in=int.from_bytes(data[8:16], "little"),
        min_amount_out=int.from_bytes(data[16:24], "little"),
        trader=SwapAccounts(keys[0], keys[3], keys[4]),
        remaining=tuple(keys[_FIXED_ACCOUNT_COUNT:]),
    )

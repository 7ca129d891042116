"""The instruction ``swap_base_input`` of Raydium CPMM: a swap of an exact input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.hosting import ParsedSwap
from backend.venues.pool_side import PoolSide
from backend.venues.raydium.cpmm.accounts import PoolState, derive_authority
from backend.venues.venue import SwapAccounts

_SWAP_BASE_INPUT: Final = bytes.fromhex("8fbe5adac41e33de")
_ACCOUNT_COUNT: Final = 13
_DATA_SIZE: Final = 24


def build_swap(
    program: Pubkey,
    pool: Pubkey,
    state: PoolState,
    sides: tuple[PoolSide, PoolSide],
    trader: SwapAccounts,
    amounts: tuple[int, int],
) -> Instruction:
    """Build a swap from the first side to the second, of an amount for at least a minimum."""
    side_in, side_out = sides
    keys = [
        AccountMeta(trader.owner, is_signer=True, is_writable=False),
        AccountMeta(derive_authority(program)[0], is_signer=False, is_writable=False),
        AccountMeta(state.amm_config, is_signer=False, is_writable=False),
        AccountMeta(pool, is_signer=False, is_writable=True),
        AccountMeta(trader.account_in, is_signer=False, is_writable=True),
        AccountMeta(trader.account_out, is_signer=False, is_writable=True),
        AccountMeta(side_in.vault, is_signer=False, is_writable=True),
        AccountMeta(side_out.vault, is_signer=False, is_writable=True),
        AccountMeta(side_in.token_program, is_signer=False, is_writable=False),
        AccountMeta(side_out.token_program, is_signer=False, is_writable=False),
        AccountMeta(side_in.mint, is_signer=False, is_writable=False),
        AccountMeta(side_out.mint, is_signer=False, is_writable=False),
        AccountMeta(state.observation, is_signer=False, is_writable=True),
    ]
    amount_in, min_amount_out = amounts
    data = amount_in.to_bytes(8, "little") + min_amount_out.to_bytes(8, "little")
    return Instruction(program, _SWAP_BASE_INPUT + data, keys)


def parse_swap(keys: Sequence[Pubkey], data: bytes) -> ParsedSwap:
    """Parse a swap as ``build_swap`` builds it; raises ``Rejected`` (``bad_instruction``)."""
    is_swap = len(data) == _DATA_SIZE and data[:8] == _SWAP_BASE_INPUT
    if not is_swap or len(keys) != _ACCOUNT_COUNT:
        raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
    return ParsedSwap(
        pool=keys[3],
        mint_in=keys[10],
        amount_in=int.from_bytes(data[8:16], "little"),
        min_amount_out=int.from_bytes(data[16:24], "little"),
        trader=SwapAccounts(keys[0], keys[4], keys[5]),
    )

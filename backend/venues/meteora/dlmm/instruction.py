"""The instruction ``swap2`` of Meteora DLMM for an exact input, without a host of the swap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.hosting import ParsedSwap
from backend.venues.meteora.dlmm.accounts import PairState, derive_event_authority
from backend.venues.pool_side import PoolSide
from backend.venues.spl import MEMO_PROGRAM, TOKEN_ACCOUNT, TOKEN_PROGRAMS
from backend.venues.venue import Accounts, SwapAccounts

_SWAP2: Final = bytes.fromhex("414b3f4ceb5b5b88")
_NO_HOOKS: Final = bytes(4)
"""An empty list of the accounts that transfer hooks would need."""
_FIXED_ACCOUNT_COUNT: Final = 16
_HOST: Final = 9
_PROGRAM: Final = 15
_DATA_SIZE: Final = 28


def build_swap(
    program: Pubkey,
    pool: Pubkey,
    state: PairState,
    sides: tuple[PoolSide, PoolSide],
    trader: SwapAccounts,
    amounts: tuple[int, int],
    extension: Pubkey | None,
    arrays: Sequence[Pubkey],
) -> Instruction:
    """Build a swap of an amount for at least a minimum; ``sides`` are those of x and y.

    The trader's accounts give the direction. ``arrays`` are the bin arrays in their order.
    """
    side_x, side_y = sides
    keys = [
        AccountMeta(pool, is_signer=False, is_writable=True),
        # The program's own address means "none", for the extension and for the host.
        AccountMeta(extension or program, is_signer=False, is_writable=extension is not None),
        AccountMeta(side_x.vault, is_signer=False, is_writable=True),
        AccountMeta(side_y.vault, is_signer=False, is_writable=True),
        AccountMeta(trader.account_in, is_signer=False, is_writable=True),
        AccountMeta(trader.account_out, is_signer=False, is_writable=True),
        AccountMeta(side_x.mint, is_signer=False, is_writable=False),
        AccountMeta(side_y.mint, is_signer=False, is_writable=False),
        AccountMeta(state.oracle, is_signer=False, is_writable=True),
        AccountMeta(program, is_signer=False, is_writable=False),
        AccountMeta(trader.owner, is_signer=True, is_writable=False),
        AccountMeta(side_x.token_program, is_signer=False, is_writable=False),
        AccountMeta(side_y.token_program, is_signer=False, is_writable=False),
        AccountMeta(MEMO_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(derive_event_authority(program), is_signer=False, is_writable=False),
        AccountMeta(program, is_signer=False, is_writable=False),
        *[AccountMeta(key, is_signer=False, is_writable=True) for key in arrays],
    ]
    data = _SWAP2 + b"".join(amount.to_bytes(8, "little") for amount in amounts)
    return Instruction(program, data + _NO_HOOKS, keys)


def parse_swap(
    program: Pubkey, keys: Sequence[Pubkey], data: bytes, accounts: Accounts
) -> ParsedSwap:
    """Parse a swap as ``build_swap`` builds it; its input mint is that of the trader's account.

    Raises ``Rejected`` (``bad_instruction``).
    """
    is_swap = len(data) == _DATA_SIZE and data[:8] == _SWAP2
    if not is_swap or len(keys) < _FIXED_ACCOUNT_COUNT or data[24:] != _NO_HOOKS:
        raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
    if {keys[_HOST], keys[_PROGRAM]} != {program}:  # its own address means "none"
        raise Rejected("bad_instruction", "the instruction pays a host")
    trader = SwapAccounts(keys[10], keys[4], keys[5])
    account = accounts.get(trader.account_in)
    if account is None or account.owner not in TOKEN_PROGRAMS:
        raise Rejected("bad_instruction", "the trader's input account does not exist")
    return ParsedSwap(
        pool=keys[0],
        mint_in=TOKEN_ACCOUNT.read(account.data).mint,
        amount_in=int.from_bytes(data[8:16], "little"),
        min_amount_out=int.from_bytes(data[16:24], "little"),
        trader=trader,
        remaining=tuple(keys[_FIXED_ACCOUNT_COUNT:]),
    )

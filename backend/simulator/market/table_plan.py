"""Plans the address lookup table of a chain with many pools: the accounts of its deep pairs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.hosting import HostedPool
from backend.venues.lookup_table import ADDRESSES_MAX, LookupTable
from backend.venues.spl import MEMO_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import SwapAccounts

_TRADER: Final = SwapAccounts(*(Pubkey(bytes([number] * 32)) for number in (1, 2, 3)))
_NEVER_LOADED: Final = frozenset(
    {
        _TRADER.owner,
        _TRADER.account_in,
        _TRADER.account_out,
        TOKEN_PROGRAM,
        MEMO_PROGRAM,
    }
)
"""Accounts that no table serves: the trader's, and programs that every transaction calls."""
_AMOUNT: Final = 1_000_000


def plan_lookup_table(pools: Collection[HostedPool]) -> LookupTable:
    """Plan the table of some pools, as far as it has room.

    First come the accounts that swaps of both directions name, then the arrays of ticks and bins
    of one direction. Those about a price that has moved away are not among them.
    """
    always: dict[Pubkey, None] = {}
    sometimes: dict[Pubkey, None] = {}
    for pool in pools:
        try:
            there, back = (_list_accounts(pool, mint) for mint in pool.mints)
        except Rejected:
            continue
        always |= dict.fromkeys(key for key in there if key in back)
        sometimes |= dict.fromkeys([*there, *back])
    never = _NEVER_LOADED | {pool.program for pool in pools}
    addresses = [key for key in {**always, **sometimes} if key not in never]
    return LookupTable(tuple(addresses[:ADDRESSES_MAX]))


def _list_accounts(pool: HostedPool, mint_in: Pubkey) -> list[Pubkey]:
    """The accounts of a swap. Raises ``Rejected`` if the pool does not trade."""
    pool.quote(mint_in, _AMOUNT)
    swap = pool.swap_instruction(_TRADER, mint_in, _AMOUNT, 1)
    return [account.pubkey for account in swap.accounts]

"""Loads the accounts that transactions name in address lookup tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from solders.keypair import Keypair
from solders.message import MessageAddressTableLookup
from solders.pubkey import Pubkey

from backend.chain.wire import PAPER_WALLET_SEED
from backend.domain.errors import Rejected
from backend.simulator.wire.transaction_parser import LoadedAddresses, MalformedTransaction
from backend.venues.lookup_table import LOOKUP_TABLE_PROGRAM, decode_lookup_table
from backend.venues.venue import Account

NODE_TABLE: Final = Pubkey.find_program_address(
    [bytes(Keypair.from_seed(PAPER_WALLET_SEED).pubkey()), bytes(8)], LOOKUP_TABLE_PROGRAM
)[0]
"""The table that a chain with many pools has from the start, as one that its wallet created."""

_NOT_FOUND: Final = "Transaction loads an address table account that doesn't exist"
_WRONG_OWNER: Final = "Transaction loads an address table account with an invalid owner"
_BAD_DATA: Final = "Transaction loads an address table account with invalid data"
_BAD_INDEX: Final = "Transaction address table lookup uses an invalid index"
_DEACTIVATION_SLOTS: Final = 513
"""So long a deactivated table can still be used."""


def load_addresses(
    lookups: Iterable[MessageAddressTableLookup],
    get_account: Callable[[Pubkey], Account | None],
    slot: int,
) -> LoadedAddresses:
    """Load what a transaction names in tables, as of the block of ``slot``.

    Raises ``MalformedTransaction`` with the sentence of a real node.
    """
    writable: list[Pubkey] = []
    readonly: list[Pubkey] = []
    for lookup in lookups:
        addresses = _read_table(get_account(lookup.account_key), slot)
        writable += _select(addresses, lookup.writable_indexes)
        readonly += _select(addresses, lookup.readonly_indexes)
    return LoadedAddresses(tuple(writable), tuple(readonly))


def _read_table(account: Account | None, slot: int) -> Sequence[Pubkey]:
    if account is None:
        raise _refuse(_NOT_FOUND)
    if account.owner != LOOKUP_TABLE_PROGRAM:
        raise _refuse(_WRONG_OWNER)
    try:
        table = decode_lookup_table(account)
    except Rejected:
        raise _refuse(_BAD_DATA) from None
    if not table.is_active and slot > table.deactivation_slot + _DEACTIVATION_SLOTS:
        raise _refuse(_NOT_FOUND)
    return table.list_usable(slot)


def _select(addresses: Sequence[Pubkey], indexes: bytes) -> list[Pubkey]:
    if any(index >= len(addresses) for index in indexes):
        raise _refuse(_BAD_INDEX)
    return [addresses[index] for index in indexes]


def _refuse(reason: str) -> MalformedTransaction:
    return MalformedTransaction(f"invalid transaction: {reason}")

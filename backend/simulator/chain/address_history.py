"""The history of an address: the transactions that name it, the newest first.

It is found by looking into the transactions: as many as a page has, for an account that all name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from solders.message import Message, MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.simulator.chain.ledger_rows import decode_error
from backend.simulator.chain.receipts import decode_receipt
from backend.simulator.programs.runtime import TransactionError
from backend.venues.spl import MEMO_PROGRAM

VersionedMessage: TypeAlias = Message | MessageV0 | MessageV1
_NUMBER: Final = "SELECT number FROM transactions WHERE signature = ?"
_LIST: Final = """
SELECT signature, slot, err, wire, receipt FROM transactions
WHERE number < ? AND number > ? AND slot <= ? ORDER BY number DESC
"""


@dataclass(frozen=True, slots=True)
class ListedSignature:
    """A transaction in the history of an address. ``memo`` has its memos behind their lengths."""

    signature: str
    slot: int
    err: TransactionError | None
    memo: str | None


def list_signatures(
    sql: sqlite3.Connection, address: Pubkey, before: str | None, until: str | None, slot_max: int
) -> Iterator[ListedSignature]:
    """The transactions that name an address between two others, up to a slot.

    Behind a signature that the chain does not know there is nothing.
    """
    newest, oldest = _find_number(sql, before), _find_number(sql, until)
    if before is not None and newest is None:
        return
    bounds = 2**62 if newest is None else newest, oldest or 0, slot_max
    for signature, slot, err, wire, receipt in sql.execute(_LIST, bounds):
        message = VersionedTransaction.from_bytes(wire).message
        if address in message.account_keys or address in _list_loaded(message, wire, receipt):
            yield ListedSignature(signature, slot, decode_error(err), _describe_memos(message))


def _list_loaded(message: VersionedMessage, wire: bytes, receipt: bytes) -> list[Pubkey]:
    """The accounts that a transaction names in lookup tables."""
    if not isinstance(message, MessageV0) or not message.address_table_lookups:
        return []
    loaded = decode_receipt(0, None, wire, receipt).loaded
    return [*loaded.writable, *loaded.readonly]


def _find_number(sql: sqlite3.Connection, signature: str | None) -> int | None:
    row = sql.execute(_NUMBER, (signature,)).fetchone()
    return None if row is None else int(row[0])


def _describe_memos(message: VersionedMessage) -> str | None:
    """The memos of a transaction as nodes list them."""
    keys = message.account_keys
    memos = [
        bytes(each.data)
        for each in message.instructions
        if keys[each.program_id_index] == MEMO_PROGRAM
    ]
    if not memos:
        return None
    return "; ".join(f"[{len(each)}] {each.decode(errors='replace')}" for each in memos)

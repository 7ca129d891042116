"""Compiles instructions into a message that keeps the limits of a transaction, if they permit it.

Accounts that signers and programs are have to be named in full; others may be named by their index
in a lookup table, which costs the node a read of it: that is done where it is needed only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageAddressTableLookup, MessageV0
from solders.pubkey import Pubkey

WIRE_BYTES_MAX: Final = 1_232
"""The largest transaction that fits a packet."""
ACCOUNTS_MAX: Final = 64
"""Most accounts that a transaction may lock, those of lookup tables among them."""
_HIDDEN: Final = Pubkey(b"\xff" * 32)
"""An address that no instruction names."""
ENVELOPE_BYTES: Final = 66
"""What a transaction has besides its message: one signature, their number, and the version."""


def compile_message(
    payer: Pubkey,
    instructions: Sequence[Instruction],
    blockhash: Hash,
    tables: Sequence[AddressLookupTableAccount] = (),
    named: Collection[Pubkey] = (),
) -> MessageV0:
    """Compile a message; it uses those of ``tables`` that shorten it, if it is too large else.

    Those of ``named``, which instructions name, are named in full in any case.
    """
    message = MessageV0.try_compile(payer, instructions, [], blockhash)
    if not tables or measure_message(message) <= WIRE_BYTES_MAX:
        return message
    shorter = MessageV0.try_compile(payer, instructions, tables, blockhash)
    if not set(shorter.account_keys).issuperset(named):
        tables = [_hide_addresses(table, named) for table in tables]
        shorter = MessageV0.try_compile(payer, instructions, tables, blockhash)
    # A lookup takes 34 bytes and one for each address: one address is shorter by itself.
    worth = {each.account_key for each in shorter.address_table_lookups if _count(each) > 1}
    if len(worth) == len(shorter.address_table_lookups):
        return shorter
    kept = [table for table in tables if table.key in worth]
    return MessageV0.try_compile(payer, instructions, kept, blockhash)


def _hide_addresses(
    table: AddressLookupTableAccount, named: Collection[Pubkey]
) -> AddressLookupTableAccount:
    """A table of which some addresses are not used; the others keep their indexes."""
    hidden = [_HIDDEN if each in named else each for each in table.addresses]
    return AddressLookupTableAccount(table.key, hidden)


def measure_message(message: MessageV0) -> int:
    """Measure the bytes of the transaction of a message with one signature."""
    return ENVELOPE_BYTES + len(bytes(message))


def find_excess(message: MessageV0) -> str | None:
    """Which limit the transaction of a message exceeds; ``None`` if it keeps all of them."""
    size = measure_message(message)
    if size > WIRE_BYTES_MAX:
        return f"the transaction has {size} bytes of {WIRE_BYTES_MAX}"
    count = len(message.account_keys) + sum(map(_count, message.address_table_lookups))
    if count > ACCOUNTS_MAX:
        return f"the transaction names {count} accounts of {ACCOUNTS_MAX}"
    return None


def _count(lookup: MessageAddressTableLookup) -> int:
    """The number of accounts that a lookup names."""
    return len(lookup.writable_indexes) + len(lookup.readonly_indexes)

"""Reads the message of a transaction: what it calls, with which accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from solders.message import MessageV0
from solders.pubkey import Pubkey

from backend.chain.messages import ACCOUNTS_MAX, WIRE_BYTES_MAX
from backend.signer.policy import refuse

_V0_PREFIX: Final = 0x80
LOOKED_UP: Final = Pubkey(b"\xff" * 32)
"""Stands for every account of a lookup table, whose address the signer cannot know."""


class Call(NamedTuple):
    """An instruction: the program that it calls, its accounts and its data."""

    program: Pubkey
    accounts: tuple[Pubkey, ...]
    data: bytes


def read_calls(payload: bytes, wallet: Pubkey) -> Iterator[Call]:
    """Read what the message of a transaction calls, which the wallet alone signs and pays for.

    Accounts of lookup tables are an address that is nobody's. Raises ``Rejected`` for what is no
    such message, also for bytes that another reader could read as another one.
    """
    message = _parse(payload)
    header, keys = message.header, message.account_keys
    if header.num_required_signatures != 1 or keys[0] != wallet:
        refuse("the wallet is not the only one that signs and pays")
    lookups = message.address_table_lookups
    looked_up = sum(len(each.writable_indexes) + len(each.readonly_indexes) for each in lookups)
    accounts = [*keys, *[LOOKED_UP] * looked_up]
    if len(accounts) > ACCOUNTS_MAX:
        refuse(f"the message names {len(accounts)} accounts of {ACCOUNTS_MAX}")
    for instruction in message.instructions:
        index = instruction.program_id_index
        indexes = instruction.accounts
        if not 0 < index < len(keys) or any(each >= len(accounts) for each in indexes):
            refuse("an instruction names an account that is not there, or is in a lookup table")
        named = tuple([accounts[each] for each in indexes])
        yield Call(keys[index], named, bytes(instruction.data))


def _parse(payload: bytes) -> MessageV0:
    if len(payload) > WIRE_BYTES_MAX or payload[:1] != bytes([_V0_PREFIX]):
        refuse("it is not a message of version 0")
    try:
        message = MessageV0.from_bytes(payload[1:])
    except ValueError:
        refuse("it is not a message of version 0")
    if bytes(message) != payload[1:] or not message.account_keys:
        refuse("the message is not in its canonical form")
    return message

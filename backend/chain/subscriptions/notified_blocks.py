"""Blocks as a node tells them, and what of a transaction in one can be believed; pure."""

from __future__ import annotations

from base64 import b64encode
from typing import Final, NamedTuple

from backend.chain.rpc.results import LandedTransaction, read_transaction
from backend.chain.subscriptions.subscription import Json
from backend.domain.orders import SignedTransaction

SLOTS_AHEAD_MAX: Final = 8
"""So far a block may be ahead of the newest slot that was told: notifications of slots get lost."""
_MARK_BYTES: Final = 63
_MARK_LENGTH: Final = 84
"""In base64, the first bytes of a transaction: their number of signatures, which is 1, and all but
two bytes of the first. A mark is found in a block without decoding anything."""


class NotifiedBlock(NamedTuple):
    """A block as a node tells it; its transactions are JSON that is not validated.

    ``height`` is ``None`` where the node does not tell it.
    """

    slot: int
    height: int | None
    transactions: list[Json]


def read_block(result: Json) -> NotifiedBlock | None:
    """Read a notification; ``None`` if the node could not read the block.

    Raises ``KeyError``, ``TypeError``, ``ValueError`` or ``OverflowError`` if it is malformed.
    """
    value = result["value"]
    if value["err"] is not None or value["block"] is None:
        return None
    slot, block = value["slot"], value["block"]
    height, transactions = block["blockHeight"], block["transactions"]
    if type(slot) is not int or not isinstance(transactions, list):
        raise TypeError("not a block with its transactions")
    return NotifiedBlock(slot, None if height is None else int(height), transactions)


def make_mark(wire: bytes) -> str:
    """The mark by which a transaction is found in a block."""
    return b64encode(wire[:_MARK_BYTES]).decode()


def read_mark(transaction: Json) -> str:
    """The mark of a transaction in a block.

    Raises ``KeyError``, ``TypeError`` or ``IndexError`` if it is malformed.
    """
    data = transaction["transaction"][0]
    if not isinstance(data, str):
        raise TypeError("not base64")
    return data[:_MARK_LENGTH]


def read_landed(
    signed: SignedTransaction, block: NotifiedBlock, transaction: Json, tip_slot: int | None
) -> LandedTransaction | None:
    """The transaction in a block; ``None`` unless all that can be verified of it holds.

    ``tip_slot`` is the newest slot that the same node has told.
    """
    if tip_slot is None or not 0 <= block.slot <= tip_slot + SLOTS_AHEAD_MAX:
        return None
    if block.height is not None and block.height > signed.last_valid_height:
        return None
    try:
        landed = read_transaction({**transaction, "slot": block.slot})
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    return landed if landed is not None and landed.wire == signed.wire else None

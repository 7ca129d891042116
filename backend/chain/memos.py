"""The memo of a swap: of which attempt of which order it is, for whoever reads the chain.

The journal stores a transaction before it is sent. Where the journal itself was lost, as by a
standby that is promoted and lacks the last commits, the memo tells what the transaction was for.
Anybody can write such a memo, and name a wallet in a transaction: it counts in a transaction that
the wallet has signed and paid for.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple
from uuid import UUID

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from backend.venues.spl import MEMO_PROGRAM

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_FORM: Final = re.compile(r"oe:([A-Za-z0-9_-]{22})\.([1-9a-z][0-9a-z]{0,5})(?![0-9A-Za-z_.-])")
"""The order id in base64, the number of the attempt in base 36: six digits hold any of them."""


class OrderAttempt(NamedTuple):
    """An attempt of an order."""

    order_id: UUID
    attempt: int


def format_memo(order_id: UUID, attempt: int) -> str:
    """Write an attempt in at most 32 characters, which the seed of an account has as well."""
    assert attempt > 0
    digits = ""
    while attempt:
        attempt, digit = divmod(attempt, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f"oe:{urlsafe_b64encode(order_id.bytes)[:22].decode()}.{digits}"


def find_attempt(text: str) -> OrderAttempt | None:
    """Find the attempt that a memo names, as it is or as a list of a wallet's history has it."""
    found = _FORM.search(text)
    if found is None:
        return None
    return OrderAttempt(UUID(bytes=urlsafe_b64decode(found[1] + "==")), int(found[2], len(_DIGITS)))


def read_attempt(wire: bytes, wallet: Pubkey) -> OrderAttempt | None:
    """Read which attempt a transaction is that a wallet has signed and paid for.

    ``None`` if it names none, or is another's.
    """
    try:
        transaction = VersionedTransaction.from_bytes(wire)
        keys = transaction.message.account_keys
        if keys[0] != wallet or not all(transaction.verify_with_results()):
            return None
        memos = [
            bytes(instruction.data).decode(errors="replace")
            for instruction in transaction.message.instructions
            if keys[instruction.program_id_index] == MEMO_PROGRAM
        ]
    except (ValueError, IndexError):
        return None
    return next(filter(None, map(find_attempt, memos)), None)

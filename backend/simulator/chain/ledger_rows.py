"""The rows of the ledger: a transaction with all of its swaps, and their sum.

Most transactions have one swap, which is its own sum: only those with several list them besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import orjson

from backend.simulator.chain.receipts import Receipt, encode_receipt
from backend.simulator.programs.context import SwapRecord, sum_swaps
from backend.simulator.programs.runtime import ExecutionResult, TransactionError
from backend.simulator.wire.transaction_parser import ParsedTransaction

SWAP_COLUMNS: Final = "pool, mint_in, mint_out, amount_in, amount_out, swaps"
ENTRY_COLUMNS: Final = f"number, signature, slot, err, owner, {SWAP_COLUMNS}"


@dataclass(frozen=True, slots=True)
class ExecutedTransaction:
    """A transaction in a block with its execution result."""

    transaction: ParsedTransaction
    result: ExecutionResult


@dataclass(frozen=True, slots=True)
class LedgerSwap:
    """One swap of a transaction: its pool, and amounts in base units."""

    pool: str
    mint_in: str
    mint_out: str
    amount_in: str
    amount_out: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A transaction in the ledger, and the ``swaps`` that it requested, in their order.

    ``mint_in`` and ``amount_in`` are what its trader paid in all, ``mint_out`` and ``amount_out``
    what was received, and ``pool`` is the one that paid most of it.
    """

    number: int
    signature: str
    slot: int
    err: TransactionError | None
    owner: str | None
    pool: str | None
    mint_in: str | None
    mint_out: str | None
    amount_in: str | None
    amount_out: str | None
    swaps: Sequence[LedgerSwap]

    def to_json(self) -> dict[str, object]:
        """The entry as JSON: much faster than ``asdict``, and pages have thousands of them."""
        entry = {name: getattr(self, name) for name in _ENTRY_FIELDS}
        entry["swaps"] = [
            {name: getattr(swap, name) for name in _SWAP_FIELDS} for swap in self.swaps
        ]
        return entry


_ENTRY_FIELDS: Final = tuple(field.name for field in fields(LedgerEntry))
_SWAP_FIELDS: Final = tuple(field.name for field in fields(LedgerSwap))


def build_row(item: ExecutedTransaction, receipt: Receipt) -> tuple[str | int | bytes | None, ...]:
    """Build the row of a transaction: signature, slot, err, wire, receipt, owner, and its swaps."""
    transaction, swaps = item.transaction, item.result.swaps
    total = sum_swaps(swaps)
    err = None if receipt.err is None else orjson.dumps(receipt.err).decode()
    row = (
        transaction.signature,
        receipt.slot,
        err,
        receipt.wire,
        encode_receipt(transaction, item.result),
    )
    if total is None:
        return (*row, str(transaction.keys[0]), None, None, None, None, None, None)
    listed = None
    if len(swaps) > 1:
        listed = orjson.dumps([_format_swap(swap) for swap in swaps]).decode()
    return (*row, str(total.owner), *_format_swap(total), listed)


def read_entry(row: Sequence[Any]) -> LedgerEntry:
    """Read a row of ``ENTRY_COLUMNS``."""
    number, signature, slot, err, owner, *columns = row
    pool, mint_in, mint_out, amount_in, amount_out, _ = columns
    return LedgerEntry(
        number,
        signature,
        slot,
        decode_error(err),
        owner,
        pool,
        mint_in,
        mint_out,
        amount_in,
        amount_out,
        read_swaps(columns),
    )


def read_swaps(columns: Sequence[Any]) -> list[LedgerSwap]:
    """Read the swaps of a transaction from its ``SWAP_COLUMNS``."""
    *only, listed = columns
    if listed is not None:
        return [LedgerSwap(*fields) for fields in orjson.loads(listed)]
    return [] if only[0] is None else [LedgerSwap(*only)]


def decode_error(text: str | None) -> TransactionError | None:
    """Decode the column ``err``."""
    err: TransactionError | None = None if text is None else orjson.loads(text)
    return err


def _format_swap(swap: SwapRecord) -> tuple[str, str, str, str, str]:
    """The fields of a ``LedgerSwap``."""
    return (
        str(swap.pool),
        str(swap.mint_in),
        str(swap.mint_out),
        str(swap.amount_in),
        str(swap.amount_out),
    )

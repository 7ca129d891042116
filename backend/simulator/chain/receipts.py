"""Receipts: everything that ``getTransaction`` returns about a transaction in a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import orjson
from solders.pubkey import Pubkey

from backend.simulator.programs.runtime import (
    ExecutionResult,
    TokenBalance,
    TransactionError,
    build_logs,
)
from backend.simulator.wire.transaction_parser import (
    LoadedAddresses,
    ParsedTransaction,
    TransactionVersion,
    parse_transaction,
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction in a block. ``lamports`` are the balances before and after the transaction.

    ``loaded`` are the accounts that it names in lookup tables.
    """

    slot: int
    err: TransactionError | None
    wire: bytes
    version: TransactionVersion
    fee: int
    compute_units: int
    logs: Sequence[str]
    lamports: tuple[Sequence[int], Sequence[int]]
    tokens: Sequence[TokenBalance]
    loaded: LoadedAddresses


def build_receipt(slot: int, transaction: ParsedTransaction, result: ExecutionResult) -> Receipt:
    """Build the receipt of a transaction that was just executed."""
    return _assemble_receipt(
        slot,
        transaction,
        result.err,
        result.compute_units,
        result.log_lines,
        result.lamports,
        result.tokens,
    )


def encode_receipt(transaction: ParsedTransaction, result: ExecutionResult) -> bytes:
    """Encode the part of a receipt that is not in the columns wire, slot and err, as JSON."""
    tokens = [tuple(balance) for balance in result.tokens]
    loaded = [list(map(str, keys)) for keys in transaction.loaded]
    return orjson.dumps(
        (transaction.fee, result.compute_units, result.log_lines, result.lamports, tokens, loaded)
    )


def decode_receipt(slot: int, err: TransactionError | None, wire: bytes, encoded: bytes) -> Receipt:
    """Rebuild a receipt from its columns and the JSON of ``encode_receipt``."""
    # Receipts of before there were lookup tables end with the balances of tokens.
    _, compute_units, log_lines, lamports, tokens, *rest = orjson.loads(encoded)
    balances = [TokenBalance(*fields) for fields in tokens]
    loaded = LoadedAddresses(*(tuple(map(Pubkey.from_string, keys)) for keys in chain(*rest)))
    transaction = parse_transaction(wire, lambda _lookups: loaded)
    return _assemble_receipt(
        slot, transaction, err, compute_units, log_lines, tuple(lamports), balances
    )


def _assemble_receipt(
    slot: int,
    transaction: ParsedTransaction,
    err: TransactionError | None,
    compute_units: int,
    log_lines: Sequence[str],
    lamports: tuple[Sequence[int], Sequence[int]],
    tokens: Sequence[TokenBalance],
) -> Receipt:
    logs = build_logs(transaction.programs, err, log_lines)
    return Receipt(
        slot,
        err,
        transaction.wire,
        transaction.version,
        transaction.fee,
        compute_units,
        logs,
        lamports,
        tokens,
        transaction.loaded,
    )

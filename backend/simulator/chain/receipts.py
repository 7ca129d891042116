"""What a node tells of a transaction in a block, besides what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from backend.simulator.programs.runtime import Err, Holding, Outcome, logs_of
from backend.simulator.wire.transaction_parser import Parsed, Version, parse


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction in a block; lamports and token holdings are by account."""

    slot: int
    err: Err | None
    wire: bytes
    version: Version
    fee: int
    units: int
    logs: Sequence[str]
    lamports: tuple[Sequence[int], Sequence[int]]
    tokens: Sequence[Holding]


def receipt_of(slot: int, parsed: Parsed, done: Outcome) -> Receipt:
    """The receipt of a transaction that was just executed."""
    return _receipt(slot, parsed, done.err, done.units, done.lines, done.lamports, done.tokens)


def written(parsed: Parsed, done: Outcome) -> bytes:
    """What the wire, the slot and the error do not tell, as JSON."""
    tokens = [tuple(held) for held in done.tokens]
    return orjson.dumps((parsed.fee, done.units, done.lines, done.lamports, tokens))


def read_receipt(slot: int, err: Err | None, wire: bytes, rest: bytes) -> Receipt:
    """The receipt of which ``rest`` was ``written``."""
    _, units, lines, lamports, tokens = orjson.loads(rest)
    holdings = [Holding(*held) for held in tokens]
    return _receipt(slot, parse(wire), err, units, lines, tuple(lamports), holdings)


def _receipt(
    slot: int,
    parsed: Parsed,
    err: Err | None,
    units: int,
    lines: Sequence[str],
    lamports: tuple[Sequence[int], Sequence[int]],
    tokens: Sequence[Holding],
) -> Receipt:
    logs = logs_of(parsed.programs, err, lines)
    return Receipt(
        slot, err, parsed.wire, parsed.version, parsed.fee, units, logs, lamports, tokens
    )

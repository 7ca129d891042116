"""What a node tells of a transaction in a block, besides what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from backend.chain.simulated.parsing import Parsed, Version, parse
from backend.chain.simulated.runtime import Err, Holding, Outcome, logs_of


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
    return Receipt(
        slot=slot,
        err=done.err,
        wire=parsed.wire,
        version=parsed.version,
        fee=parsed.fee,
        units=done.units,
        logs=logs_of(parsed.programs, done.err, done.lines),
        lamports=done.lamports,
        tokens=done.tokens,
    )


def written(receipt: Receipt, lines: Sequence[str]) -> bytes:
    """What the wire, the slot and the error do not tell, as JSON; ``lines`` make the log."""
    tokens = [tuple(held) for held in receipt.tokens]
    return orjson.dumps((receipt.fee, receipt.units, lines, receipt.lamports, tokens))


def read_receipt(slot: int, err: Err | None, wire: bytes, rest: bytes) -> Receipt:
    """The receipt of which ``rest`` was ``written``."""
    parsed = parse(wire)
    fee, units, lines, lamports, tokens = orjson.loads(rest)
    return Receipt(
        slot=slot,
        err=err,
        wire=wire,
        version=parsed.version,
        fee=fee,
        units=units,
        logs=logs_of(parsed.programs, err, lines),
        lamports=tuple(lamports),
        tokens=[Holding(*held) for held in tokens],
    )

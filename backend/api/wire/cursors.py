"""Cursors: where a client stands, as text that it gives back and need not understand."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from backend.store.feed import Position

_EPOCH_LETTERS = 8


class Place(NamedTuple):
    """What a stream's cursor says. Without a ``position`` it is a place in another journal."""

    position: Position | None


def stream_cursor(epoch: UUID, position: Position) -> str:
    """The cursor of a place in the journal that ``epoch`` names."""
    return f"{epoch.hex[:_EPOCH_LETTERS]}.{position}"


def read_stream_cursor(epoch: UUID, cursor: str) -> Place:
    """The place that a cursor stands for; ``ValueError`` if it is none."""
    name, dot, position = cursor.partition(".")
    if not dot or len(name) != _EPOCH_LETTERS or not set(name) <= set("0123456789abcdef"):
        raise ValueError("is not a cursor of this stream")
    try:
        place = Position.parse(position)
    except ValueError:
        raise ValueError("is not a cursor of this stream") from None
    return Place(place if epoch.hex.startswith(name) else None)


def list_cursor(last: UUID) -> str:
    """The cursor of the page behind this order."""
    return last.hex


def read_list_cursor(cursor: str) -> UUID:
    """The last order of the page before; ``ValueError`` if it is no cursor."""
    try:
        last = UUID(hex=cursor)
    except ValueError:
        last = None
    if last is None or last.hex != cursor:
        raise ValueError("is not a cursor of this list")
    return last

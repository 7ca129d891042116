"""Cursors: the position of a client in a stream or a list, as opaque text that it returns."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from backend.store.feed import FeedPosition

_EPOCH_DIGITS = 8


class StreamCursor(NamedTuple):
    """A parsed stream cursor; without a ``position`` it belongs to another journal."""

    position: FeedPosition | None


def format_stream_cursor(epoch: UUID, position: FeedPosition) -> str:
    """The cursor of a feed position in the journal with this epoch."""
    return f"{epoch.hex[:_EPOCH_DIGITS]}.{position}"


def parse_stream_cursor(epoch: UUID, cursor: str) -> StreamCursor:
    """Parse a stream cursor. Raises ``ValueError`` if it is malformed."""
    prefix, dot, text = cursor.partition(".")
    if not dot or len(prefix) != _EPOCH_DIGITS or not set(prefix) <= set("0123456789abcdef"):
        raise ValueError("is not a cursor of this stream")
    try:
        position = FeedPosition.parse(text)
    except ValueError:
        raise ValueError("is not a cursor of this stream") from None
    return StreamCursor(position if epoch.hex.startswith(prefix) else None)


def format_list_cursor(last_order_id: UUID) -> str:
    """The cursor of the page that follows this order."""
    return last_order_id.hex


def parse_list_cursor(cursor: str) -> UUID:
    """The last order id of the previous page. Raises ``ValueError`` if the cursor is malformed."""
    try:
        last_order_id = UUID(hex=cursor)
    except ValueError:
        last_order_id = None
    if last_order_id is None or last_order_id.hex != cursor:
        raise ValueError("is not a cursor of this list")
    return last_order_id

"""Cursors: the position of a client in a stream or a list, as opaque text that it returns."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from backend.store.feed import FeedPosition
from backend.store.order_lists import ListPosition

_EPOCH_DIGITS = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LIST_KINDS: Final = {False: "c", True: "u"}
_LIST_CURSOR: Final = re.compile(
    r"(?P<kind>[cu])(?P<microseconds>[0-9]{1,17})\.(?P<id>[0-9a-f]{32})"
)


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


def format_list_cursor(last: ListPosition, *, is_by_update: bool) -> str:
    """The cursor of the page that follows this position, in a list by creation or by change."""
    microseconds = (last.at - _EPOCH) // timedelta(microseconds=1)
    return f"{_LIST_KINDS[is_by_update]}{microseconds}.{last.id.hex}"


def parse_list_cursor(cursor: str, *, is_by_update: bool) -> ListPosition:
    """The position that a page follows. Raises ``ValueError`` if the cursor is malformed."""
    match = _LIST_CURSOR.fullmatch(cursor)
    if match is None:
        raise ValueError("is not a cursor of this list")
    if match["kind"] != _LIST_KINDS[is_by_update]:
        raise ValueError("is a cursor of a list by another time, with or without updatedSince")
    at = _EPOCH + timedelta(microseconds=int(match["microseconds"]))
    return ListPosition(at, UUID(hex=match["id"]))

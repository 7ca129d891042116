"""Cursors: the position of a client in a stream or a list, as opaque text that it returns.

A feed position has the order id, the ``seq`` and the transaction of somebody's event. So a stream
cursor is sealed: encrypted and authenticated with the journal's key, which all API processes share.
Two cursors of one position differ, and all have the same length.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

from nacl import bindings
from nacl.exceptions import CryptoError

from backend.store.feed import FeedPosition
from backend.store.reads.order_lists import ListPosition

_POSITION: Final = Struct(">q16si")
_NONCE_BYTES: Final = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_SEALED_BYTES: Final = (
    _NONCE_BYTES + _POSITION.size + bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
)
_SEALED_CURSOR: Final = re.compile(
    rf"([0-9a-f]{{8}})\.([A-Za-z0-9_-]{{{-(-_SEALED_BYTES * 4 // 3)}}})"
)
_PLAIN_CURSOR: Final = re.compile(r"[0-9a-f]{8}\.(.+)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LIST_KINDS: Final = {False: "c", True: "u"}
_LIST_CURSOR: Final = re.compile(
    r"(?P<kind>[cu])(?P<microseconds>[0-9]{1,17})\.(?P<id>[0-9a-f]{32})"
)


class StreamCursor(NamedTuple):
    """A parsed stream cursor; without a ``position`` it is not of this journal."""

    text: str
    position: FeedPosition | None


class StreamCursors:
    """Formats and parses the cursors of the journal with this ``epoch`` and 32-byte ``key``."""

    def __init__(self, key: bytes, epoch: UUID) -> None:
        self._key = key
        self._epoch = epoch.bytes
        self._prefix = epoch.hex[:8]

    def format(self, position: FeedPosition) -> str:
        """The cursor of a feed position."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = _POSITION.pack(position.txid, position.order_id.bytes, position.seq)
        sealed = nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            plain, self._epoch, nonce, self._key
        )
        return f"{self._prefix}.{urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def parse(self, text: str) -> StreamCursor:
        """Parse a cursor. Raises ``ValueError`` if it is malformed, or not sealed by this journal.

        One with another prefix is of another journal. So is a position that is not sealed: who may
        write positions can find out how far the feed is.
        """
        match = _SEALED_CURSOR.fullmatch(text)
        if match is None:
            _require_plain_cursor(text)
            return StreamCursor(text, None)
        prefix, sealed = match.groups()
        if prefix != self._prefix:
            return StreamCursor(text, None)
        return StreamCursor(text, self._open(sealed))

    def _open(self, text: str) -> FeedPosition:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                ciphertext, self._epoch, nonce, self._key
            )
        except CryptoError:
            raise ValueError("is not a cursor of this stream") from None
        txid, order_id, seq = _POSITION.unpack(plain)
        return FeedPosition(txid, UUID(bytes=order_id), seq)


def _require_plain_cursor(text: str) -> None:
    """Raises ``ValueError`` if the text is not even a prefix with a position."""
    match = _PLAIN_CURSOR.fullmatch(text)
    try:
        FeedPosition.parse("" if match is None else match[1])
    except ValueError:
        raise ValueError("is not a cursor of this stream") from None


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

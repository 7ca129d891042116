"""The frames between a signer and its clients.

A request is its size (4 bytes), a number that the client chooses (4), what is asked (1), and a
payload; an answer has that number, a status (1), and a payload. Integers are big-endian, and a size
counts what follows it. A refusal is a JSON object with ``code`` and ``reason``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

SIZE: Final = struct.Struct(">I")
_HEAD: Final = struct.Struct(">IB")
_SIGN_HEAD: Final = struct.Struct(">32sQB")
_KEY_BYTES: Final = 32
MINTS_MAX: Final = 8
REQUEST_BYTES_MAX: Final = 2_048
"""The largest request, without its size: a message fits a packet of 1232 bytes."""
ANSWER_BYTES_MAX: Final = 1 << 20


class Request(IntEnum):
    """What is asked of a signer."""

    DESCRIBE = 1
    SIGN = 2


class Answer(IntEnum):
    """How a signer answers."""

    DONE = 0
    REFUSED = 1
    UNAVAILABLE = 2


class Frame(NamedTuple):
    """A request or an answer: its number, what it asks or how it answers, and its payload."""

    number: int
    kind: int
    payload: bytes


class FrameError(Exception):
    """What came is not a frame."""


class FrameBuffer:
    """Cuts what comes from a peer into frames of at most ``bytes_max``."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._buffer += data

    @property
    def has_rest(self) -> bool:
        """Whether a frame has begun to come."""
        return bool(self._buffer)

    def take(self) -> Frame | None:
        """Take the next frame, if it has come in full. Raises ``FrameError``."""
        if len(self._buffer) < SIZE.size:
            return None
        (size,) = SIZE.unpack_from(self._buffer)
        if not _HEAD.size <= size <= self._bytes_max:
            raise FrameError(f"a frame of {size} bytes")
        end = SIZE.size + size
        if len(self._buffer) < end:
            return None
        number, kind = _HEAD.unpack_from(self._buffer, SIZE.size)
        payload = bytes(self._buffer[SIZE.size + _HEAD.size : end])
        del self._buffer[:end]
        return Frame(number, kind, payload)


class SignRequest(NamedTuple):
    """A message to sign with the key of ``address``, until ``deadline_ns`` of the monotonic clock.

    That clock is the same for all processes of a machine. ``mints`` are as ``Signer`` has them.
    """

    address: bytes
    deadline_ns: int
    mints: Sequence[bytes]
    message: bytes


def encode_frame(number: int, kind: int, payload: bytes) -> bytes:
    """Encode a request or an answer."""
    return SIZE.pack(_HEAD.size + len(payload)) + _HEAD.pack(number, kind) + payload


def is_signature(request: Frame, answer: bytes) -> bool:
    """Whether the answer to a request, as it is encoded, has a signature."""
    return request.kind == Request.SIGN and answer[SIZE.size + 4] == Answer.DONE


def encode_sign_request(request: SignRequest) -> bytes:
    """Encode the payload of a request to sign."""
    mints = request.mints[:MINTS_MAX]
    head = _SIGN_HEAD.pack(request.address, request.deadline_ns, len(mints))
    return b"".join((head, *mints, request.message))


def decode_sign_request(payload: bytes) -> SignRequest:
    """Decode the payload of a request to sign. Raises ``FrameError``."""
    if len(payload) < _SIGN_HEAD.size:
        raise FrameError("a request to sign without its head")
    address, deadline_ns, count = _SIGN_HEAD.unpack_from(payload)
    start = _SIGN_HEAD.size
    end = start + count * _KEY_BYTES
    if count > MINTS_MAX or end > len(payload):
        raise FrameError("a request to sign with malformed mints")
    mints = [payload[at : at + _KEY_BYTES] for at in range(start, end, _KEY_BYTES)]
    return SignRequest(address, deadline_ns, mints, payload[end:])

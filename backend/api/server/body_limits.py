"""The limits of request bodies: how large one may be, and how long it may take to arrive."""

from __future__ import annotations

import asyncio
from typing import Final

from hypercorn.typing import ASGIReceiveCallable, HTTPScope

from backend.api.wire.problems import Problem

BODY_TIMEOUT_S: Final = 30.0
"""How long a client may take to send its request body."""
OVERSIZE_READ_FACTOR: Final = 8
"""An oversize body up to this many times the limit is read to its end and dropped: a client that is
still sending when the connection is closed never sees the response."""


class ClientDisconnectedError(Exception):
    """The client disconnected in the middle of its request."""


async def read_body(scope: HTTPScope, receive: ASGIReceiveCallable, bytes_max: int) -> bytes:
    """Read a request body of at most ``bytes_max`` bytes within ``BODY_TIMEOUT_S``.

    Raises ``Problem`` (413, 408), and ``ClientDisconnectedError``.
    """
    too_large = Problem(413, "body_too_large", f"the body has more than {bytes_max} bytes")
    if _read_content_length(scope) > bytes_max * OVERSIZE_READ_FACTOR:
        raise too_large
    body = bytearray()
    size = 0
    has_more = True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while has_more and size <= bytes_max * OVERSIZE_READ_FACTOR:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientDisconnectedError
                size += len(message["body"])
                has_more = message["more_body"]
                if size <= bytes_max:
                    body += message["body"]
    except TimeoutError:
        detail = f"the body was not received within {BODY_TIMEOUT_S:g} s"
        raise Problem(408, "request_timeout", detail) from None
    if size > bytes_max:
        raise too_large
    return bytes(body)


def _read_content_length(scope: HTTPScope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # Hypercorn has refused values that are not numbers
    return 0

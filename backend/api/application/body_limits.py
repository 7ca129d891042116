"""The limits of request bodies: how large one may be, how long it may take, and all together.

Bodies are held in memory while they arrive. When all of this process together would be too large,
the unfinished one that arrives the longest is refused: a client that sends its body at once is
served, however many others send theirs slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from hypercorn.typing import ASGIReceiveCallable, HTTPScope

from backend.api.admission.connections import ask_for_body
from backend.api.wire.problems import Problem, retry_later
from backend.runtime import observe_connections

BODY_TIMEOUT_S: Final = 30.0
"""How long a client may take to send its request body."""
OVERSIZE_READ_FACTOR: Final = 8
"""An oversize body up to this many times the limit is read to its end and dropped: a client that is
still sending when the connection is closed never sees the response."""
REFUSED_BODY_TIMEOUT_S: Final = 2.0
"""How long what still comes of a refused body is dropped, for the same reason."""


class ClientDisconnectedError(Exception):
    """The client disconnected in the middle of its request."""


class HeldBody:
    """A request body in memory, complete or not."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.deadline: asyncio.Timeout | None = None
        self.is_refused = False

    def refuse(self) -> None:
        """Let its reader answer at once, without the rest of the body."""
        assert self.deadline is not None
        self.is_refused = True
        self.deadline.reschedule(asyncio.get_running_loop().time())


class BodyMemory:
    """The request bodies that this process holds: at most ``bytes_max`` together."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes_held = 0
        # In order of their requests. A complete one is not among them: its request is executed.
        self._unfinished: dict[HeldBody, None] = {}

    @contextmanager
    def hold(self) -> Iterator[HeldBody]:
        """The memory of one body, until the end of the block."""
        body = HeldBody()
        self._unfinished[body] = None
        try:
            yield body
        finally:
            self._unfinished.pop(body, None)
            self._bytes_held -= len(body.content)
            body.content = bytearray()

    def append(self, body: HeldBody, data: bytes) -> None:
        """Add a part to a body. Raises ``Problem`` (503) if there is no memory for it."""
        if body.is_refused:  # its time is over, as its reader is about to see
            return
        while self._bytes_held + len(data) > self._bytes_max:
            oldest = next((held for held in self._unfinished if held.content), body)
            if oldest is body:
                raise _too_many_bytes()
            self._drop(oldest)
        body.content += data
        self._bytes_held += len(data)

    def finish(self, body: HeldBody) -> bytes:
        """The content of a body that is complete."""
        self._unfinished.pop(body, None)
        return bytes(body.content)

    def _drop(self, body: HeldBody) -> None:
        del self._unfinished[body]
        self._bytes_held -= len(body.content)
        body.content = bytearray()
        body.refuse()


async def read_body(
    scope: HTTPScope,
    receive: ASGIReceiveCallable,
    memory: BodyMemory,
    held: HeldBody,
    *,
    bytes_max: int,
    is_kept: bool = True,
) -> bytes:
    """Read a request body of at most ``bytes_max`` bytes within ``BODY_TIMEOUT_S``.

    One that is not ``is_kept`` is dropped, and empty. A client that waits for ``100 Continue`` is
    asked for a body only if it is not too large by its headers. Raises ``Problem`` (413, 408, 503),
    and ``ClientDisconnectedError``.
    """
    too_large = Problem(413, "body_too_large", f"the body has more than {bytes_max} bytes")
    is_awaited = any(name == b"expect" for name, _ in scope["headers"])
    if _read_content_length(scope) > bytes_max * (1 if is_awaited else OVERSIZE_READ_FACTOR):
        raise too_large
    await ask_for_body(scope)
    size = 0
    has_more = True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S) as held.deadline:
            while has_more and size <= bytes_max * OVERSIZE_READ_FACTOR:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientDisconnectedError
                size += len(message["body"])
                has_more = message["more_body"]
                if is_kept and size <= bytes_max:
                    memory.append(held, message["body"])
    except TimeoutError:
        raise _too_many_bytes() if held.is_refused else _too_slow() from None
    if size > bytes_max:
        raise too_large
    return memory.finish(held)


async def drop_body(receive: ASGIReceiveCallable, *, bytes_max: int) -> None:
    """Read what still comes of a refused body, for a while, up to so many bytes."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(REFUSED_BODY_TIMEOUT_S):
            while size <= bytes_max:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                size += len(message["body"])


def has_body(scope: HTTPScope) -> bool:
    """Whether a request has a body, by its headers."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in scope["headers"]
    )


def _read_content_length(scope: HTTPScope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # Hypercorn has refused values that are not numbers
    return 0


def _too_slow() -> Problem:
    detail = f"the body was not received within {BODY_TIMEOUT_S:g} s"
    return Problem(408, "request_timeout", detail)


def _too_many_bytes() -> Problem:
    observe_connections.body_refused()
    detail = "the request bodies of all clients together are too large; send the body again"
    return retry_later("too_many_bodies", detail)

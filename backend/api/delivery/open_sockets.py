"""Open sockets of this process: their limit, their close requests and the graceful shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from backend.api.wire.problems import retry_later
from backend.runtime import observe


class CloseReason(NamedTuple):
    """Why the server closes a socket, and the close code (RFC 6455)."""

    code: int
    reason: str


COMPLETED = CloseReason(1000, "done")
SHUTTING_DOWN = CloseReason(1001, "shutting_down")
REFUSED = CloseReason(1008, "refused")
FAILED = CloseReason(1011, "internal_error")
TOO_SLOW = CloseReason(1013, "too_slow")
TRY_AGAIN_LATER = CloseReason(1013, "try_again_later")


class CloseRequest:
    """The request to close one socket; the first reason wins."""

    def __init__(self) -> None:
        self._reason: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()

    @property
    def is_set(self) -> bool:
        """Whether the socket is to be closed."""
        return self._reason.done()

    def set(self, reason: CloseReason) -> None:
        """Request that the socket is closed."""
        if not self._reason.done():
            self._reason.set_result(reason)

    async def wait(self) -> CloseReason:
        """Wait until the socket is to be closed; return the reason."""
        return await asyncio.shield(self._reason)


class OpenSockets:
    """All open sockets of this process, at most ``sockets_max``."""

    def __init__(self, sockets_max: int) -> None:
        self._sockets_max = sockets_max
        self._open: set[CloseRequest] = set()
        self._is_draining = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @contextmanager
    def register(self, route: str) -> Iterator[CloseRequest]:
        """Count one socket while the block runs; yields its close request.

        Raises ``Problem`` (503) if too many sockets are open, or during shutdown.
        """
        if self._is_draining:
            raise retry_later("shutting_down", "this server is stopping; connect again")
        if len(self._open) >= self._sockets_max:
            raise retry_later("too_many_sockets", f"{self._sockets_max} sockets are open already")
        close_request = CloseRequest()
        self._open.add(close_request)
        self._is_empty.clear()
        observe.socket_opened(route)
        try:
            yield close_request
        finally:
            observe.socket_closed(route)
            self._open.discard(close_request)
            if not self._open:
                self._is_empty.set()

    async def drain(self) -> None:
        """Refuse new sockets and request all open ones to close; return when none is open."""
        self._is_draining = True
        for close_request in tuple(self._open):
            close_request.set(SHUTTING_DOWN)
        await self._is_empty.wait()

"""Open sockets of this process: their limit, their close requests and the graceful shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import NamedTuple

from backend.api.wire.problems import Problem, retry_later
from backend.domain.access.principals import Principal
from backend.domain.access.scopes import Scope
from backend.runtime import observe


class CloseReason(NamedTuple):
    """Why the server closes a socket, and the close code (RFC 6455)."""

    code: int
    reason: str


COMPLETED = CloseReason(1000, "done")
SHUTTING_DOWN = CloseReason(1001, "shutting_down")
REFUSED = CloseReason(1008, "refused")
ACCESS_ENDED = CloseReason(1008, "access_ended")
"""The key or token with which it was opened was revoked, has expired, or permits it no more."""
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


class SocketCaller(NamedTuple):
    """Who has opened a socket, by which permission and from where."""

    principal: Principal
    scope: Scope
    address: str


RenewPrincipal = Callable[[Principal], Principal | None]
"""Returns a principal as it is by now, ``None`` if it has ended. Raises ``Problem`` (503)."""


class OpenSockets:
    """All open sockets of this process, at most ``sockets_max``."""

    def __init__(self, sockets_max: int) -> None:
        self._sockets_max = sockets_max
        self._open: dict[CloseRequest, SocketCaller] = {}
        self._unchecked: dict[CloseRequest, SocketCaller] = {}
        self._first_expiry_s = inf
        self._revision: object = None
        self._is_draining = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @contextmanager
    def register(self, route: str, caller: SocketCaller) -> Iterator[CloseRequest]:
        """Count one socket of a caller while the block runs; yields its close request.

        Raises ``Problem`` (503) if too many sockets are open, or during shutdown.
        """
        if self._is_draining:
            raise retry_later("shutting_down", "this server is stopping; connect again")
        if len(self._open) >= self._sockets_max:
            raise retry_later("too_many_sockets", f"{self._sockets_max} sockets are open already")
        close_request = CloseRequest()
        self._open[close_request] = self._unchecked[close_request] = caller
        self._first_expiry_s = min(self._first_expiry_s, caller.principal.expires_at_s)
        self._is_empty.clear()
        observe.socket_opened(route)
        try:
            yield close_request
        finally:
            observe.socket_closed(route)
            self._open.pop(close_request, None)
            self._unchecked.pop(close_request, None)
            if not self._open:
                self._is_empty.set()

    def close_ended(self, renew: RenewPrincipal, revision: object) -> None:
        """Request the sockets to close whose callers may not have them any more.

        While ``revision`` stays the same and nobody's key expires, only new sockets are looked at:
        a key may have ended between its check and the registration of its socket.
        """
        due = self._unchecked
        if revision != self._revision or monotonic() >= self._first_expiry_s:
            due, self._first_expiry_s = self._open, inf
        self._revision, self._unchecked = revision, {}
        for close_request, caller in due.items():
            reason = _find_end(caller, renew)
            if reason is not None:
                close_request.set(reason)
            elif caller.principal.expires_at_s < self._first_expiry_s:
                self._first_expiry_s = caller.principal.expires_at_s

    async def drain(self) -> None:
        """Refuse new sockets and request all open ones to close; return when none is open."""
        self._is_draining = True
        for close_request in tuple(self._open):
            close_request.set(SHUTTING_DOWN)
        await self._is_empty.wait()


def _find_end(caller: SocketCaller, renew: RenewPrincipal) -> CloseReason | None:
    """Why a socket of a caller is to be closed; ``None`` if it may stay open."""
    if not caller.principal.is_limited:
        return None
    try:
        current = renew(caller.principal)
    except Problem:
        return TRY_AGAIN_LATER
    is_permitted = (
        current is not None
        and caller.scope in current.scopes
        and current.allows_address(caller.address)
    )
    return None if is_permitted else ACCESS_ENDED

"""WebSockets as views see them, and how one that is open already is refused."""

from __future__ import annotations

from typing import Protocol

from quart.wrappers import Websocket
from werkzeug.datastructures import Headers

from backend.api.delivery.open_sockets import FAILED, REFUSED, TRY_AGAIN_LATER, CloseReason
from backend.api.wire.json import encode
from backend.api.wire.problems import to_problem
from backend.runtime import observe
from backend.runtime.observe_requests import get_request_id


class ClientSocket(Protocol):
    """What views do with a WebSocket."""

    async def accept(self, headers: Headers | None = None) -> None:
        """Answer the handshake; nothing is sent before."""
        ...

    async def receive(self) -> str | bytes:
        """The next message of the client."""
        ...

    async def send(self, data: str | bytes) -> None:
        """Send a message."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Close it with a code (RFC 6455) and a reason."""
        ...


class AcceptedSocket:
    """A WebSocket whose handshake was answered before its view is called."""

    def __init__(self, socket: Websocket) -> None:
        self._socket = socket
        self.receive = socket.receive
        self.close = socket.close

    async def accept(self, headers: Headers | None = None) -> None:
        """Do nothing: it was accepted."""

    async def send(self, data: str | bytes) -> None:
        """Send a message."""
        await self._socket.send(data)


async def tell_problem(socket: ClientSocket, error: Exception, route: str) -> CloseReason:
    """Send an error as a problem, as over HTTP; returns with which reason the socket is closed."""
    problem = to_problem(error)
    if problem.status == 500:
        observe.request_failed(route, error)
    await socket.send(encode(problem.to_json(request_id=get_request_id())))
    if problem.is_temporary:
        return TRY_AGAIN_LATER
    return FAILED if problem.status == 500 else REFUSED

"""The id of each request: the client's own ``X-Request-ID``, or a new one.

It is in the response, also to a WebSocket handshake, in the problem document, and in the log lines
of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from secrets import token_hex
from typing import Final, cast

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
    WebsocketScope,
)

from backend.runtime.observe_requests import bind_request_id

Headers = Iterable[tuple[bytes, bytes]]

HEADER: Final = b"x-request-id"
ID_PATTERN: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
"""Ids that are taken: they can be in a header, a log line and a URL as they are."""
_PROCESS_ID_BYTES: Final = 8
"""Of the random part of new ids, which the requests of one process share; a number follows."""
_MESSAGES_WITH_HEADERS: Final = frozenset(
    {"http.response.start", "websocket.accept", "websocket.http.response.start"}
)


class RequestIds:
    """The ASGI application in front of all others: names each request."""

    def __init__(self, app: ASGIFramework) -> None:
        self._app = app
        self._process_id = token_hex(_PROCESS_ID_BYTES)
        self._numbers = count(1)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _read_id(scope) or f"{self._process_id}{next(self._numbers):08x}".encode()
        bind_request_id(request_id.decode())

        async def send_with_id(message: ASGISendEvent) -> None:
            if message["type"] in _MESSAGES_WITH_HEADERS:
                headers = cast(Headers, message.get("headers", ()))
                named = {**message, "headers": [*headers, (HEADER, request_id)]}
                message = cast(ASGISendEvent, named)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _read_id(scope: HTTPScope | WebsocketScope) -> bytes | None:
    """The id that the client gave its request, unless it is not valid; the last one of many."""
    request_id = None
    for name, value in scope["headers"]:
        if name == HEADER:
            request_id = value if ID_PATTERN.fullmatch(value) else None
    return request_id

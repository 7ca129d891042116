"""The entrance: stands before the framework, reads bodies within their bounds, and serves orders.

``POST /api/orders/execute`` is answered here, by the same view as everywhere: routing, contexts
and signals of the framework would cost it as much again as everything else together.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from quart import Quart

from backend.api.context import Api
from backend.api.server.app import UNKNOWN, answer
from backend.api.server.route_table import EXECUTE
from backend.api.wire.http import Answer, problem_answer
from backend.api.wire.problems import Problem
from backend.runtime import observe

BODY_S: Final = 30.0
"""How long a client may take to send its body."""
SWALLOWED: Final = 8
"""A body up to so many times too large is read to its end: a client that is still sending when
the connection is closed never sees the answer."""
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class _GoneError(Exception):
    """The client went away in the middle of its request."""


class Entrance:
    """The ASGI application: Quart with what stands before it."""

    def __init__(self, app: Quart, api: Api) -> None:
        self._app = app
        self._api = api
        self._bytes_max = api.front.settings.body_bytes_max
        app.config["MAX_CONTENT_LENGTH"] = self._bytes_max

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(scope, receive)
        except _GoneError:
            return
        except Problem as problem:
            observe.request_answered(UNKNOWN, problem.status, 0)
            await _send(send, problem_answer(problem, scope["path"]))
            return
        if scope["path"] == EXECUTE.path and scope["method"] == EXECUTE.method:
            await _send(send, await answer(self._api, EXECUTE, scope, body=body))
        else:
            await self._app(scope, _again(body, receive), send)

    async def _body(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> bytes:
        too_large = Problem(
            413, "body_too_large", f"the body has more than {self._bytes_max} bytes"
        )
        if _length(scope) > self._bytes_max * SWALLOWED:
            raise too_large
        body = bytearray()
        size = 0
        is_more = True
        try:
            async with asyncio.timeout(BODY_S):
                while is_more and size <= self._bytes_max * SWALLOWED:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _GoneError
                    size += len(message["body"])
                    is_more = message["more_body"]
                    if size <= self._bytes_max:
                        body += message["body"]
        except TimeoutError:
            detail = f"the body did not come within {BODY_S:g} s"
            raise Problem(408, "request_timeout", detail) from None
        if size > self._bytes_max:
            raise too_large
        return bytes(body)


def _length(scope: HTTPScope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the server has refused what is no number
    return 0


def _again(body: bytes, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """What ``receive`` would have said, had the body come at once."""
    is_told = False

    async def receive_again() -> ASGIReceiveEvent:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _send(send: ASGISendCallable, found: Answer) -> None:
    body = found.body.encode() if isinstance(found.body, str) else found.body
    headers = {
        "Content-Type": found.content_type,
        "Content-Length": str(len(body)),
        **found.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": found.status,
            "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})

"""The ASGI ingress: reads request bodies within their limits, before Quart sees them.

It also serves ``POST /api/orders/execute``, with its ordinary view but without Quart: the
framework's routing, contexts and signals would double the cost of that request.
"""

from __future__ import annotations

from typing import Final, cast

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)
from quart import Quart

from backend.api.context import ApiContext
from backend.api.server.app import UNKNOWN_ROUTE, handle_request
from backend.api.server.body_limits import ClientDisconnectedError, read_body
from backend.api.server.route_table import EXECUTE
from backend.api.wire.http import Response, problem_response
from backend.api.wire.problems import Problem
from backend.runtime import observe

_METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Ingress:
    """The ASGI application that Hypercorn runs: body limits in front of Quart."""

    def __init__(self, app: Quart, api: ApiContext) -> None:
        self._app = app
        self._api = api
        self._bytes_max = api.services.settings.body_bytes_max
        self._prefix = api.public_address.prefix
        app.config["MAX_CONTENT_LENGTH"] = self._bytes_max

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI connection."""
        if self._prefix:
            scope = self._cut_prefix(scope)
        if self._api.admission.is_stopping and scope["type"] == "http":
            send = _close_connection_after(send, scope)
        if scope["type"] != "http" or scope["method"] not in _METHODS_WITH_BODY:
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, self._bytes_max)
        except ClientDisconnectedError:
            return
        except Problem as problem:
            observe.request_answered(UNKNOWN_ROUTE, problem.status, 0)
            await _send_response(send, problem_response(problem, scope["path"]))
            return
        if scope["path"] == EXECUTE.path and scope["method"] == EXECUTE.method:
            await _send_response(send, await handle_request(self._api, EXECUTE, scope, body=body))
        else:
            await self._app(scope, _replay_body(body, receive), send)

    def _cut_prefix(self, scope: Scope) -> Scope:
        """The scope without the prefix of the public URL, for proxies that do not cut it off."""
        if scope["type"] == "lifespan" or not scope["path"].startswith(f"{self._prefix}/"):
            return scope
        return cast(Scope, {**scope, "path": scope["path"][len(self._prefix) :]})


def _replay_body(body: bytes, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
    """A ``receive`` that returns the body in one message first."""
    is_replayed = False

    async def receive_body_first() -> ASGIReceiveEvent:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body_first


def _close_connection_after(send: ASGISendCallable, scope: HTTPScope) -> ASGISendCallable:
    """A ``send`` whose response is the last one on its connection; HTTP/2 has its own way."""
    if scope["http_version"] >= "2":
        return send

    async def send_and_close(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], (b"connection", b"close")]
            message = cast(ASGISendEvent, {**message, "headers": headers})
        await send(message)

    return send_and_close


async def _send_response(send: ASGISendCallable, response: Response) -> None:
    body = response.body.encode() if isinstance(response.body, str) else response.body
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(body)),
        **response.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})

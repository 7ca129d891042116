"""The ASGI ingress: decides from the headers, then reads request bodies within their limits.

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
from backend.api.route import Access
from backend.api.server.app import UNKNOWN_ROUTE, authenticate, handle_request
from backend.api.server.body_limits import (
    OVERSIZE_READ_FACTOR,
    BodyMemory,
    ClientDisconnectedError,
    HeldBody,
    drop_body,
    has_body,
    read_body,
)
from backend.api.server.connections import hold_connection
from backend.api.server.route_table import BATCH, EXECUTE, ROUTES
from backend.api.wire.http import ORDER_BYTES_MAX, Response, add_default_headers, problem_response
from backend.api.wire.problems import Problem
from backend.runtime import observe
from backend.runtime.background import run_in_background

_API_PREFIX: Final = "/api/"
_ROUTES: Final = {(route.method, route.path): route for route in ROUTES}


class Ingress:
    """The ASGI application that Hypercorn runs: access and body limits in front of Quart."""

    def __init__(self, app: Quart, api: ApiContext) -> None:
        self._app = app
        self._api = api
        settings = api.services.settings
        self._bytes_max = settings.body_bytes_max
        self._memory = BodyMemory(max(settings.all_bodies_bytes_max, settings.body_bytes_max))
        self._prefix = api.public_address.prefix
        app.config["MAX_CONTENT_LENGTH"] = self._bytes_max

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI connection."""
        if self._prefix:
            scope = self._cut_prefix(scope)
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                hold_connection(scope, for_good=True)
            await self._app(scope, receive, send)
            return
        if self._api.admission.is_stopping:
            send = _close_connection_after(send)
        if not has_body(scope):
            await self._respond(scope, b"", receive, send)
            return
        with self._memory.hold() as held:
            try:
                body = await self._read_body(scope, receive, held)
            except ClientDisconnectedError:
                return
            except Problem as problem:
                await self._refuse(scope, problem, receive, send)
                return
            await self._respond(scope, body, _replay_body(body, receive), send)

    async def _respond(
        self, scope: HTTPScope, body: bytes, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        hold_connection(scope)
        if scope["path"] == EXECUTE.path and scope["method"] == EXECUTE.method:
            await _send_response(send, await handle_request(self._api, EXECUTE, scope, body=body))
        else:
            await self._app(scope, receive, send)

    async def _read_body(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, held: HeldBody
    ) -> bytes:
        """Read the body if its sender may call the route, as far as the route needs one.

        Raises ``Problem``, and ``ClientDisconnectedError``.
        """
        path = scope["path"]
        route = _ROUTES.get((scope["method"], path))
        is_open = not path.startswith(_API_PREFIX) if route is None else route.access is Access.OPEN
        if not is_open:
            authenticate(self._api, scope)
        is_kept = route is not None and route.doc.body is not None
        bytes_max = self._bytes_max
        if is_kept and route is not BATCH:
            bytes_max = min(bytes_max, ORDER_BYTES_MAX)
        return await read_body(
            scope, receive, self._memory, held, bytes_max=bytes_max, is_kept=is_kept
        )

    async def _refuse(
        self,
        scope: HTTPScope,
        problem: Problem,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        """Respond before the body is there; the connection is closed behind the response."""
        route = _ROUTES.get((scope["method"], scope["path"]))
        observe.request_answered(UNKNOWN_ROUTE if route is None else route.path, problem.status, 0)
        response = problem_response(problem, scope["path"])
        response = response._replace(headers={**response.headers, "Connection": "close"})
        await _send_response(send, response, more_body=True)
        await drop_body(receive, bytes_max=self._bytes_max * OVERSIZE_READ_FACTOR)

        async def drop_rest() -> None:
            # Hypercorn ends a request only when there is room for a message that says so.
            while (await receive())["type"] == "http.request":
                pass

        async with run_in_background(drop_rest):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

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


def _close_connection_after(send: ASGISendCallable) -> ASGISendCallable:
    """A ``send`` whose response is the last one on its connection."""

    async def send_and_close(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], (b"connection", b"close")]
            message = cast(ASGISendEvent, {**message, "headers": headers})
        await send(message)

    return send_and_close


async def _send_response(
    send: ASGISendCallable, response: Response, *, more_body: bool = False
) -> None:
    body = response.body.encode() if isinstance(response.body, str) else response.body
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(body)),
        **add_default_headers(response.headers),
    }
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": more_body})

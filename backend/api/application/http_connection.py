"""One HTTP request of a client: reads its body within the limits, and has Quart respond.

Quart's own connection runs two tasks for each request, one that reads the body and one that
responds. This one decides from the headers whether the caller may send a body at all, reads it, and
then responds, in the task of the server. What the headers alone decide is answered without the
body, which the client is not asked for either.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from quart import Quart
from quart.asgi import ASGIHTTPConnection
from quart.wrappers import Request as QuartRequest
from quart.wrappers import Response as QuartResponse
from quart.wrappers.response import DataBody, IterableBody
from werkzeug.datastructures import Headers

from backend.api.admission.connections import hold_connection
from backend.api.application.body_limits import (
    OVERSIZE_READ_FACTOR,
    ClientDisconnectedError,
    HeldBody,
    drop_body,
    has_body,
    read_body,
)
from backend.api.application.dispatch import (
    UNKNOWN_ROUTE,
    authenticate,
    get_policy_headers,
    read_caller_of,
)
from backend.api.application.tables.order_routes import BATCH
from backend.api.route import Route
from backend.api.wire.http import (
    ORDER_BYTES_MAX,
    Response,
    add_default_headers,
    problem_response,
    require_json_headers,
)
from backend.api.wire.problems import Problem
from backend.runtime import observe
from backend.runtime.background import run_in_background

if TYPE_CHECKING:
    from backend.api.application.quart_app import Application

_API_PREFIX: Final = "/api/"


class ValidHeaders(Headers):
    """Headers that a parser or this application has made: checking each again takes long."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self._list = lines


def to_quart_response(response: Response) -> QuartResponse:
    """A response as Quart's, with its body in memory or as a stream."""
    if response.stream is not None:
        headers = [
            ("Content-Type", response.content_type),
            *add_default_headers(response.headers).items(),
        ]
        return QuartResponse(IterableBody(response.stream), response.status, ValidHeaders(headers))
    body = response.body.encode() if isinstance(response.body, str) else response.body
    headers = [
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(body))),
        *add_default_headers(response.headers).items(),
    ]
    return QuartResponse(DataBody(body), response.status, ValidHeaders(headers))


def add_connection_close(response: Response) -> Response:
    """The same response, as the last one on its connection."""
    return response._replace(headers={**response.headers, "Connection": "close"})


class HttpConnection(ASGIHTTPConnection):
    """Quart's connection for one request, with bounds on its body."""

    def __init__(self, app: Quart, scope: HTTPScope) -> None:
        super().__init__(app, scope)
        self._app = cast("Application", app)

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Respond to the request; it is dropped if its client disconnects before it is complete."""
        if not has_body(self.scope):
            hold_connection(self.scope)
            await self._respond(b"", receive, send)
            return
        route = self._app.find_route(self.scope["method"], self.scope["path"])
        with self._app.body_memory.hold() as held:
            try:
                await self._check_headers(route)
                if route is None:
                    await self._send_early(await self._build_response(b""), receive, send)
                    return
                body = await self._read_body(route, receive, held)
            except ClientDisconnectedError:
                return
            except Problem as problem:
                await self._send_early(self._build_refusal(route, problem), receive, send)
                return
            hold_connection(self.scope)
            await self._respond(body, receive, send)

    async def _respond(
        self, body: bytes, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        response = await self._build_response(body)
        if isinstance(response.response, IterableBody):
            await self._send_stream(response, response.response, receive, send)
        else:
            await self._send_complete(response, send)

    async def _build_response(self, body: bytes) -> QuartResponse:
        return cast(QuartResponse, await self._app.handle_request(self._create_request(body)))

    def _create_request(self, body: bytes) -> QuartRequest:
        scope = self.scope
        lines = [(name.decode("latin1"), text.decode("latin1")) for name, text in scope["headers"]]
        request = self._app.request_class(
            scope["method"],
            scope["scheme"],
            scope["path"],
            scope["query_string"],
            ValidHeaders(lines),
            "",
            scope["http_version"],
            scope,
            send_push_promise=_push_nothing,
        )
        request.body.set_result(body)
        return request

    async def _check_headers(self, route: Route | None) -> None:
        """Refuse what the headers of a request with a body decide. Raises ``Problem``."""
        if route is None:  # only who has a key is told what is served where
            if self.scope["path"].startswith(_API_PREFIX):
                await authenticate(self._app.api, self.scope)
            return
        caller = await read_caller_of(self._app.api, route, self.scope)
        if route.doc.body is not None:
            require_json_headers(caller.headers)

    async def _read_body(self, route: Route, receive: ASGIReceiveCallable, held: HeldBody) -> bytes:
        """Read the body, as far as the route needs one.

        Raises ``Problem``, and ``ClientDisconnectedError``.
        """
        is_kept = route.doc.body is not None
        bytes_max = self._app.body_bytes_max
        if is_kept and route is not BATCH:
            bytes_max = min(bytes_max, ORDER_BYTES_MAX)
        return await read_body(
            self.scope, receive, self._app.body_memory, held, bytes_max=bytes_max, is_kept=is_kept
        )

    def _build_refusal(self, route: Route | None, problem: Problem) -> QuartResponse:
        observe.request_answered(UNKNOWN_ROUTE if route is None else route.path, problem.status, 0)
        response = problem_response(problem, self.scope["path"])
        headers = {**get_policy_headers(self._app.api, route), **response.headers}
        return to_quart_response(response._replace(headers=headers))

    async def _send_early(
        self, response: QuartResponse, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Respond before the body is there; the connection is closed behind the response."""
        response.headers["Connection"] = "close"
        await self._send_complete(response, send, more_body=True)
        await drop_body(receive, bytes_max=self._app.body_bytes_max * OVERSIZE_READ_FACTOR)

        async def drop_rest() -> None:
            # Hypercorn ends a request only when there is room for a message that says so.
            while (await receive())["type"] == "http.request":
                pass

        async with run_in_background(drop_rest):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_complete(
        self, response: QuartResponse, send: ASGISendCallable, *, more_body: bool = False
    ) -> None:
        """Send a response whose body is in memory, as almost all are."""
        body = cast(DataBody, response.response).data
        await self._send_start(response, send)
        await send({"type": "http.response.body", "body": body, "more_body": more_body})

    async def _send_start(self, response: QuartResponse, send: ASGISendCallable) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
        if self._app.api.admission.is_stopping:
            headers.append((b"connection", b"close"))
        await send(
            {"type": "http.response.start", "status": response.status_code, "headers": headers}
        )

    async def _send_stream(
        self,
        response: QuartResponse,
        body: IterableBody,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        """Send a body in parts, each when the one before it is sent, until the client leaves.

        An error on the way ends the connection without the end of the body, so that nobody takes a
        part for the whole.
        """
        left = asyncio.Event()

        async def watch_client() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        await self._send_start(response, send)
        async with run_in_background(watch_client), body:
            if self.scope["method"] != "HEAD":
                async for part in body:
                    if left.is_set():
                        return
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _push_nothing(_path: str, _headers: Headers) -> None:
    """HTTP/1 has no pushes."""

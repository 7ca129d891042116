"""The application: the table of routes on Quart, and what becomes of errors.

Every answer is made in one place, so that whatever goes wrong is a problem document: never HTML,
never a traceback.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import cast

from hypercorn.typing import HTTPScope
from quart import Quart, Response, has_request_context, request, websocket
from quart.wrappers import Websocket
from werkzeug.local import LocalProxy
from werkzeug.routing.exceptions import WebsocketMismatch

from backend.api.context import Api
from backend.api.route import Access, Route, SocketRoute
from backend.api.server.route_table import ROUTES, SOCKETS
from backend.api.wire.http import Answer, Call, args_of, headers_of, problem_answer
from backend.api.wire.problems import Problem, problem_of
from backend.runtime import observe

UNKNOWN = "unknown"
"""The route of what no route was found for, in metrics."""


def create_app(api: Api) -> Quart:
    """The application over an open engine, without its entrance."""
    app = Quart(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    for route in ROUTES:
        app.add_url_rule(route.path, _endpoint(route), _view(api, route), methods=[route.method])
    for socket in SOCKETS:
        app.add_websocket(socket.path, _endpoint(socket), _socket_view(api, socket))
        app.add_url_rule(socket.path, f"GET {socket.path}", _no_socket, methods=["GET"])
    app.register_error_handler(Exception, _failed)
    return app


async def answer(
    api: Api, route: Route, scope: HTTPScope, *, name: str = "", body: bytes = b""
) -> Answer:
    """What a route answers to a request, whatever happens."""
    started = perf_counter()
    try:
        headers = headers_of(scope["headers"])
        owner = "" if route.access is Access.OPEN else api.keys.owner(headers)
        call = Call(
            owner,
            scope["path"],
            headers,
            args_of(scope["query_string"]),
            scope["scheme"],
            name,
            body,
        )
        found = await route.view(api, call)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        found = failure(route.path, scope["path"], error)
    observe.request_answered(route.path, found.status, perf_counter() - started)
    return found


def failure(route: str, path: str, error: Exception) -> Answer:
    """The answer to a request that failed; an error of ours is logged."""
    problem = problem_of(error)
    if problem.status == 500:
        observe.request_failed(route, error)
    return problem_answer(problem, path)


def _endpoint(route: Route | SocketRoute) -> str:
    return f"{route.method if isinstance(route, Route) else 'WS'} {route.path}"


def _view(api: Api, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(name: str = "") -> Response:
        body = await request.body if route.doc.body is not None else b""
        scope = cast(HTTPScope, request.scope)
        return _response(await answer(api, route, scope, name=name, body=body))

    return view


def _socket_view(api: Api, route: SocketRoute) -> Callable[..., Awaitable[Response | None]]:
    async def view(name: str = "") -> Response | None:
        # Typed as a Websocket by Quart 0.22, as a proxy by 0.23: in both it is one.
        socket = cast("LocalProxy[Websocket]", websocket)._get_current_object()
        scope = socket.scope
        try:
            headers = headers_of(scope["headers"])
            args = args_of(scope["query_string"])
            call = Call(
                api.keys.socket_owner(headers, args),
                scope["path"],
                headers,
                args,
                scope["scheme"],
                name,
            )
            await route.view(api, call, socket)
        except Exception as error:  # noqa: BLE001 - before the socket was accepted
            return _response(_last(failure(route.path, scope["path"], error)))
        return None

    return view


def _last(found: Answer) -> Answer:
    """The answer to a refused upgrade: the server cannot read another request behind it."""
    return found._replace(headers={**found.headers, "Connection": "close"})


async def _no_socket(name: str = "") -> Response:
    """A plain GET of a WebSocket's address."""
    raise Problem(
        426,
        "websocket_required",
        "this is the address of a WebSocket",
        headers={"Upgrade": "websocket"},
    )


async def _failed(error: Exception) -> Response:
    """What the framework itself refuses, before there is a view."""
    is_socket = not has_request_context()
    path = websocket.path if is_socket else request.path
    if isinstance(error, WebsocketMismatch):
        error = Problem(400, "not_a_websocket", "this is not the address of a WebSocket")
    found = failure(UNKNOWN, path, error)
    observe.request_answered(UNKNOWN, found.status, 0)
    return _response(_last(found) if is_socket else found)


def _response(found: Answer) -> Response:
    return Response(found.body, found.status, dict(found.headers), content_type=found.content_type)

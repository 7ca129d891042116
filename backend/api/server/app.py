"""The Quart application: the route table as views, and errors as problem documents.

All responses are built here, so that every error is a problem document: never HTML, never a
traceback.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

from hypercorn.typing import HTTPScope, WebsocketScope
from quart import Response as QuartResponse
from quart import has_request_context
from quart import request as quart_request
from quart import websocket as quart_websocket
from quart.wrappers import Websocket
from werkzeug.local import LocalProxy
from werkzeug.routing.exceptions import WebsocketMismatch

from backend.api.admission.tickets import authenticate_socket
from backend.api.context import ApiContext
from backend.api.route import Route, SocketRoute
from backend.api.server.dispatch import (
    UNKNOWN_ROUTE,
    build_failure_response,
    get_peer,
    handle_request,
)
from backend.api.server.http_connection import to_quart_response
from backend.api.server.quart_app import Application
from backend.api.server.query_check import refuse_unknown_parameters
from backend.api.server.route_table import ROUTES, SOCKETS
from backend.api.wire.http import (
    Request,
    Response,
    parse_headers,
    parse_query,
)
from backend.api.wire.problems import Problem
from backend.runtime import observe


def create_app(api: ApiContext) -> Application:
    """The application with all routes: what Hypercorn runs."""
    app = Application(__name__, api)
    for route in ROUTES:
        app.add_url_rule(
            route.path, _endpoint_name(route), _make_http_view(api, route), methods=[route.method]
        )
    for socket in SOCKETS:
        app.add_websocket(socket.path, _endpoint_name(socket), _make_socket_view(api, socket))
        app.add_url_rule(socket.path, f"GET {socket.path}", _refuse_plain_get, methods=["GET"])
    app.register_error_handler(Exception, _handle_framework_error)
    app.index_routes()
    return app


def _endpoint_name(route: Route | SocketRoute) -> str:
    return f"{route.method if isinstance(route, Route) else 'WS'} {route.path}"


def _make_http_view(api: ApiContext, route: Route) -> Callable[..., Awaitable[QuartResponse]]:
    async def view(name: str = "") -> QuartResponse:
        body = await quart_request.body if route.doc.body is not None else b""
        scope = cast(HTTPScope, quart_request.scope)
        return to_quart_response(
            await handle_request(api, route, scope, path_variable=name, body=body)
        )

    return view


def _make_socket_view(
    api: ApiContext, route: SocketRoute
) -> Callable[..., Awaitable[QuartResponse | None]]:
    async def view(name: str = "") -> QuartResponse | None:
        # Typed as a Websocket by Quart 0.22, as a proxy by 0.23: in both it is one.
        socket = cast("LocalProxy[Websocket]", quart_websocket)._get_current_object()
        scope = cast(WebsocketScope, socket.scope)
        try:
            headers = parse_headers(scope["headers"])
            query = parse_query(scope["query_string"])
            request = Request(
                "",
                scope["path"],
                headers,
                query,
                scope["scheme"],
                name,
                peer=get_peer(scope),
                raw_headers=scope["headers"],
            )
            api.public_address.require_own_origin(request)
            owner = await authenticate_socket(api.api_keys, api.tickets, headers, query)
            refuse_unknown_parameters(route, query)
            await route.view(api, replace(request, owner=owner), socket)
        except Exception as error:  # noqa: BLE001 - before the socket was accepted
            response = build_failure_response(route.path, scope["path"], error)
            return to_quart_response(_add_connection_close(response))
        return None

    return view


def _add_connection_close(response: Response) -> Response:
    """Close the connection of a refused upgrade: Hypercorn cannot read another request on it."""
    return response._replace(headers={**response.headers, "Connection": "close"})


async def _refuse_plain_get(name: str = "") -> QuartResponse:
    """Refuse a GET of a WebSocket path that does not ask for the upgrade."""
    raise Problem(
        426,
        "websocket_required",
        "this path is a WebSocket; connect to it with an upgrade",
        headers={"Upgrade": "websocket"},
    )


async def _handle_framework_error(error: Exception) -> QuartResponse:
    """The response to a request that Quart refuses before it reaches a view."""
    is_socket = not has_request_context()
    path = quart_websocket.path if is_socket else quart_request.path
    if isinstance(error, WebsocketMismatch):
        error = Problem(400, "not_a_websocket", "this path is not a WebSocket")
    response = build_failure_response(UNKNOWN_ROUTE, path, error)
    observe.request_answered(UNKNOWN_ROUTE, response.status, 0)
    return to_quart_response(_add_connection_close(response) if is_socket else response)

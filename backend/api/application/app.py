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
from werkzeug.datastructures import Headers
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.local import LocalProxy
from werkzeug.routing.exceptions import WebsocketMismatch

from backend.api.admission.connections import hold_connection
from backend.api.admission.first_messages import (
    asks_for_message,
    authenticate_by_message,
    require_no_other_credentials,
)
from backend.api.admission.refusals import require_scope
from backend.api.admission.tickets import authenticate_socket, refuse_key_in_address
from backend.api.application.dispatch import (
    UNKNOWN_ROUTE,
    Caller,
    build_failure_response,
    build_request,
    get_policy_headers,
    handle_request,
    read_caller,
    require_address,
)
from backend.api.application.framework_errors import build_problem
from backend.api.application.http_connection import add_connection_close, to_quart_response
from backend.api.application.path_suggestions import PathSuggestions
from backend.api.application.quart_app import Application
from backend.api.application.query_check import check_parameters
from backend.api.application.route_table import ROUTES, SOCKETS
from backend.api.context import ApiContext
from backend.api.delivery.client_socket import AcceptedSocket, tell_problem
from backend.api.route import Route, SocketRoute
from backend.api.wire.http import Request, parse_headers
from backend.api.wire.problems import Problem
from backend.domain.access.principals import NOBODY
from backend.runtime import observe


def create_app(api: ApiContext) -> Application:
    """The application with all routes: what Hypercorn runs."""
    app = Application(__name__, api)
    for route in ROUTES:
        app.add_route(route, _make_http_view(api, route))
    for socket in SOCKETS:
        app.add_websocket(socket.path, f"WS {socket.path}", _make_socket_view(api, socket))
        app.add_url_rule(socket.path, f"GET {socket.path}", _refuse_plain_get, methods=["GET"])
    suggestions = PathSuggestions(ROUTES)

    async def handle_error(error: Exception) -> QuartResponse:
        return _handle_framework_error(api, suggestions, error)

    app.register_error_handler(Exception, handle_error)
    app.index_routes()
    return app


def _make_http_view(api: ApiContext, route: Route) -> Callable[..., Awaitable[QuartResponse]]:
    async def view(**variables: str) -> QuartResponse:
        body = await quart_request.body if route.doc.body is not None else b""
        scope = cast(HTTPScope, quart_request.scope)
        return to_quart_response(
            await handle_request(
                api, route, scope, path_variable="".join(variables.values()), body=body
            )
        )

    return view


def _make_socket_view(
    api: ApiContext, route: SocketRoute
) -> Callable[..., Awaitable[QuartResponse | None]]:
    async def view(**variables: str) -> QuartResponse | None:
        # Typed as a Websocket by Quart 0.22, as a proxy by 0.23: in both it is one.
        socket = cast("LocalProxy[Websocket]", quart_websocket)._get_current_object()
        scope = cast(WebsocketScope, socket.scope)
        try:
            caller = read_caller(scope)
            request = build_request(scope, caller, "".join(variables.values()))
            api.public_address.require_own_origin(request)
            if asks_for_message(scope["query_string"]):
                await _serve_after_message(api, route, request, socket)
                return None
            principal = await authenticate_socket(
                api.authenticator, api.tickets, caller.headers, caller.query, scope
            )
            request = replace(request, principal=principal)
            require_address(api, request)
            require_scope(principal, route.scopes)
            check_parameters(route, caller.query)
            await route.view(api, request, socket)
        except Exception as error:  # noqa: BLE001 - before the socket was accepted
            response = build_failure_response(route.path, scope["path"], error)
            headers = {**get_policy_headers(api, route), **response.headers}
            response = response._replace(headers=headers)
            # Hypercorn cannot read another request on the connection of a refused upgrade.
            return to_quart_response(add_connection_close(response))
        return None

    return view


async def _serve_after_message(
    api: ApiContext, route: SocketRoute, request: Request, socket: Websocket
) -> None:
    """Serve a socket whose first message authenticates its caller.

    Raises ``Problem`` before the handshake is answered; later errors are told on the socket.
    """
    scope = cast(WebsocketScope, socket.scope)
    refuse_key_in_address(request.query)
    require_no_other_credentials(request.headers, request.query)
    check_parameters(route, request.query)
    await socket.accept(headers=Headers(dict(get_policy_headers(api, route))))
    accepted = AcceptedSocket(socket)
    try:
        principal = await authenticate_by_message(api.authenticator, accepted.receive, scope)
        hold_connection(scope, for_good=True)
        request = replace(request, principal=principal)
        require_address(api, request)
        require_scope(principal, route.scopes)
        await route.view(api, request, accepted)
    except Exception as error:  # noqa: BLE001 - the edge: told as a problem, as over HTTP
        reason = await tell_problem(accepted, error, route.path)
        await socket.close(reason.code, reason.reason)


async def _refuse_plain_get(**variables: str) -> QuartResponse:
    """Refuse a GET of a WebSocket path that does not ask for the upgrade."""
    raise Problem(
        426,
        "websocket_required",
        "this path is a WebSocket; connect to it with an upgrade",
        headers={"Upgrade": "websocket"},
    )


def _handle_framework_error(
    api: ApiContext, suggestions: PathSuggestions, error: Exception
) -> QuartResponse:
    """The response to a request that Quart refuses before it reaches a view."""
    is_socket = not has_request_context()
    caller = quart_websocket if is_socket else quart_request
    scope = cast(HTTPScope, caller.scope)
    path = scope["path"]
    problem = build_problem(error)
    if isinstance(error, WebsocketMismatch):
        problem = Problem(400, "not_a_websocket", "this path is not a WebSocket")
    elif isinstance(error, NotFound):
        request = build_request(scope, Caller(NOBODY, parse_headers(scope["headers"]), {}))
        socket_base = api.public_address.find_base(request).socket
        problem.detail = suggestions.explain(caller.method, path, socket_base)
    elif isinstance(error, MethodNotAllowed):
        problem.detail = suggestions.explain_method(caller.method, path)
    response = build_failure_response(
        UNKNOWN_ROUTE, path, error if problem.status == 500 else problem
    )
    observe.request_answered(UNKNOWN_ROUTE, response.status, 0)
    return to_quart_response(add_connection_close(response) if is_socket else response)

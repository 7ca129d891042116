"""From a request of the server to the view of its route, and to a response whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple, cast

from hypercorn.typing import HTTPScope, WebsocketScope

from backend.api.admission.connections import mark_connection_known
from backend.api.admission.refusals import refuse_address, require_scope
from backend.api.admission.signed_requests import require_body
from backend.api.admission.tickets import refuse_key_in_address
from backend.api.application.framework_errors import build_problem
from backend.api.application.query_check import check_parameters
from backend.api.context import ApiContext
from backend.api.route import RateCost, Route, SocketRoute
from backend.api.wire.http import (
    Request,
    Response,
    parse_headers,
    parse_query,
    problem_response,
    read_headers,
)
from backend.domain.access.principals import NOBODY, Principal
from backend.runtime import observe

UNKNOWN_ROUTE = "unknown"
"""The metrics label of requests that match no route."""
_CALLER = "order_engine.caller"


class Caller(NamedTuple):
    """What the headers and the address of a request say of its sender."""

    principal: Principal
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]


def read_caller(scope: HTTPScope | WebsocketScope) -> Caller:
    """The caller of a request, before a key is asked for. Raises ``Problem`` (400)."""
    return Caller(NOBODY, read_headers(list(scope["headers"])), parse_query(scope["query_string"]))


async def authenticate(api: ApiContext, scope: HTTPScope) -> Caller:
    """The caller of a request, by its key or token. Raises ``Problem`` (401, 403, 400, 503).

    It is kept in the scope: a request with a body is authenticated before the body is read.
    """
    kept = cast(dict[str, Any], scope)
    if _CALLER not in kept:
        caller = read_caller(scope)
        refuse_key_in_address(caller.query)
        principal = await api.authenticator.authenticate(caller.headers, scope)
        caller = caller._replace(principal=principal)
        if principal.networks:
            require_address(api, build_request(scope, caller))
        kept[_CALLER] = caller
        mark_connection_known(scope)
    authenticated: Caller = kept[_CALLER]
    return authenticated


def require_address(api: ApiContext, request: Request) -> None:
    """Raises ``Problem`` (403) if the caller's key is not for calls from its address."""
    address = api.public_address.find_client_address(request)
    if not request.principal.allows_address(address):
        raise refuse_address(address)


async def handle_request(
    api: ApiContext, route: Route, scope: HTTPScope, *, path_variable: str = "", body: bytes = b""
) -> Response:
    """The response of a route to a request; every error becomes a problem."""
    started = perf_counter()
    added_headers = dict(get_policy_headers(api, route))
    try:
        caller = await read_caller_of(api, route, scope)
        if route.doc.body is not None:
            _check_after_body(api, caller, body)
        request = build_request(scope, caller, path_variable, body, added_headers)
        response = await route.view(api, request)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        response = build_failure_response(route.path, scope["path"], error)
    if added_headers:
        response = response._replace(headers={**added_headers, **response.headers})
    observe.request_answered(route.path, response.status, perf_counter() - started)
    return response


def _check_after_body(api: ApiContext, caller: Caller, body: bytes) -> None:
    """Check what the body decides, and what may have changed while it arrived.

    Raises ``Problem``: 401, 503.
    """
    if caller.principal.is_limited:
        api.authenticator.require_current(caller.principal)
    if caller.principal.signing is not None:
        require_body(caller.headers, body)


def get_policy_headers(api: ApiContext, route: Route | SocketRoute | None) -> Mapping[str, str]:
    """What every response of a route says of the rate limit; nothing where none holds."""
    is_limited = route is not None and route.rate_cost is RateCost.ORDERS
    return api.admission.policy_headers if is_limited else {}


async def read_caller_of(api: ApiContext, route: Route, scope: HTTPScope) -> Caller:
    """The caller of a route, who may call it, with a query that the route takes.

    Raises ``Problem``: 401, 403, 400, 503.
    """
    if route.is_probe:
        return Caller(NOBODY, parse_headers(scope["headers"]), {})
    if route.scopes:
        caller = await authenticate(api, scope)
        require_scope(caller.principal, route.scopes)
    else:
        caller = read_caller(scope)
    if not route.is_page:
        check_parameters(route, caller.query)
    return caller


def build_request(
    scope: HTTPScope | WebsocketScope,
    caller: Caller,
    path_variable: str = "",
    body: bytes = b"",
    response_headers: dict[str, str] | None = None,
) -> Request:
    """The request of a scope, as views see it."""
    return Request(
        caller.principal,
        scope["path"],
        caller.headers,
        caller.query,
        scope["scheme"],
        path_variable,
        body,
        get_peer(scope),
        scope["headers"],
        {} if response_headers is None else response_headers,
    )


def build_failure_response(route: str, path: str, error: Exception) -> Response:
    """The problem response to a failed request; an internal error is logged."""
    problem = build_problem(error)
    if problem.status == 500:
        observe.request_failed(route, error)
    return problem_response(problem, path)


def get_peer(scope: HTTPScope | WebsocketScope) -> str:
    """The IP address of the other end of the connection."""
    client = scope["client"]
    return "" if client is None else client[0]

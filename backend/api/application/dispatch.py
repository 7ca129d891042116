"""From a request of the server to the view of its route, and to a response whatever happens."""

from __future__ import annotations

from time import perf_counter
from typing import Any, cast

from hypercorn.typing import HTTPScope, WebsocketScope

from backend.api.admission.connections import mark_connection_known
from backend.api.admission.tickets import refuse_key_in_address
from backend.api.application.query_check import refuse_unknown_parameters
from backend.api.context import ApiContext
from backend.api.route import Access, RateCost, Route
from backend.api.wire.http import Request, Response, parse_headers, parse_query, problem_response
from backend.api.wire.problems import to_problem
from backend.runtime import observe

UNKNOWN_ROUTE = "unknown"
"""The metrics label of requests that match no route."""
_CALLER = "order_engine.caller"


def authenticate(api: ApiContext, scope: HTTPScope) -> tuple[str, dict[str, str]]:
    """The owner of a request by its headers, and the headers. Raises ``Problem`` (401, 400).

    They are kept in the scope: a request with a body is authenticated before the body is read.
    """
    kept = cast(dict[str, Any], scope)
    if _CALLER not in kept:
        headers = parse_headers(scope["headers"])
        refuse_key_in_address(parse_query(scope["query_string"]))
        kept[_CALLER] = api.api_keys.authenticate(headers), headers
        mark_connection_known(scope)
    caller: tuple[str, dict[str, str]] = kept[_CALLER]
    return caller


async def handle_request(
    api: ApiContext, route: Route, scope: HTTPScope, *, path_variable: str = "", body: bytes = b""
) -> Response:
    """The response of a route to a request; every error becomes a problem."""
    started = perf_counter()
    added_headers = dict(api.admission.policy_headers) if route.rate_cost is RateCost.ORDERS else {}
    try:
        if route.access is Access.OPEN:
            owner, headers = "", parse_headers(scope["headers"])
        else:
            owner, headers = authenticate(api, scope)
        query = parse_query(scope["query_string"])
        if not route.is_page:
            refuse_unknown_parameters(route, query)
        request = Request(
            owner,
            scope["path"],
            headers,
            query,
            scope["scheme"],
            path_variable,
            body,
            get_peer(scope),
            scope["headers"],
            added_headers,
        )
        response = await route.view(api, request)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        response = build_failure_response(route.path, scope["path"], error)
    if added_headers:
        response = response._replace(headers={**added_headers, **response.headers})
    observe.request_answered(route.path, response.status, perf_counter() - started)
    return response


def build_failure_response(route: str, path: str, error: Exception) -> Response:
    """The problem response to a failed request; an internal error is logged."""
    problem = to_problem(error)
    if problem.status == 500:
        observe.request_failed(route, error)
    return problem_response(problem, path)


def get_peer(scope: HTTPScope | WebsocketScope) -> str:
    """The IP address of the other end of the connection."""
    client = scope["client"]
    return "" if client is None else client[0]

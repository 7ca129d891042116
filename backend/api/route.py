"""Routes: each path with its view, the scopes that permit it, its rate cost and its documentation.

Views are independent of the web framework: they take a request, and return a response or raise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from backend.api.context import ApiContext
from backend.api.delivery.client_socket import ClientSocket
from backend.api.wire.http import JSON_CONTENT_TYPE, Request, Response
from backend.domain.access.scopes import Scope

OPEN: Final[tuple[Scope, ...]] = ()
"""The scopes of what everybody may call, without a key: health checks, metrics and documents, which
reveal nothing about any order."""


class RateCost(Enum):
    """What a request costs of its owner's rate limit."""

    ORDERS = "orders"
    """One for each order that it places or amends."""
    NONE = "none"
    """Nothing: it stores nothing."""


View = Callable[[ApiContext, Request], Awaitable[Response]]
SocketView = Callable[[ApiContext, Request, ClientSocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RouteDoc:
    """The documentation of a route in the OpenAPI document; schemas are given by name."""

    summary: str
    tag: str
    response: str | None = None
    body: str | None = None
    status: int = 200
    problem_statuses: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    media_type: str = JSON_CONTENT_TYPE
    has_csv: bool = False
    """Whether the response comes as CSV to who asks for that."""
    description: str = ""
    operation_id: str | None = None
    """The name of the operation in generated clients; by default that of the view."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    view: View
    doc: RouteDoc
    scopes: tuple[Scope, ...]
    """A caller's key must have one of them."""
    rate_cost: RateCost = RateCost.NONE
    is_probe: bool = False
    """Whether probes call it, which may add anything to its address: its query is ignored."""
    is_page: bool = False
    """Whether the query is for what is served, as in links to an order on the browser client."""


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """One WebSocket path."""

    path: str
    view: SocketView
    doc: RouteDoc
    scopes: tuple[Scope, ...]
    """A caller's key must have one of them."""
    rate_cost: RateCost = RateCost.NONE

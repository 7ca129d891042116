"""A route: a path with its view, its access policy and its documentation.

Views know nothing of the web framework: they take a request and return a response, or raise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from quart.wrappers import Websocket

from backend.api.context import Api
from backend.api.wire.http import JSON, Answer, Call


class Access(Enum):
    """Who may call a route."""

    OWNER = "owner"
    """Whoever has a key, when keys are configured."""
    OPEN = "open"
    """Everybody: health checks, metrics and documents, which tell nothing of any order."""


class Counted(Enum):
    """What a call counts against its owner's rate."""

    ORDERS = "orders"
    """Each order that it brings."""
    NOTHING = "nothing"
    """It stores nothing."""


View = Callable[[Api, Call], Awaitable[Answer]]
SocketView = Callable[[Api, Call, Websocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Doc:
    """What the OpenAPI document says of a route; schemas are named as they are there."""

    summary: str
    tag: str
    answer: str | None = None
    body: str | None = None
    status: int = 200
    problems: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    media: str = JSON
    note: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path: its view, its policy and its documentation."""

    method: str
    path: str
    view: View
    doc: Doc
    access: Access = Access.OWNER
    counts: Counted = Counted.NOTHING


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """One WebSocket path."""

    path: str
    view: SocketView
    doc: Doc
    access: Access = Access.OWNER
    counts: Counted = Counted.NOTHING

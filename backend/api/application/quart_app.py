"""Quart with its extension points set to what this API needs of a framework: routes and contexts.

There are no sessions, no blueprints and no functions that block, and most paths have no variables:
to look for them costs more than the rest of what the framework does for a request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, cast

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
    WebsocketScope,
)
from quart import Quart
from quart.asgi import ASGIWebsocketConnection
from quart.ctx import RequestContext
from quart.routing import QuartRule
from quart.sessions import NullSession
from quart.wrappers import Request as QuartRequest
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, MapAdapter

from backend.api.admission.connections import hold_connection
from backend.api.admission.first_messages import asks_for_message
from backend.api.application.body_limits import BodyMemory
from backend.api.application.http_connection import HttpConnection
from backend.api.context import ApiContext
from backend.api.route import Route

_NO_SESSION: Final = NullSession()


class AnyText(BaseConverter):
    """The rest of a path as it is, with slashes anywhere: also as the first and the last of it."""

    part_isolating = False
    regex = ".+?"
    weight = 200


class HttpRequest(QuartRequest):
    """A request; its endpoint is in no blueprint."""

    blueprint = None
    blueprints: list[str] = []  # noqa: RUF012 - never changed


class SocketConnection(ASGIWebsocketConnection):
    """Quart's connection for one WebSocket."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve the socket; its connection is not closed for others once its caller is known."""
        if not asks_for_message(self.scope["query_string"]):
            hold_connection(self.scope, for_good=True)
        await super().__call__(receive, send)


class HttpContext(RequestContext):
    """The context of one request, without a session."""

    def __init__(self, app: Application, request: QuartRequest) -> None:
        super().__init__(app, request, _NO_SESSION)
        self._rule = app.find_rule(request)

    def match_request(self) -> None:
        """Find the route: by its path alone if that has no variables."""
        if self._rule is None:
            super().match_request()
        else:
            self.request.url_rule, self.request.view_args = self._rule, {}


class Application(Quart):
    """The Quart application of the API."""

    def __init__(self, name: str, api: ApiContext) -> None:
        super().__init__(name, static_folder=None)
        self.url_map.merge_slashes = False
        self.url_map.converters["text"] = AnyText
        self.asgi_http_class = HttpConnection
        self.asgi_websocket_class = SocketConnection
        self.request_class = HttpRequest
        self.api = api
        self._rules: dict[tuple[str, str], QuartRule] = {}
        self._routes: dict[str, Route] = {}
        self._unbound = self.url_map.bind("")

    def add_route(self, route: Route, view: Callable[..., Any]) -> None:
        """Serve a route by a view."""
        endpoint = f"{route.method} {route.path}"
        self.add_url_rule(route.path, endpoint, view, methods=[route.method])
        self._routes[endpoint] = route

    def find_route(self, method: str, path: str) -> Route | None:
        """The route of a method of a path; ``None`` if the request has another response than it."""
        rule = self._rules.get((method, path))
        if rule is not None:
            return self._routes.get(rule.endpoint)
        if method == "OPTIONS":
            return None
        try:
            endpoint, _ = self._unbound.match(path, method)
        except HTTPException:
            return None
        return self._routes.get(endpoint)

    def index_routes(self) -> None:
        """Index the routes without variables, when all have been added."""
        self._rules = {
            (method, rule.rule): cast(QuartRule, rule)
            for rule in self.url_map.iter_rules()
            if not rule.arguments and not rule.websocket
            for method in rule.methods or ()
            if method != "OPTIONS"
        }

    @property
    def body_bytes_max(self) -> int:
        """Maximum size of a request body."""
        return self.api.services.settings.body_bytes_max

    @cached_property
    def body_memory(self) -> BodyMemory:
        """The bodies that this process holds."""
        settings = self.api.services.settings
        return BodyMemory(max(settings.all_bodies_bytes_max, settings.body_bytes_max))

    def find_rule(self, request: BaseRequestWebsocket) -> QuartRule | None:
        """The route of a request whose path has no variables."""
        return self._rules.get((request.method, request.path))

    def request_context(self, request: QuartRequest) -> HttpContext:
        """The context of a request."""
        return HttpContext(self, request)

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """What matches a request: it need not be bound to one whose route is known."""
        if isinstance(request, HttpRequest) and self.find_rule(request) is not None:
            return self._unbound
        return super().create_url_adapter(request)

    def ensure_async(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """A function as a coroutine function, as all of ours are."""
        return func

    async def asgi_app(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI scope, for proxies also that do not cut off the prefix of its path."""
        if scope["type"] != "lifespan" and self.api.public_address.prefix:
            path = self.api.public_address.cut_prefix(scope["path"])
            scope = cast(HTTPScope | WebsocketScope, {**scope, "path": path})
        await super().asgi_app(scope, receive, send)

"""The guard against pages of other sites, in front of every request: hosts and CORS.

A request that names a host which is not this server's is refused, whatever it asks for. Pages of
the origins that are configured may use the API (CORS); by default there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
    WebsocketScope,
)
from quart import Quart

from backend.api.application.dispatch import get_peer
from backend.api.wire.forwarded import FORWARDED_HEADERS
from backend.api.wire.hosts import HostRule, parse_origin
from backend.api.wire.http import problem_response
from backend.api.wire.problems import Problem
from backend.api.wire.public_address import PublicAddress
from backend.runtime import observe, observe_connections

HeaderLines = list[tuple[bytes, bytes]]

REQUEST_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "X-API-Key",
    "X-Content-SHA256",
    "X-Key-Id",
    "X-Nonce",
    "X-Request-ID",
    "X-Signature",
    "X-Timestamp",
)
"""What a page of another site may send, beyond what every page may."""
RESPONSE_HEADERS: Final = (
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""What a page of another site may read, beyond what every page may."""
PREFLIGHT_AGE_S: Final = 600
_FOREIGN_ROUTE: Final = "foreign host"
_FORWARDED_LINES: Final = frozenset(name.encode() for name in FORWARDED_HEADERS)
_ALLOW: Final = b"access-control-allow-"


class SiteGuard:
    """The ASGI application in front of another one, which refuses what is not for this server."""

    def __init__(
        self,
        inner: ASGIFramework,
        app: Quart,
        public_address: PublicAddress,
        host_rule: HostRule,
    ) -> None:
        self._inner = inner
        self._app = app
        self._public_address = public_address
        self._host_rule = host_rule
        self._origins = public_address.page_origins

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if self._host_rule.is_limited:
            foreign_host = self._find_foreign_host(scope)
            if foreign_host is not None:
                await _refuse_host(scope, send, foreign_host)
                return
        if self._origins and scope["type"] == "http":
            headers = dict(scope["headers"])
            origin = headers.get(b"origin", b"").decode("latin1")
            is_allowed = parse_origin(origin) in self._origins
            methods = self._find_methods(scope, headers) if is_allowed else ""
            if methods:
                await _answer_preflight(send, origin, methods)
                return
            send = _add_cors_headers(send, origin if is_allowed else None)
        await self._inner(scope, receive, send)

    def _find_foreign_host(self, scope: HTTPScope | WebsocketScope) -> str | None:
        """A host in the request that this server does not answer to; ``None`` if there is none."""
        host = ""
        is_forwarded = False
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin1")
            elif name in _FORWARDED_LINES:
                is_forwarded = True
        if not self._host_rule.allows(host):
            return host
        if not is_forwarded:
            return None
        forwarded = self._public_address.find_forwarded_host(scope["headers"], get_peer(scope))
        return None if self._host_rule.allows(forwarded) else forwarded

    def _find_methods(self, scope: HTTPScope, headers: Mapping[bytes, bytes]) -> str:
        """The methods of the path of a preflight; empty if it is no preflight or no path."""
        if scope["method"] != "OPTIONS" or b"access-control-request-method" not in headers:
            return ""
        path = self._public_address.cut_prefix(scope["path"])
        methods = set(self._app.url_map.bind("").allowed_methods(path)) - {"OPTIONS"}
        return ", ".join(sorted(methods))


async def _refuse_host(
    scope: HTTPScope | WebsocketScope, send: ASGISendCallable, host: str
) -> None:
    observe_connections.foreign_host_refused(host, get_peer(scope))
    problem = Problem(
        403,
        "foreign_host",
        f"this server does not answer to the host {host[:100]!r}: name it in"
        " ORDER_ENGINE_ALLOWED_HOSTS, or set ORDER_ENGINE_PUBLIC_URL, if clients reach it there",
    )
    observe.request_answered(_FOREIGN_ROUTE, problem.status, 0)
    response = problem_response(problem, scope["path"])
    body = response.body.encode() if isinstance(response.body, str) else response.body
    headers: HeaderLines = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await _send(send, scope["type"], problem.status, headers, body)


async def _answer_preflight(send: ASGISendCallable, origin: str, methods: str) -> None:
    headers: HeaderLines = [
        (_ALLOW + b"origin", origin.encode("latin1")),
        (_ALLOW + b"methods", methods.encode()),
        (_ALLOW + b"headers", ", ".join(REQUEST_HEADERS).encode()),
        (b"access-control-max-age", str(PREFLIGHT_AGE_S).encode()),
        (b"vary", b"Origin"),
    ]
    observe.request_answered("preflight", 204, 0)
    await _send(send, "http", 204, headers, b"")


async def _send(
    send: ASGISendCallable, kind: str, status: int, headers: HeaderLines, body: bytes
) -> None:
    prefix = "http.response" if kind == "http" else "websocket.http.response"
    start = {"type": f"{prefix}.start", "status": status, "headers": headers}
    await send(cast(ASGISendEvent, start))
    rest = {"type": f"{prefix}.body", "body": body, "more_body": False}
    await send(cast(ASGISendEvent, rest))


def _add_cors_headers(send: ASGISendCallable, origin: str | None) -> ASGISendCallable:
    """A ``send`` that lets a page of this origin read the response; ``None`` lets none.

    The response depends on the origin in both cases, as caches have to know.
    """
    lines: HeaderLines = [(b"vary", b"Origin")]
    if origin is not None:
        lines += [
            (_ALLOW + b"origin", origin.encode("latin1")),
            (b"access-control-expose-headers", ", ".join(RESPONSE_HEADERS).encode()),
        ]

    async def send_with_headers(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], *lines]
            message = cast(ASGISendEvent, {**message, "headers": headers})
        await send(message)

    return send_with_headers

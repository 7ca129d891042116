"""Logs and metrics of clients' connections; ``observe`` has all others."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")

_unresponsive_sockets = Counter(
    "websockets_unresponsive", "WebSocket connections closed because their peer answered no ping"
)
_foreign_origins = Counter(
    "websockets_foreign", "WebSocket connections refused because a page of another site opened them"
)


_foreign_hosts = Counter(
    "http_foreign_hosts", "Requests refused because they named a host that is not this server's"
)


def access_open(note: str) -> None:
    """An API starts without keys."""
    _log.warning(note)


def foreign_host_refused(host: str, peer: str) -> None:
    """A request named a host that this server does not answer to."""
    _foreign_hosts.inc()
    _log.warning("host refused", host=host[:200], peer=peer)


def unresponsive_socket_closed() -> None:
    """A WebSocket connection was closed because its peer had left pings unanswered."""
    _unresponsive_sockets.inc()


def foreign_origin_refused(origin: str, client: str) -> None:
    """A page that is not of this server wanted to open a WebSocket."""
    _foreign_origins.inc()
    _log.warning("page of another site refused", origin=origin[:200], client=client)

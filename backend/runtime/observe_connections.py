"""Logs and metrics of clients' connections; ``observe`` has all others."""

from __future__ import annotations

import os
from time import monotonic
from typing import Final

from prometheus_client import Counter, Gauge

from backend.runtime.structured_log import structlog

_log: structlog.stdlib.BoundLogger = structlog.get_logger("order-engine")

_unresponsive_sockets = Counter(
    "websockets_unresponsive", "WebSocket connections closed because their peer answered no ping"
)
_foreign_origins = Counter(
    "websockets_foreign", "WebSocket connections refused because a page of another site opened them"
)
_connections = Gauge("http_connections_open", "Open connections of clients, WebSockets among them")
_accept_errors = Counter(
    "http_accept_errors", "Connections that the system refused to this process", ["error"]
)
_full_pauses = Counter(
    "http_connections_full", "Times that new connections had to wait since all open ones were busy"
)
_dropped_connections = Counter(
    "http_connections_dropped", "Waiting connections closed to make room for new ones"
)
_refused_bodies = Counter(
    "http_bodies_refused", "Request bodies refused since all bodies together were too large"
)

LOG_INTERVAL_S: Final = 10.0
"""What happens with every connection is logged this often at most; it is counted each time."""
_logged_at: dict[str, float] = {}


def connections_changed(count: int) -> None:
    """A connection was opened or closed; ``count`` are open now."""
    _connections.set(count)


def accept_failed(error: OSError) -> None:
    """The system has refused a connection, for example because no descriptor is left."""
    name = os.strerror(error.errno or 0)
    _accept_errors.labels(name).inc()
    if _is_log_due("accept"):
        _log.error("connections cannot be accepted", error=name)


def connections_full(count: int) -> None:
    """No connection can be accepted: all open ones are being served."""
    _full_pauses.inc()
    if _is_log_due("full"):
        _log.warning("all connections are busy, new ones wait", open=count)


def connection_dropped() -> None:
    """A connection that waited for its client was closed to make room for a new one."""
    _dropped_connections.inc()
    if _is_log_due("dropped"):
        _log.warning("idle connections are closed to make room for new ones")


def connection_failed(error: Exception) -> None:
    """A connection ended with an error of this process."""
    _log.error("connection failed", exc_info=error)


def body_refused() -> None:
    """A request body was refused: all bodies together would have been too large."""
    _refused_bodies.inc()
    if _is_log_due("body"):
        _log.warning("request bodies are refused: all together are too large")


def _is_log_due(what: str) -> bool:
    now = monotonic()
    if now - _logged_at.get(what, -LOG_INTERVAL_S) < LOG_INTERVAL_S:
        return False
    _logged_at[what] = now
    return True


_foreign_hosts = Counter(
    "http_foreign_hosts", "Requests refused because they named a host that is not this server's"
)


def access_open(note: str) -> None:
    """An API starts without keys."""
    _log.warning(note)


def orders_hidden(note: str) -> None:
    """Orders are stored that no caller of this API can see."""
    _log.warning(note)


def signing_keys_unavailable(error: Exception) -> None:
    """The keys of the token issuer cannot be read; those that are known are used on for a while."""
    _log.warning("signing keys of the token issuer unavailable", error=type(error).__name__)


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

"""Logs and metrics of what a node refuses and limits: one function for each event."""

from __future__ import annotations

from typing import Final

import structlog
from prometheus_client import Counter, Gauge

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_calls_paused = Counter(
    "rpc_calls_paused", "JSON-RPC calls held back by the node's limits", ["method", "outcome"]
)
_calls_limit = Gauge(
    "rpc_limit_calls_per_second", "Highest rate of JSON-RPC calls to the node now; 0: no limit"
)
_overloads = Counter(
    "rpc_overloads", "Times that the node began to refuse calls for its load", ["limited"]
)
_array_size = Gauge(
    "rpc_array_size",
    "Largest JSON-RPC array of a method that the node takes, once it refused one",
    ["method"],
)


def rpc_call_delayed(method: str) -> None:
    """A JSON-RPC call waits for the node's limits before it is sent."""
    _calls_paused.labels(method, "delayed").inc()


def rpc_call_postponed(method: str) -> None:
    """A JSON-RPC call was not sent, since it would have had to wait for too long."""
    _calls_paused.labels(method, "postponed").inc()


def node_overloaded(limited: str, pause_s: float, calls_per_s: float) -> None:
    """The node refused calls for its load: those of one method, or ``all``."""
    _overloads.labels(limited).inc()
    _log.warning(
        "node limits calls",
        limited=limited,
        pause_s=round(pause_s, 3),
        calls_per_s=round(calls_per_s, 1),
    )


def rpc_limit_changed(calls_per_s: float) -> None:
    """The highest rate of calls to the node changed; 0 means no limit."""
    _calls_limit.set(calls_per_s)


def rpc_array_size_changed(method: str, size: int) -> None:
    """Another size became the largest array of calls that the node takes."""
    _array_size.labels(method).set(size)
    _log.info("array size of node changed", method=method, size=size)

"""Logs and metrics of the pools that orders are quoted on, and of their routes."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter

from backend.runtime.structured_log import structlog

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_looks = Counter("pool_looks", "Times that the pools of a pair were looked for", ["outcome"])
_routes = Counter("routes", "Routes chosen, by their number of legs", ["legs"])


def pools_judged(pair: str, known: int, quoted: int) -> None:
    """The pools of a pair were read: so many are known, and so many of them are quoted."""
    _looks.labels("judged").inc()
    _log.debug("pools judged", pair=pair, known=known, quoted=quoted)


def pools_not_found(pair: str, reason: str) -> None:
    """The pools of a pair could not be looked for; that is tried again."""
    _looks.labels("failed").inc()
    _log.warning("pools not found", pair=pair, reason=reason)


def pools_not_listed(reason: str) -> None:
    """The node does not list pools: the default ones, pinned ones and those found before remain."""
    _log.warning("node lists no pools", reason=reason)


def prices_not_stored(error: Exception) -> None:
    """Prices could not be stored, or old ones not deleted; that is tried again."""
    _log.warning("prices not stored", reason=str(error))


def pinned_pool_unknown(address: str) -> None:
    """A pinned address is no pool of a known program."""
    _log.error("pinned pool is unknown", pool=address)


def lookup_table_ignored(address: str, reason: str) -> None:
    """A configured address lookup table cannot be used."""
    _log.error("lookup table ignored", table=address, reason=reason)


@cache
def _get_route_counter(legs: int) -> Counter:
    return _routes.labels(str(legs))


def route_chosen(legs: int) -> None:
    """A route was chosen for an order."""
    _get_route_counter(legs).inc()

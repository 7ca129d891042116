"""Logs and metrics of orders that wait for a price: one function for each event."""

from __future__ import annotations

from time import monotonic
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("order-engine")

_waiting = Gauge("trigger_orders_waiting", "Waiting orders whose prices this worker watches")
_restricted = Gauge(
    "trigger_directions_restricted",
    "Books of orders that name the pools that they may use: above 250 they are judged in turn",
)
_shards = Gauge("trigger_shards_held", "Shards of waiting orders that this worker watches, of 64")
_released = Counter("trigger_orders_released", "Waiting orders released when their price was met")
_refused = Counter(
    "trigger_releases_refused",
    "Releases of orders that waited no more, had expired or were cooling down",
)
_slices = Counter("trigger_slices_placed", "Slices of TWAP orders that this worker has placed")
_pools_found = Counter("launch_pools_found", "Pools found for sniper orders")
_pools_not_listed = Counter(
    "launch_pools_not_listed", "Refusals of the node to list pools for sniper orders"
)
_markets = Counter("trigger_markets_read", "Pairs whose pools were read for waiting orders")
_incomplete = Counter(
    "trigger_markets_incomplete", "Reads of a pair that lacked a pool: no stop is judged by them"
)
_judged_s = Histogram(
    "trigger_judge_seconds",
    "Time to judge all waiting orders by the markets of a slot",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
_slot = Gauge("trigger_market_slot", "Newest slot by whose markets waiting orders were judged")
_read_at: list[float] = []
_age = Gauge("trigger_market_age_seconds", "Time since pools were last read for waiting orders")
_age.set_function(lambda: monotonic() - _read_at[0] if _read_at else 0.0)


def shards_changed(held: int) -> None:
    """The number of shards that this worker watches changed."""
    _shards.set(held)


def shards_claimed(count: int) -> None:
    """This worker began to watch shards."""
    _log.info("trigger shards claimed", shards=count)


def shards_lost(count: int) -> None:
    """Another worker watches shards that this one held."""
    _log.warning("trigger shards lost", shards=count)


def orders_loaded(orders: int, shards: int, seconds: float) -> None:
    """The waiting orders of claimed shards were loaded."""
    _log.info("waiting orders loaded", orders=orders, shards=shards, seconds=round(seconds, 3))


def waiting_orders(count: int) -> None:
    """The number of waiting orders that this worker watches, now."""
    _waiting.set(count)


def directions_due(restricted: int) -> None:
    """The directions of the next slot were chosen: of so many restricted ones, not always all."""
    _restricted.set(restricted)


def markets_read(pairs: int, incomplete: int) -> None:
    """The pools of all pairs that somebody waits for were read."""
    _markets.inc(pairs)
    _incomplete.inc(incomplete)
    _read_at[:] = [monotonic()]


def markets_forgotten() -> None:
    """Nothing waits any more: no market is read."""
    _read_at.clear()
    _restricted.set(0)


def markets_judged(slot: int, seconds: float) -> None:
    """All waiting orders were judged by the markets of a slot, the newest of them."""
    _judged_s.observe(seconds)
    _slot.set(slot)


def orders_released(count: int, refused: int) -> None:
    """Orders whose price was met were released; some had changed meanwhile."""
    _released.inc(count)
    _refused.inc(refused)
    _log.info("waiting orders released", orders=count, refused=refused)


def slices_placed(count: int, refused: int) -> None:
    """Slices of TWAP orders were placed; some of the orders had changed meanwhile."""
    _slices.inc(count)
    _log.info("slices placed", orders=count, refused=refused)


def pools_found(count: int) -> None:
    """Pools of pairs that sniper orders wait for were found."""
    _pools_found.inc(count)
    _log.info("pools found", pools=count)


def pools_not_listed(reason: str) -> None:
    """The node does not list what programs own: only pools at derived addresses are found."""
    _pools_not_listed.inc()
    _log.warning("node lists no pools", reason=reason)


def differences_found(missing: int, extra: int) -> None:
    """A comparison with the rows found orders that were not watched, or watched for nothing.

    These are common: a notification does not name the many orders that one commit cancels.
    """
    log = _log.warning if missing else _log.info
    log("waiting orders compared", missing=missing, extra=extra)


def watch_failed(operation: str, error: BaseException) -> None:
    """A part of the watch failed and is repeated."""
    _log.warning("watch failed", operation=operation, error=repr(error))


def peak_unreadable(pool: str, error: BaseException) -> None:
    """A stored pool of which trailing stops follow the price cannot be decoded any more."""
    _log.error("peak unreadable", pool=pool, error=repr(error))

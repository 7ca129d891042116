"""Counters over all orders, updated incrementally with each change and never recounted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from tui.model.counts.batches import Batches
from tui.model.counts.rates import Rates, Savings
from tui.model.orders import Order
from tui.model.pairs import PairTokens, find_pair_tokens
from tui.model.routes.route import Route
from tui.text.symbols import FINAL_STATUSES, STATUSES

_QUOTE_SAMPLES_MAX: Final = 20
_AT_REST: Final = FINAL_STATUSES | {"waiting"}
_MISSES_MIN: Final = 3
_RECENT_MS: Final = 15_000
_TRANSIENT_CODES: Final = frozenset({"venue_timeout", "rate_limited", "slot_not_available"})


class OrderBefore(NamedTuple):
    """The values of an order before a change, for updating the counters after it."""

    status: str
    dex: str | None
    updated_ms: int

    @classmethod
    def of(cls, order: Order) -> OrderBefore:
        """Capture the values of an order that is about to change."""
        return cls(order.status, order.dex, order.updated_ms)


class Counters:
    """Counts by status, venue and batch, and samples of durations and savings."""

    def __init__(self) -> None:
        self.rates = Rates()
        self.savings = Savings()
        self.venue_health = VenueHealth()
        self.batches = Batches()
        self.by_venue: Counter[str] = Counter()
        self.by_pair: Counter[PairTokens] = Counter()
        self._loaded: Counter[str] = Counter()
        self._not_loaded: Counter[str] = Counter()

    @property
    def by_status(self) -> dict[str, int]:
        """The number of orders in each status, including those not loaded or already evicted."""
        return {status: self._loaded[status] + self._not_loaded[status] for status in STATUSES}

    @property
    def in_flight(self) -> int:
        """The number of orders that are being executed: not ended, and not waiting for a price."""
        return sum(n for status, n in self.by_status.items() if status not in _AT_REST)

    def count_order(self, order: Order, before: OrderBefore | None) -> None:
        """Count an order that was added (``before`` is ``None``) or has changed."""
        was_end = before is not None and before.status in FINAL_STATUSES
        if before is None:
            self.by_pair[find_pair_tokens(order.token_in, order.token_out)] += 1
        if before is not None:
            self._loaded[before.status] -= 1
        self._loaded[order.status] += 1
        self.batches.count_order(order, None if before is None else before.status)
        dex = None if before is None else before.dex
        if dex != order.dex:
            self.by_venue[dex or ""] -= dex is not None
            self.by_venue[order.dex or ""] += 1
        if order.is_end and not was_end:
            self.rates.record_end(order, is_old=before is None)
            if order.status == "confirmed":
                self.savings.add_order(order)

    def count_transition(self, order: Order, before: OrderBefore) -> None:
        """Sample a live transition: the duration of the previous status, and the quoting venues."""
        if before.status != "waiting":  # that is the market's time, not the engine's
            self.rates.record_phase(before.status, order.updated_ms - before.updated_ms)
        if order.status == "building":
            self.venue_health.record_route(order.route, order.updated_ms)

    def count_eviction(self, order: Order) -> None:
        """Move an evicted order to the counts of orders that are not loaded."""
        self._loaded[order.status] -= 1
        self._not_loaded[order.status] += 1

    def load_server_counts(self, by_status: Mapping[str, int]) -> None:
        """Take over the server's counts: the excess over ours are orders that are not loaded."""
        for status in STATUSES:
            self._not_loaded[status] = max(by_status.get(status, 0) - self._loaded[status], 0)


class VenueHealth:
    """The latest quote results of each venue: success or miss, with its time.

    It detects venues that fail to quote, so that the summary can warn while orders are routed
    elsewhere.
    """

    def __init__(self) -> None:
        self._results: dict[str, deque[tuple[int, bool]]] = {}

    def record_route(self, route: Route | None, at_ms: int) -> None:
        """Record which venues quoted a route: one that quotes one of its pools has not failed.

        Neither has one that has no pool for the pair.
        """
        if route is None:
            return
        quoted = route.quoted_dexes
        missed = {each.venue.dex for each in route.missing if _is_transient(each.code)}
        for dex in quoted | missed:
            self._results.setdefault(dex, deque(maxlen=_QUOTE_SAMPLES_MAX)).append(
                (at_ms, dex not in quoted)
            )

    def list_failing(self, now_ms: int) -> list[str]:
        """Return the venues for which at least half of the recent quotes failed."""
        return sorted(dex for dex, results in self._results.items() if _is_failing(results, now_ms))


def _is_transient(code: str) -> bool:
    return code in _TRANSIENT_CODES or code.startswith("node_")


def _is_failing(results: deque[tuple[int, bool]], now_ms: int) -> bool:
    recent = [is_miss for at_ms, is_miss in results if now_ms - at_ms < _RECENT_MS]
    misses = sum(recent)
    return misses >= _MISSES_MIN and misses * 2 >= len(recent)

"""Admission control: refuses new orders before they are parsed, on overload or shutdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backend.api.admission.rate_limiter import RateLimiter
from backend.api.wire.problems import retry_later
from backend.store.counts import OpenOrderCounts


class OpenOrderLimits(NamedTuple):
    """The limits on open orders: of all owners together, and of each."""

    all_owners: int
    one_owner: int


class AdmissionControl:
    """Admits or refuses new orders; ``run`` must be running.

    A limit on open orders can be exceeded by the requests that are in flight, and with several API
    processes by what the others store within a second.
    """

    def __init__(
        self, open_orders: OpenOrderCounts, rate_limiter: RateLimiter, *, limits: OpenOrderLimits
    ) -> None:
        self._open_orders = open_orders
        self._rate_limiter = rate_limiter
        self._limits = limits
        self.is_stopping = False
        """Whether this process was asked to stop: it is not ready, and still admits orders."""
        self.is_draining = False
        self.run = rate_limiter.run
        self.count_stored = open_orders.add_stored

    @property
    def policy_headers(self) -> Mapping[str, str]:
        """The headers that tell the rate limit, wherever it holds."""
        return self._rate_limiter.policy_headers

    async def admit(self, owner: str, orders: int = 1) -> Mapping[str, str]:
        """Return if this many new orders are admitted: headers that tell what is left.

        Raises ``Problem``: 503 during shutdown or with too many open orders, 429 above the owner's
        rate or with too many open orders of the owner.
        """
        self._require_running()
        limits, total, own = self._limits, self._open_orders.total, self._open_orders.count(owner)
        if total + orders > limits.all_owners:
            raise retry_later(
                "overloaded",
                f"{total} orders of all owners are open; with {orders} more they would exceed the"
                f" limit of {limits.all_owners} (ORDER_ENGINE_OPEN_ORDERS_MAX)",
            )
        if own + orders > limits.one_owner:
            raise retry_later(
                "too_many_open_orders",
                f"{own} of your orders are open; with {orders} more they would exceed the limit of"
                f" {limits.one_owner} for one owner (ORDER_ENGINE_OWNER_OPEN_ORDERS_MAX)",
                status=429,
            )
        return await self._rate_limiter.admit(owner, orders)

    async def admit_change(self, owner: str) -> Mapping[str, str]:
        """As ``admit``, for a change of an order that is open already."""
        self._require_running()
        return await self._rate_limiter.admit(owner, 1)

    def _require_running(self) -> None:
        if self.is_draining:
            raise retry_later("shutting_down", "this server is stopping; connect again")

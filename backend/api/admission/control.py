"""Admission control: refuses new orders before they are parsed, on overload or shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from backend.api.admission.rate_limiter import RateLimiter
from backend.api.wire.problems import retry_later
from backend.domain.errors import Transient
from backend.store.queries import OrderQueries

OPEN_ORDERS_POLL_S = 1.0


class AdmissionControl:
    """Admits or refuses new orders; ``run`` must be running."""

    def __init__(
        self, orders: OrderQueries, rate_limiter: RateLimiter, *, open_orders_max: int
    ) -> None:
        self._orders = orders
        self._rate_limiter = rate_limiter
        self._open_orders_max = open_orders_max
        self._open_orders = 0
        self.is_stopping = False
        """Whether this process was asked to stop: it is not ready, and still admits orders."""
        self.is_draining = False

    async def run(self) -> None:
        """Run the rate limiter and keep the count of open orders current, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rate_limiter.run())
            tasks.create_task(self._poll_open_orders())

    async def _poll_open_orders(self) -> None:
        while True:
            with suppress(Transient):  # logged by the store
                self._open_orders = (await self._orders.count_open()).open
            await asyncio.sleep(OPEN_ORDERS_POLL_S)

    @property
    def policy_headers(self) -> Mapping[str, str]:
        """The headers that tell the rate limit, wherever it holds."""
        return self._rate_limiter.policy_headers

    async def admit(self, owner: str, orders: int = 1) -> Mapping[str, str]:
        """Return if this many new orders are admitted: headers that tell what is left.

        Raises ``Problem``: 503 during shutdown or with too many open orders, 429 above the rate.
        """
        if self.is_draining:
            raise retry_later("shutting_down", "this server is stopping; connect again")
        if self._open_orders >= self._open_orders_max:
            raise retry_later("overloaded", f"{self._open_orders} orders are open already")
        return await self._rate_limiter.admit(owner, orders)

    def count_stored(self, orders: int) -> None:
        """Add stored orders to the count of open ones, until the next poll includes them."""
        self._open_orders += orders

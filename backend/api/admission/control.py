"""Admission control: refuses new orders before they are parsed, on overload or shutdown."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from backend.api.admission.rate_limiter import RateLimiter
from backend.api.wire.problems import retry_later
from backend.domain.errors import Transient
from backend.store.open_orders import OpenOrderCounts

OPEN_ORDERS_POLL_S = 1.0


class OpenOrders:
    """Bounds on open orders, of each owner and of all together; ``run`` must be running.

    The numbers are those of the last poll and what this process has stored since: with several API
    processes a bound can be exceeded by what the others store within a poll.
    """

    def __init__(self, counts: OpenOrderCounts, *, owner_max: int, all_max: int) -> None:
        self._counts = counts
        self._owner_max = owner_max
        self._all_max = all_max
        self._by_owner: Counter[str] = Counter()
        self._all = 0

    async def run(self) -> None:
        """Keep the numbers current until cancelled."""
        while True:
            with suppress(Transient):  # logged by the store
                self._by_owner = Counter(await self._counts.count_by_owner())
                self._all = self._by_owner.total()
            await asyncio.sleep(OPEN_ORDERS_POLL_S)

    def admit(self, owner: str, orders: int) -> None:
        """Return if the owner may have so many more open orders.

        Raises ``Problem``: 429 at the owner's bound, 503 at the bound on all.
        """
        if self._all + orders > self._all_max:
            raise retry_later(
                "overloaded",
                f"{self._all} orders of all owners are open; the limit is {self._all_max}"
                " (ORDER_ENGINE_OPEN_ORDERS_MAX)",
            )
        if self._by_owner[owner] + orders > self._owner_max:
            raise retry_later(
                "too_many_open_orders",
                f"{self._by_owner[owner]} orders of this owner are open; the limit for one owner is"
                f" {self._owner_max} (ORDER_ENGINE_OWNER_OPEN_ORDERS_MAX)",
                status=429,
            )

    def count_stored(self, owner: str, orders: int) -> None:
        """Add stored orders, until the next poll includes them."""
        self._by_owner[owner] += orders
        self._all += orders


class AdmissionControl:
    """Admits or refuses new orders; ``run`` must be running."""

    def __init__(self, open_orders: OpenOrders, rate_limiter: RateLimiter) -> None:
        self._open_orders = open_orders
        self._rate_limiter = rate_limiter
        self.is_stopping = False
        """Whether this process was asked to stop: it is not ready, and still admits orders."""
        self.is_draining = False
        self.count_stored = open_orders.count_stored

    async def run(self) -> None:
        """Run the rate limiter and keep the numbers of open orders current, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rate_limiter.run())
            tasks.create_task(self._open_orders.run())

    async def admit(self, owner: str, orders: int = 1) -> None:
        """Return if this many new orders are admitted.

        Raises ``Problem``: 503 during shutdown or with too many open orders, 429 above the owner's
        rate or with too many open orders of the owner.
        """
        if self.is_draining:
            raise retry_later("shutting_down", "this server is stopping; connect again")
        self._open_orders.admit(owner, orders)
        await self._rate_limiter.admit(owner, orders)

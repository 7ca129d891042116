"""A limit on the orders that a worker has started and not sent to the chain yet.

A worker can hold any number of orders that wait for the chain, but the unsent ones use its CPU.
Beyond some hundreds of them, more concurrency makes none faster: they only wait for each other, in
memory instead of in the queue, where another worker could take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UnsentLimiter:
    """Counts unsent orders, and holds new ones back while there are ``orders_max``."""

    def __init__(self, orders_max: int) -> None:
        self._orders_max = orders_max
        self._count = 0
        self._capacity_freed = asyncio.Event()

    async def wait_for_capacity(self) -> None:
        """Return when another order may start."""
        while self._count >= self._orders_max:
            self._capacity_freed.clear()
            await self._capacity_freed.wait()

    @contextmanager
    def count_order(self) -> Iterator[Callable[[], None]]:
        """Count an order until the block ends, or until the yielded callback is called."""
        is_counted = True
        self._count += 1

        def mark_sent() -> None:
            nonlocal is_counted
            if is_counted:
                is_counted = False
                self._count -= 1
                self._capacity_freed.set()

        try:
            yield mark_sent
        finally:
            mark_sent()

"""The gate for new orders: what is too much, or too late, is refused before it is read.

The rate is limited by the generic cell rate algorithm, in one script inside Redis, so that any
number of API processes share one limit and no two requests get the same place. With Redis away
orders are let in: it is a protection, not a promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import ceil

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.api.wire.problems import later
from backend.domain.errors import Transient
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.store.queries import Orders

SAMPLE_S = 1.0
REDIS_TIMEOUT_S = 0.5
QUESTIONS_MAX = 500

# One key an owner: the time at which everything let in so far would have come at an even rate.
# Whoever is not too far ahead of that time is let in, with all its orders, and moves it on.
_GCRA = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local gap = 1000000 / tonumber(ARGV[1])
local cost = tonumber(ARGV[2])
local even = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = even - now - (1000000 - gap)
if wait > 0 then return wait end
even = even + gap * cost
redis.call('SET', KEYS[1], string.format('%.0f', even),
           'PX', string.format('%.0f', math.ceil((even - now) / 1000) + 1000))
return 0
"""


class Rate:
    """At most ``per_second`` orders a second of one owner, a second's worth of them at once.

    A batch is let in as a whole when one order is, and paid for by waiting afterwards. Whoever
    asks at the same time asks in one round trip; ``run`` must be running.
    """

    def __init__(self, redis: Redis, per_second: int, prefix: str) -> None:
        self._redis = redis
        self._per_second = per_second
        self._prefix = prefix
        self._script = redis.register_script(_GCRA)
        self._questions: Coalescer[tuple[str, int], int] = Coalescer(
            self._ask, items_max=QUESTIONS_MAX
        )
        self.run = self._questions.run

    async def admit(self, owner: str, orders: int) -> None:
        """Count new orders. Raises ``Problem`` (429) if the owner has to wait."""
        if not self._per_second:
            return
        wait_us = await self._questions.ask((owner, orders))
        if wait_us > 0:
            detail = f"more than {self._per_second} orders a second"
            raise later("rate_limited", detail, status=429, after_s=ceil(wait_us / 1_000_000))

    async def _ask(self, questions: Sequence[tuple[str, int]]) -> list[int]:
        """How long each has to wait, in microseconds."""
        try:
            async with (
                asyncio.timeout(REDIS_TIMEOUT_S),
                self._redis.pipeline(transaction=False) as pipe,
            ):
                for owner, orders in questions:
                    key = f"{self._prefix}{owner}"
                    await self._script(keys=[key], args=[self._per_second, orders], client=pipe)
                return [int(wait_us) for wait_us in await pipe.execute()]
        except (RedisError, OSError, TimeoutError) as error:
            observe.redis_gone("limit", error)
            return [0] * len(questions)


class Gate:
    """Lets new orders in; ``run`` must be running."""

    def __init__(self, orders: Orders, rate: Rate, *, open_orders_max: int) -> None:
        self._orders = orders
        self._rate = rate
        self._open_orders_max = open_orders_max
        self._open_orders = 0
        self.is_draining = False

    async def run(self) -> None:
        """Keep counting the open orders, and answer whose turn it is, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rate.run())
            tasks.create_task(self._sample())

    async def _sample(self) -> None:
        while True:
            try:
                self._open_orders = (await self._orders.load()).open
            except Transient as error:
                observe.database_gone(error)
            await asyncio.sleep(SAMPLE_S)

    async def admit(self, owner: str, orders: int = 1) -> None:
        """Return if new orders may come in.

        Raises ``Problem``: 503 while stopping or with too many orders open, 429 beyond the rate.
        """
        if self.is_draining:
            raise later("shutting_down", "this server is stopping; connect again")
        if self._open_orders >= self._open_orders_max:
            raise later("overloaded", f"{self._open_orders} orders are open already")
        await self._rate.admit(owner, orders)

    def took(self, orders: int) -> None:
        """Count orders that were stored, until the next sample has."""
        self._open_orders += orders

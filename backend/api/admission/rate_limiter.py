"""The rate limit on new orders: one per owner, shared by all API processes through Redis.

It is the generic cell rate algorithm (GCRA), one script inside Redis, so that concurrent requests
to any number of processes cannot both take the same free slot. While Redis is unavailable orders
are admitted: the limit is a protection, not a guarantee.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import ceil

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.api.wire.problems import retry_later
from backend.runtime import observe_queue
from backend.runtime.coalescer import Coalescer
from backend.runtime.redis_errors import drop_connections_if_moved

REDIS_TIMEOUT_S = 0.5
CHECKS_PER_CALL_MAX = 500

# One key per owner: the time at which all orders admitted so far would have arrived at an even
# rate. An owner who is not too far ahead of that time is admitted, with all orders of the request,
# and moves it on.
_GCRA_SCRIPT = """
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


class RateLimiter:
    """At most ``per_second`` orders a second of one owner, with bursts of one second's worth.

    A batch is admitted as a whole as soon as one order would be; its owner then waits until it
    is paid for. Concurrent checks share one round trip to Redis; ``run`` must be running.
    """

    def __init__(self, redis: Redis, per_second: int, key_prefix: str) -> None:
        self._redis = redis
        self._per_second = per_second
        self._key_prefix = key_prefix
        self._script = redis.register_script(_GCRA_SCRIPT)
        self._checks: Coalescer[tuple[str, int], int] = Coalescer(
            self._run_checks, items_max=CHECKS_PER_CALL_MAX
        )
        self.run = self._checks.run

    async def admit(self, owner: str, orders: int) -> None:
        """Count new orders. Raises ``Problem`` (429) if the owner has to wait."""
        if not self._per_second:
            return
        wait_us = await self._checks.submit((owner, orders))
        if wait_us > 0:
            detail = f"more than {self._per_second} orders a second"
            raise retry_later("rate_limited", detail, status=429, after_s=ceil(wait_us / 1_000_000))

    async def _run_checks(self, checks: Sequence[tuple[str, int]]) -> list[int]:
        """How long each owner has to wait, in microseconds; 0 if its orders are admitted."""
        try:
            async with (
                asyncio.timeout(REDIS_TIMEOUT_S),
                self._redis.pipeline(transaction=False) as pipe,
            ):
                for owner, orders in checks:
                    key = f"{self._key_prefix}{owner}"
                    await self._script(keys=[key], args=[self._per_second, orders], client=pipe)
                waits = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            observe_queue.redis_unavailable("limit", error)
            return [0] * len(checks)
        errors = [wait_us for wait_us in waits if isinstance(wait_us, Exception)]
        if errors:
            observe_queue.redis_unavailable("limit", errors[0])
            await drop_connections_if_moved(self._redis.connection_pool, errors[0])
        return [0 if isinstance(wait_us, Exception) else int(wait_us) for wait_us in waits]

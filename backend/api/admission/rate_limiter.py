"""The rate limit on new orders: one per owner, shared by all API processes through Redis.

It is the generic cell rate algorithm (GCRA), one script inside Redis, so that concurrent requests
to any number of processes cannot both take the same free slot. While Redis is unavailable orders
are admitted: the limit is a protection, not a guarantee.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.api.wire.problems import retry_later
from backend.runtime import observe_queue
from backend.runtime.coalescer import Coalescer
from backend.runtime.redis.errors import drop_connections_if_moved

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
if wait > 0 then return {wait, even - now} end
even = even + gap * cost
redis.call('SET', KEYS[1], string.format('%.0f', even),
           'PX', string.format('%.0f', math.ceil((even - now) / 1000) + 1000))
return {0, even - now}
"""
_SECOND_US = 1_000_000


class RateCheck(NamedTuple):
    """The result of a check: how long to wait, and how far the owner is ahead of an even rate."""

    wait_us: int
    ahead_us: int


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
        self._checks: Coalescer[tuple[str, int], RateCheck | None] = Coalescer(
            self._run_checks, name="check the rate limit", items_max=CHECKS_PER_CALL_MAX
        )
        self.run = self._checks.run
        self.policy_headers: Mapping[str, str] = (
            {"RateLimit-Policy": f'"orders";q={per_second};w=1'} if per_second else {}
        )
        """The limit as a header: orders that an owner may place in a window of one second."""

    async def admit(self, owner: str, orders: int) -> Mapping[str, str]:
        """Count new orders; return headers that tell what is left of the limit.

        Raises ``Problem`` (429) if the owner has to wait.
        """
        if not self._per_second:
            return {}
        check = await self._checks.submit((owner, orders))
        if check is None:
            return {}
        if check.wait_us > 0:
            detail = f"more than {self._per_second} orders a second"
            after_s = ceil(check.wait_us / _SECOND_US)
            problem = retry_later("rate_limited", detail, status=429, after_s=after_s)
            problem.headers |= self._describe(check)
            raise problem
        return self._describe(check)

    def _describe(self, check: RateCheck) -> dict[str, str]:
        """How many more orders are admitted now, and in how many seconds all are again."""
        left = max(_SECOND_US - check.ahead_us, 0) * self._per_second // _SECOND_US
        return {"RateLimit": f'"orders";r={left};t={ceil(check.ahead_us / _SECOND_US)}'}

    async def _run_checks(self, checks: Sequence[tuple[str, int]]) -> list[RateCheck | None]:
        """The result for each owner; ``None`` if it is not known: its orders are admitted."""
        try:
            async with (
                asyncio.timeout(REDIS_TIMEOUT_S),
                self._redis.pipeline(transaction=False) as pipe,
            ):
                for owner, orders in checks:
                    key = f"{self._key_prefix}{owner}"
                    await self._script(keys=[key], args=[self._per_second, orders], client=pipe)
                results = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            observe_queue.redis_unavailable("limit", error)
            return [None] * len(checks)
        errors = [result for result in results if isinstance(result, Exception)]
        if errors:
            observe_queue.redis_unavailable("limit", errors[0])
            await drop_connections_if_moved(self._redis.connection_pool, errors[0])
        return [
            None if isinstance(result, Exception) else RateCheck(*map(int, result))
            for result in results
        ]

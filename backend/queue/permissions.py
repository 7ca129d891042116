"""What a user of Redis needs to be permitted, tried once at start.

With an ACL that lacks a command, the engine would start, and fail at the first job, reclaim or
rate limit. Each probe has no effect: it names entries that cannot exist, and a consumer that it
removes again; only the group is made, if it is missing. ``REDIS.md`` has the same list as a line
of an ACL file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from backend.runtime.redis.errors import is_configuration_error
from backend.runtime.redis.keys import PROBE

_NEVER_IDLE_MS = 2**40
_NO_ENTRY = "0-0"


async def find_missing_permission(
    redis: Redis, *, stream: str, group: str, consumer: str
) -> Exception | None:
    """The first refusal that a person has to mend, if there is one. Raises ``RedisError``."""
    errors = await probe_commands(redis, stream=stream, group=group, consumer=consumer)
    return next((error for error in errors if is_configuration_error(error)), None)


async def probe_commands(
    redis: Redis, *, stream: str, group: str, consumer: str
) -> Sequence[Exception]:
    """The errors of all commands, which may be no refusals. Raises ``RedisError``."""
    probes: Sequence[tuple[Any, ...]] = (
        ("PING",),
        ("EXISTS", stream),
        ("XGROUP", "CREATE", stream, group, "0", "MKSTREAM"),
        ("TIME",),
        ("XLEN", stream),
        ("XRANGE", stream, "-", "+", "COUNT", 1),
        ("XINFO", "GROUPS", stream),
        ("XINFO", "CONSUMERS", stream, group),
        ("XPENDING", stream, group),
        ("XREADGROUP", "GROUP", group, consumer, "COUNT", 1, "STREAMS", stream, _NO_ENTRY),
        ("XAUTOCLAIM", stream, group, consumer, _NEVER_IDLE_MS, _NO_ENTRY, "COUNT", 1),
        ("XACK", stream, group, _NO_ENTRY),
        ("XDEL", stream, _NO_ENTRY),
        ("XTRIM", stream, "MINID", _NO_ENTRY),
        ("XADD", stream, "NOMKSTREAM", "MINID", _NO_ENTRY, _NO_ENTRY, "data", ""),
        ("XGROUP", "DELCONSUMER", stream, group, consumer),
        ("GET", PROBE),
        ("GETDEL", PROBE),
        ("SET", PROBE, "", "PX", 1),
        ("PUBLISH", PROBE, ""),
    )
    async with redis.pipeline(transaction=False) as pipe:
        for probe in probes:
            pipe.execute_command(*probe)
        replies = await pipe.execute(raise_on_error=False)
    return [reply for reply in replies if isinstance(reply, Exception)]

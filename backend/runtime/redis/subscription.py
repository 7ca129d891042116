"""Whether a subscription still brings what is published.

A subscriber only waits, so no error tells it that its server hangs, or is not the primary any more
and hears nothing of what is published: with Sentinel nobody closes the connections of an old
primary that they do not reach, and a node that has left a Cluster goes on serving whoever is there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backend.runtime.redis.cluster import ClusterPool

CHECK_S: Final = 5.0
"""How often the server of a subscription is asked."""
ANSWER_S: Final = 5.0
"""How long its answer may take."""


async def check_subscription(
    pool: ConnectionPool, connection: Connection, answered: asyncio.Event
) -> None:
    """Ask the server of a subscription again and again, until cancelled.

    Whoever reads the subscription sets ``answered`` at each ``pong``. Raises ``RedisError`` when
    none comes, or when the primary is another server by now.
    """
    while True:
        await asyncio.sleep(CHECK_S)
        answered.clear()
        await connection.send_command("PING", check_health=False)
        try:
            async with asyncio.timeout(ANSWER_S):
                await answered.wait()
        except TimeoutError:
            raise RedisTimeoutError("no answer on the connection of a subscription") from None
        if not await _is_primary(pool, connection):
            await pool.disconnect(inuse_connections=False)
            raise RedisConnectionError("the primary is another server now")


async def _is_primary(pool: Any, connection: Any) -> bool:
    """Whether a connection leads to the primary still; yes if nobody tells."""
    if not isinstance(pool, ClusterPool | SentinelConnectionPool):
        return True  # its only server, which a socket of this machine may lead to
    server = connection.host, connection.port
    with suppress(RedisError, OSError):
        if isinstance(pool, ClusterPool):
            return await pool.is_primary(server)
        address = await pool.get_master_address()  # type: ignore[no-untyped-call]
        return bool(address == server)
    return True

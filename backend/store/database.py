"""Connections to PostgreSQL, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

CONNECT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 5

GONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's word for a connection that was ended under it
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # a full disk, no memory, too many connections
    asyncpg.PostgresSystemError,  # a file that cannot be read or written
)
"""What a call raises when the server is not there, is going away, does not answer, or cannot work
now through no fault of the statement."""

BUSY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""What a statement raises when it lost to another and had no effect: run it again."""

if TYPE_CHECKING:  # generic for the type checker only
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy


async def _keep(connection: object) -> None:
    """Leave a connection as it is between two uses: nothing here sets what would need a reset."""


@asynccontextmanager
async def connect(url: str, *, connections_max: int) -> AsyncIterator[Pool]:
    """A pool of connections, closed at the end.

    Raises ``OSError`` or ``asyncpg.PostgresError`` if the server cannot be reached.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections_max,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        max_inactive_connection_lifetime=0,
        reset=_keep,
        server_settings={"application_name": "order-engine", "jit": "off"},
    )
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()

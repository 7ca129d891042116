"""Connections to PostgreSQL, and the classification of their errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from backend.domain.errors import Transient

CONNECT_TIMEOUT_S = 10
COMMAND_TIMEOUT_S = 5

CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg raises it when a connection closes during a call
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # a full disk, no memory, too many connections
    asyncpg.PostgresSystemError,  # a file that cannot be read or written
)
"""Errors of a call when the server is unreachable, shuts down, times out, or fails for a reason
other than the statement."""

RETRYABLE_ERRORS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Errors of a statement that lost a conflict and had no effect: run it again."""

if TYPE_CHECKING:  # generic for the type checker only
    DatabasePool = asyncpg.Pool[asyncpg.Record]
    DatabaseConnection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    DatabasePool = asyncpg.Pool
    DatabaseConnection = asyncpg.pool.PoolConnectionProxy


async def _skip_reset(connection: object) -> None:
    """Skip the reset of a released connection: no code here changes session state."""


@asynccontextmanager
async def open_pool(url: str, *, connections_max: int) -> AsyncIterator[DatabasePool]:
    """Open a pool of connections for the length of a block.

    Raises ``OSError`` or ``asyncpg.PostgresError`` if the server cannot be reached.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections_max,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        max_inactive_connection_lifetime=0,
        reset=_skip_reset,
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


def unavailable_error() -> Transient:
    """The error for a client whose request failed because PostgreSQL is unavailable."""
    return Transient("database_unavailable", "the database does not answer; try again shortly")

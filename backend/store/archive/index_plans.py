"""Transactions that find each order by its id, whatever statistics say of the tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from backend.store.database import DatabaseConnection, DatabasePool

# Lines have times in UTC, and bytes in hexadecimal.
_SET: Final = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('TimeZone', 'UTC', true),"
    " set_config('bytea_output', 'hex', true)"
)


@asynccontextmanager
async def open_by_index(pool: DatabasePool) -> AsyncIterator[DatabaseConnection]:
    """A transaction for the length of a block. Raises ``DATABASE_ERRORS``."""
    async with pool.acquire() as connection, connection.transaction(isolation="read_committed"):
        await connection.execute(_SET)
        yield connection

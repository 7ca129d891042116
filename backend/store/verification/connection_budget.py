"""Whether PostgreSQL has connections for all processes of the engine."""

from __future__ import annotations

from typing import NamedTuple, cast

from backend.domain.errors import Rejected
from backend.store.connection import StoreConnection
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors

# Behind a pooler, sessions are shared, and these limits say nothing.
_READ = """ -- read connection limits
SELECT current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS server,
       (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role,
       (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
           AS database
"""


class ConnectionLimits(NamedTuple):
    """How many connections the server, its role and its database permit; ``None``: any number."""

    server: int
    role: int | None
    database: int | None

    def find_lowest(self) -> tuple[int, str]:
        """The lowest limit, and what sets it."""
        limits = (
            (self.server, "max_connections, less what is reserved"),
            (self.role, "the connection limit of the role"),
            (self.database, "the connection limit of the database"),
        )
        return min((limit, name) for limit, name in limits if limit is not None)


async def require_connections(pool: DatabasePool, processes: int, of_each: int) -> None:
    """Require connections for ``processes`` that open up to ``of_each``.

    Raises ``Rejected`` with both numbers, and ``Transient`` if PostgreSQL cannot be used.
    """
    limits = await _read_limits(pool)
    if limits is None:
        return
    permitted, name = limits.find_lowest()
    needed = processes * of_each
    if needed > permitted:
        raise Rejected(
            "too_few_connections",
            f"{processes} processes open up to {of_each} connections each, {needed} together, and"
            f" PostgreSQL at {pool.address} permits {permitted} ({name}): raise that, or lower"
            " ORDER_ENGINE_DATABASE_PROCESSES or ORDER_ENGINE_DATABASE_CONNECTIONS",
        )


async def _read_limits(pool: DatabasePool) -> ConnectionLimits | None:
    """The limits that hold for this session; ``None`` behind a pooler."""

    async def read() -> ConnectionLimits | None:
        async with pool.acquire() as connection:
            if cast("StoreConnection", connection).is_pooled:
                return None
            [row] = await connection.fetch(_READ)
            return ConnectionLimits(*row)

    return await translate_errors(read)

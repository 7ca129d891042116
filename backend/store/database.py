"""The pool of connections to PostgreSQL, which heals itself.

A connection whose statement shows that its session is lost or cannot write is dropped, not given
out again; a new one is used only if its server can write. So the pool follows a failover, and a
server that was read-only for a while, without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg
from asyncpg.pool import Pool, PoolAcquireContext, PoolConnectionProxy

from backend.runtime import observe_database
from backend.store.address import DatabaseAddress, parse_address
from backend.store.connection import Connector, Pooling, StoreConnection
from backend.store.errors import (
    DATABASE_ERRORS,
    Reaction,
    classify,
    repeat_conflicts,
    translate_errors,
)
from backend.store.start_errors import explain_start_errors

COMMAND_TIMEOUT_S: Final = 5
FIRST_ID: Final = UUID(int=0)
"""The id before those of all orders."""
_QUERIES_MAX: Final = 50_000
"""How many statements a connection runs before a new one replaces it."""
_RETURNS_KEPT: Final = 64
"""Of so many connections that are returned one goes to asyncpg, which counts its statements."""

if TYPE_CHECKING:  # generic for the type checker only
    DatabaseConnection = PoolConnectionProxy[asyncpg.Record]
    _Pool = Pool[asyncpg.Record]
    _AcquireContext = PoolAcquireContext[asyncpg.Record]
else:
    DatabaseConnection = PoolConnectionProxy
    _Pool = Pool
    _AcquireContext = PoolAcquireContext


class DatabasePool(_Pool):
    """Connections to a server that can write."""

    __slots__ = ("_connector", "_expiries", "_kept", "_returns", "_timeout_s", "_waiting")

    def __init__(
        self, connector: Connector, *, connections_max: int, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> None:
        super().__init__(
            min_size=1,
            max_size=connections_max,
            max_queries=_QUERIES_MAX,
            max_inactive_connection_lifetime=0,
            reset=_skip_reset,
            connect=connector.connect,  # type: ignore[arg-type]  # it takes any option
            loop=None,
            connection_class=StoreConnection,
            record_class=asyncpg.Record,
            command_timeout=timeout_s,
        )
        self._connector = connector
        self._timeout_s = timeout_s
        self._kept: list[DatabaseConnection] = []
        """Connections that nobody uses and that are not given back to asyncpg."""
        self._waiting = 0
        """How many wait for a connection of asyncpg's."""
        self._returns = 0
        self._expiries = 0

    @property
    def address(self) -> DatabaseAddress:
        """Where PostgreSQL is."""
        return self._connector.address

    def acquire(self, *, timeout: float | None = None) -> _AcquireContext:
        """A connection for the length of a block, dropped if an error of the block says so.

        One that was used without an error is kept for the next user, at once and in this process:
        asyncpg would make a task, a proxy and timers of each use, before the block ends.
        """
        return _AcquiredConnection(self, timeout)

    async def take(self, timeout: float | None) -> tuple[DatabaseConnection, int]:
        """A connection that is kept, or else one of asyncpg's; and how often all have expired."""
        while self._kept:
            kept = self._kept.pop()
            if _is_usable(kept):
                return kept, self._expiries
            await self.release(kept)
        expiries = self._expiries
        self._waiting += 1
        try:
            return await self._acquire(timeout), expiries  # type: ignore[attr-defined]
        finally:
            self._waiting -= 1

    def keep(self, connection: DatabaseConnection, expiries: int) -> bool:
        """Keep a connection for the next user, or return ``False`` if asyncpg has to have it.

        That is where somebody waits for it, where it may not be used again, and now and then, so
        that asyncpg replaces those that are old.
        """
        self._returns += 1
        if self._waiting or not self._returns % _RETURNS_KEPT or expiries != self._expiries:
            return False
        if self.is_closing() or not _is_usable(connection):
            return False
        self._kept.append(connection)
        return True

    async def expire_connections(self) -> None:
        """Have all connections replaced before they are used again."""
        self._expiries += 1
        await super().expire_connections()
        for kept in self._kept:
            with suppress(asyncpg.InterfaceError):
                kept.terminate()
        self._kept.clear()

    async def close(self) -> None:
        """Close all connections, once nobody uses them."""
        while self._kept:
            await self.release(self._kept.pop())
        await super().close()

    async def read(
        self, query: str, *args: object, timeout: float | None = None
    ) -> Sequence[asyncpg.Record]:
        """The rows of a statement for a client. Raises ``Transient`` for every database error.

        Without ``timeout`` the pool's is that of the statement, and of the wait for a connection.
        """

        async def fetch() -> Sequence[asyncpg.Record]:
            async with self.acquire(timeout=timeout or self._timeout_s) as connection:
                return await connection.fetch(query, *args, timeout=timeout)

        return await translate_errors(fetch)

    async def drop(self, connection: DatabaseConnection, error: BaseException) -> None:
        """React to the error of a statement: keep its connection, drop it, or drop all."""
        reaction = classify(error)
        if not reaction.drops_connection:
            return
        if reaction is Reaction.PREPARE_AGAIN:
            self._connector.stop_preparing(error)
        if reaction is not Reaction.RECONNECT:
            await self.expire_connections()
        with suppress(asyncpg.InterfaceError):  # it may have gone back to the pool as closed
            connection.terminate()


async def fetch_repeating(
    pool: DatabasePool, query: str, *args: object
) -> Sequence[asyncpg.Record]:
    """The rows of a statement, which runs again at once while it loses conflicts.

    Raises ``DATABASE_ERRORS``.
    """

    async def fetch() -> Sequence[asyncpg.Record]:
        async with pool.acquire() as connection:
            return await connection.fetch(query, *args)

    return await repeat_conflicts(fetch)


class _AcquiredConnection(_AcquireContext):
    """Like asyncpg's, but an error of the block decides whether the connection is kept."""

    __slots__ = ("_expiries",)
    pool: DatabasePool  # type: ignore[mutable-override]

    async def __aenter__(self) -> DatabaseConnection:
        self.connection, self._expiries = await self.pool.take(self.timeout)
        return self.connection

    async def __aexit__(self, *exc: Any) -> None:
        error, connection = exc[1], self.connection
        assert connection is not None
        if error is None and self.pool.keep(connection, self._expiries):
            self.connection = None
            return
        if isinstance(error, DATABASE_ERRORS):
            await self.pool.drop(connection, error)
        # How it goes back is not what its user has to know, who may have been cancelled: asyncpg
        # closes one that does not, as where the server does not answer.
        with suppress(*DATABASE_ERRORS):
            await super().__aexit__(*exc)

    def __await__(self) -> Generator[Any, Any, DatabaseConnection]:
        return self.__aenter__().__await__()


def _is_usable(connection: DatabaseConnection) -> bool:
    try:
        return not connection.is_closed() and not connection.is_in_transaction()
    except asyncpg.InterfaceError:  # asyncpg has taken it back, as it was closed
        return False


async def _skip_reset(connection: object) -> None:
    """Skip the reset of a released connection: no code here changes session state."""


@asynccontextmanager
async def open_pool(
    url: str,
    *,
    connections_max: int,
    pooling: Pooling = Pooling.AUTO,
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> AsyncIterator[DatabasePool]:
    """Open a pool of connections for the length of a block.

    A statement that takes longer than ``timeout_s`` is cancelled, at the server too. Raises
    ``Rejected`` or ``Transient``, with a sentence, if the server cannot be used.
    """
    address = parse_address(url)
    for name, reason in address.ignored.items():
        observe_database.url_parameter_ignored(name, reason)
    connector = Connector(address, pooling)
    pool = DatabasePool(connector, connections_max=connections_max, timeout_s=timeout_s)
    with explain_start_errors(address):
        await pool
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()

"""A connection to PostgreSQL, direct or through a connection pooler such as PgBouncer.

A pooler gives each transaction another server session. What belongs to a session does not last
then: settings, advisory locks and prepared statements, whose names may even mean another client's
statement. So behind a pooler a connection prepares nothing by name. It sends the text of a
statement with each execution, in the same message exchange; only its description is kept.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import asyncpg
from asyncpg.transaction import Transaction

from backend.domain.errors import Rejected
from backend.runtime import observe_database, trace
from backend.store.address import SYSTEM_ROOTS, DatabaseAddress, Host
from backend.store.errors import DATABASE_ERRORS, Reaction, classify

CONNECT_TIMEOUT_S: Final = 10.0
"""The timeout of a connection to one host, unless ``connect_timeout`` says otherwise."""
SERVER_MAJOR_MIN: Final = 14
STATEMENTS_MAX: Final = 200
"""Most statements whose preparation a connection keeps."""

_FIRST_CUSTOM_OID: Final = 16_384
_TYPES: Final[dict[frozenset[int], Any]] = {}
"""What the catalog says of PostgreSQL's own types, which no server changes."""
_PROCESS_NAME: Final = secrets.token_hex(4)

# ``jit`` is off because a wrong estimate would compile a statement for longer than it runs. A page
# costs the same wherever it is, as on any SSD: with PostgreSQL's default, for disks that turn, a
# session would read all orders for each one that it looks for, with a plan from when they were few.
# Behind a pooler the settings end with this transaction: the session is another client's next, and
# plans each statement for the orders that there are.
_INSPECT: Final = """
SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS is_in_recovery,
       current_setting('transaction_read_only') = 'on' AS is_read_only,
       current_setting('jit') = 'on' AS has_jit,
       set_config('jit', 'off', $1 OR ($2 AND pg_backend_pid() <> $3)),
       set_config('random_page_cost', '1.1', $1 OR ($2 AND pg_backend_pid() <> $3))
"""

# A session of a pooler outlives its clients: one that was opened while the server's default was
# read-only would stay so, and be given out again and again. To end it is what the pooler cannot.
_END_READ_ONLY_SESSION: Final = """
SELECT pg_terminate_backend(pg_backend_pid())
WHERE current_setting('transaction_read_only') = 'on' AND NOT pg_is_in_recovery()
"""


class StoreTransaction(Transaction):
    """A transaction in whose block a cancellation stays one, also if it cannot be rolled back.

    The rollback waits for the cancelled statement, and raises ``TimeoutError`` where the server
    does not answer: who repeats what failed by that would go on.
    """

    __slots__ = ()

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            await super().__aexit__(kind, error, traceback)
        except DATABASE_ERRORS:
            if not isinstance(error, asyncio.CancelledError):
                raise


if TYPE_CHECKING:  # generic for the type checker only
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection


class Pooling(StrEnum):
    """What is between this process and PostgreSQL: nothing, a pooler, or what the first session
    shows."""

    AUTO = "auto"
    DIRECT = "direct"
    POOLED = "pooled"


class StoreConnection(_Connection):
    """A connection that prepares statements by name, or, ``is_pooled``, without one."""

    __slots__ = ("_descriptions", "is_pooled")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_pooled = True  # until the session has shown that it is its own
        self._descriptions: dict[str, Any] = {}

    def transaction(self, **options: Any) -> StoreTransaction:
        """A transaction for the length of a block; ``options`` as of asyncpg's."""
        options = {"isolation": None, "readonly": False, "deferrable": False, **options}
        return StoreTransaction(self, **options)

    async def _get_statement(self, query: str, timeout: float | None, **options: Any) -> Any:
        prepare = super()._get_statement  # type: ignore[misc]  # no type, as below: not public
        if not self.is_pooled or options.get("named"):
            return await prepare(query, timeout, **options)
        statement = self._descriptions.get(query)
        if statement is None:
            options["use_cache"] = False
            statement = await prepare(query, timeout, **options)
            statement.mark_unprepared()  # so that each execution sends the text first
            if len(self._descriptions) >= STATEMENTS_MAX:
                self._descriptions.clear()
            self._descriptions[query] = statement
        return statement

    async def _introspect_types(self, oids: Collection[int], timeout: float | None) -> Any:
        """Read types from the catalog: the array types of arguments, the same for all sessions."""
        key = frozenset(oids)
        if key not in _TYPES:
            introspect = super()._introspect_types  # type: ignore[misc]
            if not self.is_pooled:
                return await introspect(oids, timeout)
            # asyncpg would turn jit off for the session, and on again maybe in another one.
            self._server_caps = self._server_caps._replace(jit=False)  # type: ignore[has-type]
            async with self.transaction():
                await self.execute("SET LOCAL jit = off", timeout=timeout)
                found = await introspect(oids, timeout)
            if max(key) >= _FIRST_CUSTOM_OID:
                return found
            _TYPES[key] = found
        return _TYPES[key]

    def _drop_local_statement_cache(self) -> None:
        super()._drop_local_statement_cache()  # type: ignore[misc]
        self._descriptions.clear()

    def _get_unique_id(self, prefix: str) -> str:
        # Two processes behind one pooler must not mean different statements by the same name.
        return f"{super()._get_unique_id(prefix)}{_PROCESS_NAME}"  # type: ignore[misc]

    def set_socket_options(self, address: DatabaseAddress) -> None:
        """Let the kernel notice a dead server, as libpq does."""
        raw = self._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        if raw is None or raw.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(address.has_keepalive))
        for name, value in address.tcp_options.items():
            if hasattr(socket, name):
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Connector:
    """Opens connections to the first server of an address that accepts writes."""

    def __init__(self, address: DatabaseAddress, pooling: Pooling = Pooling.AUTO) -> None:
        self.address = address
        self.pooling = pooling
        self._is_reported = False

    @property
    def may_prepare(self) -> bool:
        """Whether connections prepare statements by name, where nothing shows a pooler."""
        return self.pooling is not Pooling.POOLED

    def stop_preparing(self, error: BaseException) -> None:
        """Prepare nothing by name any more, because a session did not have our statement."""
        is_forced = self.pooling is Pooling.DIRECT
        observe_database.statements_unprepared(error, is_forced=is_forced)
        if not is_forced:
            self.pooling = Pooling.POOLED

    async def connect(self, **options: Any) -> StoreConnection:
        """Open a connection whose server can write.

        Raises ``DATABASE_ERRORS``, of the last host, and ``Rejected`` if the server or the pooler
        is one that the engine cannot use.
        """
        hosts = self.address.hosts or (None,)
        for host in hosts[:-1]:
            try:
                return await self._connect_to(host, options)
            except DATABASE_ERRORS as error:
                if classify(error) is Reaction.SET_UP:
                    raise
        return await self._connect_to(hosts[-1], options)

    async def _connect_to(self, host: Host | None, options: dict[str, Any]) -> StoreConnection:
        arguments = {**options, **_build_arguments(self.address, host)}
        arguments["connection_class"] = StoreConnection
        connection: StoreConnection = await asyncpg.connect(**arguments)
        try:
            connection.set_socket_options(self.address)
            await self._inspect(connection, str(host or self.address))
            if trace.is_on():
                connection.add_query_logger(_trace_statement)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _inspect(self, connection: StoreConnection, place: str) -> None:
        version = connection.get_server_version()
        if version.major < SERVER_MAJOR_MIN:
            raise Rejected(
                "database_too_old",
                f"PostgreSQL at {place} is version {version.major}.{version.minor}:"
                f" the engine needs {SERVER_MAJOR_MIN} or newer",
            )
        is_auto = self.pooling is Pooling.AUTO
        client_pid = connection.get_server_pid()
        row = await connection.fetchrow(
            _INSPECT, self.pooling is Pooling.POOLED, is_auto, client_pid, timeout=CONNECT_TIMEOUT_S
        )
        assert row is not None
        is_pooled = self.pooling is Pooling.POOLED or (is_auto and row["pid"] != client_pid)
        connection.is_pooled = is_pooled
        if row["is_read_only"] or row["is_in_recovery"]:
            if is_pooled:
                await _end_read_only_session(connection)
            state = "in recovery (a standby)" if row["is_in_recovery"] else "read-only"
            raise asyncpg.TargetServerAttributeNotMatched(f"PostgreSQL at {place} is {state}")
        if is_pooled and not self._is_reported:
            await _check_transactions(connection, place)
            observe_database.pooler_found(row["pid"], has_jit=row["has_jit"])
            self._is_reported = True


def _trace_statement(record: asyncpg.connection.LoggedQuery) -> None:
    name = record.query.partition("\n")[0].removeprefix(" -- ")
    trace.mark_span(f"PostgreSQL: {name}", monotonic() - record.elapsed)


async def _end_read_only_session(connection: StoreConnection) -> None:
    with suppress(*DATABASE_ERRORS):  # the session ends under its own statement
        await connection.fetch(_END_READ_ONLY_SESSION)


async def _check_transactions(connection: StoreConnection, place: str) -> None:
    try:
        async with connection.transaction():
            pass
    except DATABASE_ERRORS as error:
        if "statement pooling" not in str(error):
            raise
        raise Rejected(
            "pooler_without_transactions",
            f"the connection pooler at {place} pools single statements, and the engine needs"
            " transactions: set its pool_mode to transaction or session",
        ) from error


def _build_arguments(address: DatabaseAddress, host: Host | None) -> dict[str, Any]:
    tls = dict(address.tls)
    arguments: dict[str, Any] = {
        "host": None if host is None else host.name,
        "port": None if host is None else host.port,
        "user": address.user,
        "password": address.password,
        "database": address.database,
        "server_settings": dict(address.server_settings),
        "timeout": address.connect_timeout_s or CONNECT_TIMEOUT_S,
        **address.files,
    }
    if tls.get("sslrootcert") == SYSTEM_ROOTS:
        arguments["ssl"] = ssl.create_default_context()
    elif tls:
        arguments["dsn"] = f"postgresql://?{urlencode(tls)}"
    return arguments


@asynccontextmanager
async def open_connection(connector: Connector) -> AsyncIterator[StoreConnection]:
    """Open a single connection for the length of a block, without a timeout of statements."""
    connection = await connector.connect()
    try:
        yield connection
    finally:
        await connection.close(timeout=5)

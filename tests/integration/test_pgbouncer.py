"""The engine through PgBouncer, in each of its pool modes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest

from backend.domain.errors import Rejected, Transient
from backend.store import connection as connections
from backend.store.address import parse_address
from backend.store.connection import Connector, open_connection
from backend.store.database import open_pool
from backend.store.migrations import migrate
from tests.integration.stores import Store, accept_order, build_routed, open_store
from tests.pgbouncer import PORT, run_pgbouncer
from tests.scenario import HAPPY_PATH, open_engine

POOL_MODES = ["session", "transaction"]
READ_ONLY = "default_transaction_read_only"
POOLED_SESSIONS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
COUNT_POOLED = f"SELECT count(*) {POOLED_SESSIONS}"


@pytest.fixture
async def empty_database_url(database_url: str) -> AsyncIterator[str]:
    """A database without any table."""
    name = f"empty_{os.getpid()}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.mark.parametrize("pool_mode", POOL_MODES)
async def test_orders_are_executed_through_pgbouncer_as_without_it(
    database_url: str, redis_url: str, data_dir: Path, pool_mode: str
) -> None:
    """Its few server sessions are shared by all, so that nothing that belongs to one lasts."""
    sessions = 40 if pool_mode == "session" else 2
    async with (
        run_pgbouncer(database_url, data_dir, pool_mode, default_pool_size=sessions) as url,
        open_engine(url, redis_url, data_dir, workers=2) as engine,
    ):
        ids = await engine.place_orders(*[engine.build_terms("1")] * 100)
        histories = await engine.wait_all_ended(ids)
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        signatures = {history.record.tx_hash for history in histories}
        assert set(await engine.read_swaps()) == signatures


@pytest.mark.parametrize("pool_mode", POOL_MODES)
async def test_migrations_that_start_together_through_pgbouncer_apply_each_once(
    empty_database_url: str, data_dir: Path, pool_mode: str
) -> None:
    async with run_pgbouncer(empty_database_url, data_dir, pool_mode) as url:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(migrate(url)) for _ in range(5)]
        applied = [name for each in running for name in each.result()]
        assert applied
        assert len(applied) == len(set(applied))
        assert await migrate(url) == []


async def test_a_pooler_of_single_statements_is_refused_with_a_sentence(
    database_url: str, data_dir: Path
) -> None:
    async with run_pgbouncer(database_url, data_dir, "statement") as url:
        with pytest.raises(Rejected, match="pool_mode to transaction or session"):
            async with open_pool(url, connections_max=1):
                pass
        with pytest.raises(Rejected, match="pool_mode to transaction or session"):
            await migrate(url)


async def test_no_setting_of_a_shared_session_is_changed(database_url: str, data_dir: Path) -> None:
    async with run_pgbouncer(database_url, data_dir, "transaction", default_pool_size=1) as url:
        async with open_store(url) as store:
            order = await store.leases.claim(await accept_order(store))
            assert order is not None
            await store.journal.record(build_routed(order))
            assert await store.orders.get("local", order.id) is not None
        foreign = await asyncpg.connect(url, statement_cache_size=0)
        changed = await foreign.fetch(
            "SELECT name FROM pg_settings WHERE source = 'session'"
            " AND name NOT IN ('application_name', 'client_encoding')"
        )
        prepared = await foreign.fetch("SELECT name FROM pg_prepared_statements")
        await foreign.close()
        assert changed == prepared == []


async def test_a_statement_behind_a_pooler_has_no_name_and_is_described_once(
    database_url: str, data_dir: Path
) -> None:
    """So each execution but the first is one exchange, as of a prepared statement."""
    async with (
        run_pgbouncer(database_url, data_dir, "transaction") as url,
        open_connection(Connector(parse_address(url))) as connection,
    ):
        await connection.fetchval("SELECT $1::int", 1)
        described = dict(connection._descriptions)
        for number in range(3):
            assert await connection.fetchval("SELECT $1::int", number) == number
        assert connection._descriptions == described
        assert described["SELECT $1::int"].name == ""


async def test_without_a_pooler_statements_are_prepared_and_sessions_do_not_compile(
    database_url: str,
) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        await pool.fetch("SELECT $1::int", 1)
        names = await pool.fetch("SELECT name FROM pg_prepared_statements")
        assert [row["name"] for row in names if connections._PROCESS_NAME in row["name"]]
        assert await pool.fetchval("SELECT current_setting('jit')") == "off"


async def test_a_pooler_that_hides_itself_is_found_by_its_lost_statements(
    database_url: str, data_dir: Path
) -> None:
    """Some poolers pass the pid of the server's session on, so that it seems to be the client's."""
    admin = await asyncpg.connect(database_url)
    async with (
        run_pgbouncer(database_url, data_dir, "transaction", default_pool_size=1) as url,
        run_pid_proxy(url, data_dir, admin) as hidden_url,
        open_store(hidden_url) as store,
    ):
        await accept_order(store)
        assert await store.pool.fetch("SELECT name FROM pg_prepared_statements")
        foreign = await asyncpg.connect(url, statement_cache_size=0)
        await foreign.execute("DEALLOCATE ALL")
        await foreign.close()
        order_ids = {await accept_order(store) for _ in range(5)}
        assert len(order_ids) == 5
        names = await store.pool.fetch("SELECT name FROM pg_prepared_statements")
        assert names == []
    await admin.close()


@asynccontextmanager
async def run_pid_proxy(
    url: str, folder: Path, admin: asyncpg.Connection[asyncpg.Record]
) -> AsyncIterator[str]:
    """A proxy that tells each client the pid of the only server session of a pooler."""
    folder_of_pooler = Path(parse_qs(urlsplit(url).query)["host"][0])
    target = folder_of_pooler / f".s.PGSQL.{PORT}"
    warm_up = await asyncpg.connect(url, statement_cache_size=0)
    await warm_up.execute("SELECT 1")
    pid = await admin.fetchval(f"SELECT pid {POOLED_SESSIONS}")
    await warm_up.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(target)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(copy_bytes(reader, server_writer))
            await copy_login(server_reader, writer, pid)
            tasks.create_task(copy_bytes(server_reader, writer))

    home = folder / "pid-proxy"
    home.mkdir()
    async with await asyncio.start_unix_server(relay, home / target.name):
        query = f"host={home}&port={PORT}"
        yield urlunsplit(urlsplit(url)._replace(query=query))


async def copy_login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
    """Copy messages up to the server's first ``ReadyForQuery``, with another pid in its key."""
    kind = b""
    while kind != b"Z":
        kind = await reader.readexactly(1)
        length = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(length) - 4)
        if kind == b"K":
            body = pid.to_bytes(4) + body[4:]
        writer.write(kind + length + body)


async def copy_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


@pytest.mark.parametrize("pool_mode", POOL_MODES)
async def test_sessions_of_a_pooler_that_became_read_only_are_ended(
    database_url: str, data_dir: Path, pool_mode: str
) -> None:
    """The pooler would give them out for an hour after the server accepts writes again."""
    name = urlsplit(database_url).path[1:]
    admin = await asyncpg.connect(database_url)
    async with (
        run_pgbouncer(database_url, data_dir, pool_mode, default_pool_size=5) as url,
        open_store(url) as store,
    ):
        await accept_order(store)
        await admin.execute(f"ALTER ROLE postgres IN DATABASE {name} SET {READ_ONLY} = on")
        try:
            await admin.execute(f"SELECT pg_terminate_backend(pid) {POOLED_SESSIONS}")
            with pytest.raises(Transient, match="read-only"):
                await accept_unless_unavailable(store)
            # Sessions that the pooler keeps: as many as it may have.
            clients = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(3)]
            for client in clients:
                await client.execute("BEGIN; SELECT pg_current_snapshot()")
            for client in clients:
                await client.execute("ROLLBACK")
                await client.close()
            assert await admin.fetchval(COUNT_POOLED) >= 3
        finally:
            await admin.execute(f"ALTER ROLE postgres IN DATABASE {name} RESET {READ_ONLY}")
        async with asyncio.timeout(60):
            while True:
                with suppress(Transient):
                    await accept_order(store)
                    break
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(accept_order(store))
    await admin.close()


async def accept_unless_unavailable(store: Store) -> None:
    """Accept orders until the database is read-only; raises its error then."""
    async with asyncio.timeout(60):
        while True:
            try:
                await accept_order(store)
            except Transient as error:
                if "read-only" in error.reason:
                    raise

"""Connections that the pool keeps for their next user, instead of giving them back to asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from backend.store import database
from backend.store.database import DatabasePool, open_pool
from tests.integration.database_proxy import open_database_proxy


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[DatabasePool]:
    async with open_pool(database_url, connections_max=2) as pool:
        yield pool


async def read_pid(pool: DatabasePool) -> int:
    async with pool.acquire() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    assert isinstance(pid, int)
    return pid


async def read_pids(pool: DatabasePool, count: int = 2) -> list[int]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(read_pid(pool)) for _ in range(count)]
    return [read.result() for read in reads]


async def test_a_connection_is_used_again(pool: DatabasePool) -> None:
    assert len({await read_pid(pool) for _ in range(5)}) == 1


async def test_users_beyond_the_connections_get_one_each_after_another(pool: DatabasePool) -> None:
    await read_pids(pool)
    assert len(set(await read_pids(pool, 50))) == 2


async def test_one_that_waits_gets_what_another_returns(pool: DatabasePool) -> None:
    async with pool.acquire(), asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        async with pool.acquire():
            waiting = tasks.create_task(read_pid(pool))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting


async def test_one_that_gives_up_waiting_takes_nothing(pool: DatabasePool) -> None:
    async with pool.acquire(), pool.acquire():
        with pytest.raises(TimeoutError):
            async with pool.acquire(timeout=0.01):
                pytest.fail("there is none")
    await read_pids(pool)


async def test_expired_connections_are_replaced(pool: DatabasePool) -> None:
    kept = await read_pid(pool)
    async with pool.acquire() as connection:
        used = await connection.fetchval("SELECT pg_backend_pid()")
        assert used == kept
        await pool.expire_connections()
    assert await read_pid(pool) != kept
    kept = await read_pid(pool)
    await pool.expire_connections()
    assert await read_pid(pool) != kept


async def end_session(database_url: str, pid: int) -> None:
    session: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database_url)
    await session.execute("SELECT pg_terminate_backend($1, 30000)", pid)
    await session.close()


async def test_one_that_the_server_closes_while_it_is_used_is_replaced(
    pool: DatabasePool, database_url: str
) -> None:
    async with pool.acquire() as connection:
        closed = await connection.fetchval("SELECT pg_backend_pid()")
        await end_session(database_url, closed)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.execute("SELECT 1")
    assert await read_pid(pool) != closed


async def test_one_that_the_server_closes_while_it_is_kept_is_replaced(
    pool: DatabasePool, database_url: str
) -> None:
    closed = found = await read_pid(pool)
    await end_session(database_url, closed)
    async with asyncio.timeout(30):
        while found == closed:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                found = await read_pid(pool)
    await read_pids(pool)


async def test_an_open_transaction_reaches_nobody_else(pool: DatabasePool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("BEGIN")
    for _ in range(3):
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()


async def test_a_failed_statement_keeps_its_connection(pool: DatabasePool) -> None:
    kept = await read_pid(pool)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with pool.acquire() as connection:
            await connection.execute("SELECT 1 / 0")
    assert await read_pid(pool) == kept


async def test_a_cancelled_statement_leaves_a_usable_connection(pool: DatabasePool) -> None:
    async def sleep_in_server() -> None:
        async with pool.acquire() as connection:
            await connection.execute("SELECT pg_sleep(60)")

    for _ in range(3):
        async with asyncio.TaskGroup() as tasks:
            sleeper = tasks.create_task(sleep_in_server())
            await read_pid(pool)
            sleeper.cancel()
    await read_pids(pool)


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize("timeout", [None, 0.2])
async def test_one_that_is_cancelled_ends_so_where_the_server_does_not_answer(
    database_url: str, data_dir: Path, timeout: float | None, in_transaction: bool
) -> None:
    async with (
        open_database_proxy(database_url, data_dir) as proxy,
        open_pool(proxy.url, connections_max=1, timeout_s=1) as pool,
    ):
        async with pool.acquire(timeout=0.2):
            pass  # it is kept

        async def wait_for_server() -> None:
            async with AsyncExitStack() as stack:
                connection = await stack.enter_async_context(pool.acquire(timeout=timeout))
                if in_transaction:
                    await stack.enter_async_context(connection.transaction())
                proxy.hold()
                is_sent.set()
                await connection.execute("SELECT 1")

        is_sent = asyncio.Event()
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            user = tasks.create_task(wait_for_server())
            await is_sent.wait()
            user.cancel()
        assert user.cancelled()
        await proxy.cut()


async def test_old_connections_are_replaced_now_and_then(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_QUERIES_MAX", 10)
    async with open_pool(database_url, connections_max=1) as pool:
        pids = {await read_pid(pool) for _ in range(3 * database._RETURNS_KEPT)}
    assert len(pids) >= 3


async def test_the_pool_closes_while_it_keeps_connections(database_url: str) -> None:
    async with open_pool(database_url, connections_max=2) as pool:
        await read_pids(pool)
        async with asyncio.timeout(30):
            await pool.close()
        with pytest.raises(asyncpg.InterfaceError, match="clos"):
            await read_pid(pool)

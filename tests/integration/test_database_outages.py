"""PostgreSQL that is read-only, a standby, or in the way for another reason, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from backend.domain.errors import Transient
from backend.store.database import open_pool
from backend.store.reads.queries import OrderQueries
from tests.integration.apis import ORDER, Json, RunningApi, wait_until
from tests.integration.database_proxy import open_database_proxy
from tests.integration.full_engine import run_full_engine
from tests.integration.stores import (
    Store,
    accept_order,
    build_routed,
    claim_order,
    open_store,
)

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"

if TYPE_CHECKING:  # generic for the type checker only
    Admin = asyncpg.Connection[asyncpg.Record]
else:
    Admin = asyncpg.Connection


@asynccontextmanager
async def open_admin(database_url: str) -> AsyncIterator[Admin]:
    admin = await asyncpg.connect(database_url)
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def make_read_only(admin: Admin, database_url: str) -> AsyncIterator[None]:
    """New sessions cannot write while the block runs; all others are ended."""
    role = f"ROLE postgres IN DATABASE {urlsplit(database_url).path[1:]}"
    await admin.execute(f"ALTER {role} SET default_transaction_read_only = on")
    try:
        await end_sessions(admin)
        yield
    finally:
        await admin.execute(f"ALTER {role} RESET default_transaction_read_only")


async def end_sessions(admin: Admin) -> None:
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def post(api: RunningApi, path: str = EXECUTE) -> tuple[int, str | None, Json]:
    body = dict(ORDER) if path == EXECUTE else {"orders": [dict(ORDER)] * 2}
    async with api.session.post(path, json=body) as response:
        return response.status, response.headers.get("Retry-After"), await response.json()


async def test_a_server_that_was_read_only_is_used_again_without_a_restart(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        run_full_engine(database_url, redis_url, data_dir) as engine,
        open_admin(database_url) as admin,
    ):
        await engine.arm_fault(fault="late_landing", by_seconds=1)
        waiting = [str(await engine.api.place_order()) for _ in range(5)]
        async with make_read_only(admin, database_url):
            await wait_until(is_unavailable(engine.api))
            for path in (EXECUTE, BATCH) * 5:
                status, retry_after, problem = await post(engine.api, path)
                assert (status, retry_after) == (503, "1"), problem
                assert problem["code"] == "database_unavailable"
                assert "read-only" in problem["detail"]
            readiness = await engine.api.get("/readyz", 503)
            assert "read-only" in readiness["checks"]["database"]["reason"]
            assert "read-only" in readiness["detail"]
        await wait_until(is_ready(engine.api))
        for path in (EXECUTE, BATCH) * 10:
            assert (await post(engine.api, path))[0] == 202
        for order_id in waiting:
            assert (await engine.read_events(order_id))[-1]["status"] == "confirmed"


def is_unavailable(api: RunningApi) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return (await post(api))[0] == 503

    return check


def is_ready(api: RunningApi) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        async with api.session.get("/readyz") as response:
            return response.status == 200 and (await post(api))[0] == 202

    return check


async def test_a_session_that_became_read_only_is_dropped_with_its_whole_pool(
    database_url: str,
) -> None:
    """As when the server was demoted without ending its sessions."""
    async with open_store(database_url) as store:
        sessions = [await store.pool.acquire() for _ in range(5)]
        for session in sessions:
            await session.execute("SET default_transaction_read_only = on")
            await store.pool.release(session)
        with pytest.raises(Transient, match="read-only"):
            await accept_order(store)
        for _ in range(10):
            await accept_order(store)
        await store.orders.check_writable()


async def test_readiness_finds_a_session_that_cannot_write(database_url: str) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        await pool.execute("SET default_transaction_read_only = on")
        orders = OrderQueries(pool)
        with pytest.raises(Transient, match="read-only"):
            await orders.check_writable()
        await orders.check_writable()


async def test_the_journal_and_the_leases_outlast_a_read_only_server(database_url: str) -> None:
    async with open_store(database_url) as store, open_admin(database_url) as admin:
        orders = [await claim_order(store) for _ in range(5)]
        async with asyncio.TaskGroup() as tasks:
            async with make_read_only(admin, database_url):
                records = [tasks.create_task(store.journal.record(build_routed(o))) for o in orders]
                await wait_until(lambda: refuses_writes(store))
            async with asyncio.timeout(60):
                for record in records:
                    await record
        for order in orders:
            events = await store.feed.read_order_events(order.id, 0)
            assert [event.seq for event in events] == [1, 2, 3]


async def refuses_writes(store: Store) -> bool:
    try:
        await accept_order(store)
    except Transient as error:
        return "read-only" in error.reason
    return False


CONFIGURATION_FAULTS = {
    "a table that is gone": (
        "ALTER TABLE order_events RENAME TO moved",
        "ALTER TABLE moved RENAME TO order_events",
        "not set up",
    ),
    "a column that is gone": (
        "ALTER TABLE orders RENAME kick_at TO moved",
        "ALTER TABLE orders RENAME moved TO kick_at",
        "not set up",
    ),
    "a trigger that fails": (
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = 'ZZ999'; END $$;"
        " CREATE TRIGGER fail BEFORE INSERT ON orders EXECUTE FUNCTION fail()",
        "DROP FUNCTION fail() CASCADE",
        "unexpected way",
    ),
    "a full disk": (
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = 'disk_full'; END $$;"
        " CREATE TRIGGER fail BEFORE INSERT ON orders EXECUTE FUNCTION fail()",
        "DROP FUNCTION fail() CASCADE",
        "lacks a resource",
    ),
    "a lock that is held": (
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = 'lock_not_available'; END $$;"
        " CREATE TRIGGER fail BEFORE INSERT ON orders EXECUTE FUNCTION fail()",
        "DROP FUNCTION fail() CASCADE",
        "does not answer",
    ),
}


@pytest.mark.parametrize("name", CONFIGURATION_FAULTS)
async def test_no_fault_of_the_database_is_an_internal_error(
    database_url: str, redis_url: str, data_dir: Path, name: str
) -> None:
    make, mend, sentence = CONFIGURATION_FAULTS[name]
    async with (
        run_full_engine(database_url, redis_url, data_dir) as engine,
        open_admin(database_url) as admin,
    ):
        await admin.execute(make)
        try:
            for path in (EXECUTE, BATCH):
                status, retry_after, problem = await post(engine.api, path)
                assert (status, retry_after) == (503, "1"), problem
                assert sentence in problem["detail"]
                assert "secret" not in str(problem)
        finally:
            await admin.execute(mend)
        order_id = str(await engine.api.place_order())
        assert (await engine.read_events(order_id))[-1]["status"] == "confirmed"


async def test_a_second_host_is_used_while_the_first_cannot_be(
    database_url: str, data_dir: Path
) -> None:
    """As with a DSN of a primary and its standby, whichever of them is which."""
    parts = urlsplit(database_url)
    [folder] = [value.removeprefix("host=") for value in parts.query.split("&")]
    for hosts in (f"/nowhere,{folder}", f"{folder},/nowhere"):
        url = urlunsplit(parts._replace(query=f"host={hosts}&target_session_attrs=read-write"))
        async with open_pool(url, connections_max=2) as pool:
            assert await pool.fetchval("SELECT 1") == 1


async def test_a_pool_moves_to_another_host_when_its_own_is_gone(
    database_url: str, data_dir: Path
) -> None:
    async with open_database_proxy(database_url, data_dir) as first:
        parts = urlsplit(database_url)
        url = urlunsplit(parts._replace(query=f"host={data_dir},{parts.query[len('host=') :]}"))
        async with open_store(url) as store:
            await accept_order(store)
            await first.cut()

            async def is_accepted() -> bool:
                with suppress(Transient):
                    await accept_order(store)
                    return True
                return False

            await wait_until(is_accepted)
            await first.restore()

"""Slow reads of clients beside new orders: they have their own connections and a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.integration.apis import ORDER, RunningApi, open_api, open_driver, wait_until

READERS = 40
POSTS = 30

# What the list calls to select groups of closed orders, in front of PostgreSQL's own: it sleeps.
_SLEEP = """
CREATE FUNCTION public.split_part(text, text, integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(600);
    RETURN $1;
END $$
"""
_COUNT_SLEEPING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'PgSleep'
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to the database, where lists by venue never end with ``search_path`` set."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_SLEEP)
        yield connection
    finally:
        await connection.execute("DROP FUNCTION public.split_part(text, text, integer)")
        await connection.close()


async def read_until(api: RunningApi, stop: asyncio.Event) -> set[int]:
    """Ask for the slow list again and again; returns the statuses of the answers."""
    statuses = set()
    while not stop.is_set():
        async with api.session.get("/api/orders?dex=meteora") as response:
            statuses.add(response.status)
            problem = await response.json(content_type=None)
            assert problem["code"] == "database_unavailable"
    return statuses


async def test_slow_readers_are_refused_and_do_not_stop_the_intake(
    database: asyncpg.Connection[asyncpg.Record], database_url: str, redis_url: str
) -> None:
    mark = "&" if "?" in database_url else "?"
    slow_url = f"{database_url}{mark}options=-csearch_path%3Dpublic,pg_catalog"
    async with (
        open_api(slow_url, redis_url, read_timeout_s=0.5, readers_max=3) as api,
        open_driver(database_url, redis_url) as driver,
        asyncio.TaskGroup() as tasks,
    ):
        await driver.confirm(await api.place_order())
        stop = asyncio.Event()
        readers = [tasks.create_task(read_until(api, stop)) for _ in range(READERS)]
        async with asyncio.timeout(60):
            while await database.fetchval(_COUNT_SLEEPING) < 3:
                await asyncio.sleep(0.01)
        for _ in range(POSTS):
            await api.post("/api/orders/execute", ORDER)
        batch = await api.post("/api/orders/batch", {"orders": [ORDER] * 10})
        assert batch["accepted"] == 10

        async def are_all_counted() -> bool:
            # Counts follow the feed, which transactions of other databases may hold up.
            return bool((await api.get("/api/stats"))["total"] == POSTS + 11)

        await wait_until(are_all_counted)
        assert await database.fetchval(_COUNT_SLEEPING) <= 3
        stop.set()
        assert {status for reader in readers for status in await reader} == {503}
        async with asyncio.timeout(60):  # what timed out is cancelled at the server too
            while await database.fetchval(_COUNT_SLEEPING) > 0:
                await asyncio.sleep(0.01)
        assert len((await api.get("/api/orders?limit=1"))["orders"]) == 1

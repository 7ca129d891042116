"""Polls of lists by time: the next one begins where the last one was complete, and misses nothing.

An order is visible when its transaction ends, later than its times and not in their order. Here
transactions are held open by hand, so that what began earlier becomes visible later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg

from backend.store.reads.queries import READ_HORIZON
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.apis import ORDER, RunningApi, open_api, open_driver, wait_until
from tests.integration.stores import LONG_LEASES, accept_order, build_routed, open_store

START = "2020-01-01"


class Poller:
    """Polls a list, and knows the newest state of every order that it was given."""

    def __init__(self, api: RunningApi, parameter: str) -> None:
        self._api = api
        self._parameter = parameter
        self.since = START
        self.states: dict[UUID, str] = {}
        self.last_seen = START

    async def poll(self) -> None:
        page = await self._fetch({self._parameter: self.since})
        complete_until = page["completeUntil"]
        assert complete_until is not None
        while True:
            for order in page["orders"]:
                self.states[UUID(order["orderId"])] = order["status"]
                at = order["updatedAt" if self._parameter == "updatedSince" else "createdAt"]
                self.last_seen = max(self.last_seen, at)
            if page["next"] is None:
                break
            page = await self._fetch({self._parameter: self.since, "cursor": page["next"]})
            assert page["completeUntil"] is None
        self.since = complete_until

    async def _fetch(self, query: dict[str, str]) -> dict[str, Any]:
        return await self._api.get(f"/api/orders?{urlencode({**query, 'limit': '7'})}")

    async def find_since(self, since: str) -> set[UUID]:
        page = await self._fetch({self._parameter: since})
        return {UUID(order["orderId"]) for order in page["orders"]}


@asynccontextmanager
async def connect(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def wait_for_blocked_writer(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Return when a statement of the engine waits for the transaction of this connection."""

    async def is_blocked() -> bool:
        query = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))"
        )
        return bool(await connection.fetchval(query, connection.get_server_pid()))

    await wait_until(is_blocked)


async def test_a_poll_misses_no_change_that_becomes_visible_late(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
        open_driver(database_url, redis_url) as other_driver,
        connect(database_url) as connection,
        asyncio.TaskGroup() as tasks,
    ):
        late = await driver.claim(await api.place_order())
        prompt = await driver.claim(await api.place_order())
        poller = Poller(api, "updatedSince")
        async with connection.transaction():
            await connection.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", late.id)
            write = tasks.create_task(driver.route(late))
            await wait_for_blocked_writer(connection)
            await other_driver.route(prompt)
            await poller.poll()
            assert poller.states == {late.id: "routing", prompt.id: "building"}
        await write
        assert late.id not in await poller.find_since(poller.last_seen)  # why there is a horizon
        await poller.poll()
        assert poller.states == {late.id: "building", prompt.id: "building"}


async def test_a_poll_misses_no_order_that_becomes_visible_late(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        connect(database_url) as connection,
        asyncio.TaskGroup() as tasks,
    ):
        poller = Poller(api, "from")
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO orders (id, owner, client_order_id, request_hash, type, token_in,"
            " token_out, amount_in, slippage_bps, kick_at)"
            " VALUES ($1, 'local', 'late', '', 'market', 'SOL', 'USDC', 1, 50, now())",
            UUID(int=1),
        )
        placing = tasks.create_task(api.place_order(clientOrderId="late"))
        await wait_for_blocked_writer(connection)
        batch = await api.post("/api/orders/batch", {"orders": [ORDER]})
        prompt = UUID(batch["orders"][0]["orderId"])
        await poller.poll()
        assert set(poller.states) == {prompt}
        await transaction.rollback()
        late = await placing
        assert late not in await poller.find_since(poller.last_seen)
        await poller.poll()
        assert set(poller.states) == {prompt, late}


async def test_a_poll_beside_many_writers_ends_with_what_is_stored(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
    ):
        poller = Poller(api, "updatedSince")

        async def execute() -> UUID:
            order_id = await api.place_order()
            await driver.confirm(order_id)
            return order_id

        async with asyncio.TaskGroup() as tasks:
            executions = [tasks.create_task(execute()) for _ in range(60)]
            while not all(execution.done() for execution in executions):
                await poller.poll()
        await poller.poll()
        assert poller.states == dict.fromkeys((each.result() for each in executions), "confirmed")


async def test_a_list_is_complete_until_now_while_nobody_writes_orders(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api, connect(database_url) as connection:
        await api.place_order()
        async with connection.transaction():  # of another program, on other tables
            await connection.execute("CREATE TABLE other AS SELECT 1 FROM orders")
            page = await api.get(f"/api/orders?from={START}")
            began = await connection.fetchval("SELECT now()")
        assert datetime.fromisoformat(page["completeUntil"]) > began
        page = await api.get("/api/orders")
        assert page["completeUntil"] is None


async def test_a_writer_whose_beginning_is_hidden_leaves_it_open_until_when_a_list_is_complete(
    database_url: str,
) -> None:
    async with (
        open_store(database_url),
        connect(database_url) as writer,
        connect(database_url) as reader,
        writer.transaction(),
    ):
        await writer.execute("UPDATE orders SET seq = seq WHERE false")
        assert await reader.fetchval(READ_HORIZON) == await writer.fetchval("SELECT now()")
        await reader.execute("SET ROLE pg_signal_backend")  # it may not see the writer's activity
        assert await reader.fetchval(READ_HORIZON) is None


async def test_every_write_of_an_order_has_a_time_behind_the_beginning_of_its_transaction(
    database_url: str,
) -> None:
    async with open_store(database_url) as store, connect(database_url) as connection:

        async def read(began: str) -> tuple[datetime, ...]:
            row = await connection.fetchrow(
                f"SELECT {began}, created_at, updated_at FROM orders",  # noqa: S608 - constants
            )
            assert row is not None
            return tuple(row)

        order_id = await accept_order(store)
        due = f"kick_at - interval '{LONG_LEASES.rekick_after.total_seconds()} s'"
        began, created_at, updated_at = await read(due)
        assert began < created_at == updated_at
        leased = await store.leases.claim(order_id)
        assert leased is not None
        began, _, updated_at = await read(
            f"lease_until - interval '{LONG_LEASES.duration.total_seconds()} s'"
        )
        assert began < updated_at
        await store.journal.record(build_routed(leased))
        began, _, updated_at = await read(due)
        assert began < updated_at
        await store.cancellations.cancel("local", order_id, CancelReason.REQUESTED)
        at, _, cancelled_at = await read("closed_at")
        assert updated_at < at == cancelled_at

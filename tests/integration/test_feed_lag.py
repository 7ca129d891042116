"""Another program's open transaction: it delays the stream, which says so, and no order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from structlog.testing import capture_logs

from backend.store.database import open_pool
from backend.store.feed_lag import FeedLag
from tests.integration.apis import (
    WAIT_S,
    has_at_least,
    open_api,
    open_driver,
    receive_events,
    receive_hello,
    receive_stream,
    wait_until,
)
from tests.integration.full_engine import run_full_engine

NAME = "a foreign program"


@asynccontextmanager
async def open_foreign_transaction(database_url: str) -> AsyncIterator[int]:
    """A transaction of another program in another database of the server; yields its pid."""
    url = urlunsplit(urlsplit(database_url)._replace(path="/postgres"))
    foreign = await asyncpg.connect(url, server_settings={"application_name": NAME})
    try:
        async with foreign.transaction():
            await foreign.execute("SELECT pg_current_xact_id()")
            yield foreign.get_server_pid()
    finally:
        await foreign.close()


async def test_an_orders_own_socket_does_not_wait_for_a_foreign_transaction(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
        open_foreign_transaction(database_url),
    ):
        order_ids = [await api.place_order() for _ in range(3)]
        async with api.open_order_socket(order_ids[0]) as one:
            await receive_events(one, 1)
            for order_id in order_ids:
                await driver.confirm(order_id)
            events = await receive_events(one)
            assert [event["seq"] for event in events] == [2, 3, 4, 5]
        async with api.open_order_socket(order_ids[1], after=2) as late:
            assert [event["seq"] for event in await receive_events(late)] == [3, 4, 5]


async def test_an_order_placed_over_its_socket_does_not_wait_either(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        run_full_engine(database_url, redis_url, data_dir) as engine,
        open_foreign_transaction(database_url),
        engine.api.session.ws_connect("/api/orders/execute") as socket,
    ):
        await socket.send_json({"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"})
        accepted, *events = await receive_events(socket)
        assert accepted["status"] == "queued"
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
        assert events[-1]["status"] == "confirmed"


async def test_a_socket_gets_each_event_once_when_the_foreign_transaction_ends_midway(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_driver(database_url, redis_url) as driver,
        api.open_stream() as stream,
    ):
        await receive_hello(stream)
        order_id = await api.place_order()
        async with api.open_order_socket(order_id) as one:
            await receive_events(one, 1)
            async with open_foreign_transaction(database_url):
                leased = await driver.route(await driver.claim(order_id))
                assert [event["seq"] for event in await receive_events(one, 2)] == [2, 3]
            await driver.land(await driver.sign(leased))
            assert [event["seq"] for event in await receive_events(one)] == [4, 5]
        events = await receive_stream(stream, has_at_least(5))
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]


async def test_a_long_foreign_transaction_is_named_by_log_metric_and_readiness(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        run_full_engine(database_url, redis_url, data_dir, feed_lag_warning_s=0.2) as engine,
        open_foreign_transaction(database_url) as pid,
    ):
        with capture_logs() as logs:

            async def is_logged() -> bool:
                return any(log.get("pid") == pid for log in logs)

            await wait_until(is_logged)
        [warning] = [log for log in logs if log.get("pid") == pid]
        assert warning["log_level"] == "warning"
        assert warning["application_name"] == NAME
        assert warning["age_s"] >= 0.2
        readiness = await engine.api.get("/readyz")
        feed = readiness["checks"]["feed"]
        assert feed["ok"] is True
        assert feed["lagSeconds"] >= 0.2
        assert feed["waitsFor"] == {"pid": pid, "applicationName": NAME, "database": "postgres"}
        async with engine.api.session.get("/metrics") as response:
            assert read_lag(await response.text()) >= 0.2


def read_lag(metrics: str) -> float:
    [value] = [
        line.split()[1] for line in metrics.splitlines() if line.startswith("feed_lag_seconds ")
    ]
    return float(value)


async def test_without_a_right_to_see_other_sessions_the_pid_and_age_are_known(
    database_url: str,
) -> None:
    role = f"unprivileged_{os.getpid()}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE ROLE {role} LOGIN")
    url = urlunsplit(urlsplit(database_url)._replace(netloc=f"{role}@"))
    try:
        async with (
            open_pool(url, connections_max=1) as pool,
            open_foreign_transaction(database_url) as pid,
        ):
            lag = FeedLag(pool, warning_s=1)
            async with asyncio.timeout(WAIT_S):
                # An older transaction of a test that runs beside this one has to end first.
                while (holder := await lag.measure()) is None or holder.pid != pid:
                    pass
                while not holder.age_s:
                    holder = await lag.measure()
                    assert holder is not None
            assert (holder.pid, holder.application_name) == (pid, NAME)
            assert lag.is_delayed
        async with open_pool(url, connections_max=1) as pool, asyncio.timeout(WAIT_S):
            while (holder := await FeedLag(pool, warning_s=1).measure()) is not None:
                assert holder.pid != pid
    finally:
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()

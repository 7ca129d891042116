"""Back-pressure of real processes: excess orders are refused, accepted ones are unaffected, and
slow subscribers cost little memory."""

from __future__ import annotations

import asyncio
import resource
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import psutil

from backend.trials.chaos.system import EngineSystem
from tests.chaos.engine import run_engine

EXECUTE = "/api/orders/execute"
BATCH = "/api/orders/batch"
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
WAIT_S = 60
MEGABYTE = 1_048_576


async def post_order(
    session: aiohttp.ClientSession, key: str | None = None
) -> tuple[int, str | None, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with session.post(EXECUTE, json=ORDER, headers=headers) as response:
        reply = await response.json(content_type=None)
        return response.status, response.headers.get("Retry-After"), reply


async def count_orders(system: EngineSystem, where: str = "true") -> int:
    connection = await asyncpg.connect(system.database_url)
    try:
        count: int = await connection.fetchval(f"SELECT count(*) FROM orders WHERE {where}")  # noqa: S608
        return count
    finally:
        await connection.close()


async def test_without_workers_orders_come_in_up_to_the_bound_and_end_when_there_are_some(
    data_dir: Path,
) -> None:
    bound = 100
    async with run_engine(data_dir, open_orders_max=str(bound)) as (system, session):
        accepted = 0
        async with asyncio.timeout(WAIT_S):
            while (reply := await post_order(session))[0] == 202:
                accepted += 1
        assert reply[:2] == (503, "1")
        assert reply[2]["code"] == "overloaded"
        assert accepted >= bound
        assert (await post_order(session))[0] == 503
        assert await count_orders(system, "open") == accepted

        await system.units["worker-1"].start()
        async with asyncio.timeout(WAIT_S):
            while await count_orders(system, "open"):
                await asyncio.sleep(0.05)
            while (await post_order(session))[0] == 503:
                await asyncio.sleep(0.1)
        assert await count_orders(system, "status = 'confirmed'") >= accepted


async def test_a_killed_database_is_reported_at_once_and_nothing_is_half_accepted(
    data_dir: Path,
) -> None:
    async with run_engine(data_dir) as (system, session):
        order_ids = {(await post_order(session, f"before-{n}"))[2]["orderId"] for n in range(20)}
        await system.units["postgres"].kill()
        # A backend may outlive its server for a moment, and what it commits then is stored.
        last = 0
        while (await post_order(session, f"last-{last}"))[0] == 202:
            last += 1
        for n in range(20):
            started = monotonic()
            status, wait, problem = await post_order(session, f"after-{n}")
            assert (status, wait) == (503, "1"), problem
            assert monotonic() - started < 2
        await system.units["postgres"].start()
        async with asyncio.timeout(WAIT_S):
            for n in range(20):
                while (reply := await post_order(session, f"after-{n}"))[0] == 503:
                    await asyncio.sleep(0.05)
                order_ids.add(reply[2]["orderId"])
        assert len(order_ids) == 40
        assert await count_orders(system) == 40 + last


async def test_a_paused_database_is_reported_as_unavailable(data_dir: Path) -> None:
    async with run_engine(data_dir) as (system, session):
        order_ids = {(await post_order(session, "before"))[2]["orderId"]}
        server = psutil.Process(system.units["postgres"].pid)
        paused = [server, *server.children(recursive=True)]
        for process in paused:
            process.suspend()
        async with asyncio.TaskGroup() as tasks:
            requests = [tasks.create_task(post_order(session, f"meanwhile-{n}")) for n in range(5)]
        for each in requests:
            status, wait, problem = each.result()
            assert (status, wait, problem["code"]) == (503, "1", "database_unavailable")
        for process in paused:
            process.resume()
        async with asyncio.timeout(WAIT_S):
            for n in range(5):
                while (reply := await post_order(session, f"meanwhile-{n}"))[0] == 503:
                    await asyncio.sleep(0.05)
                order_ids.add(reply[2]["orderId"])
        assert len(order_ids) == 6
        assert await count_orders(system) == 6


async def test_readers_that_read_nothing_are_closed_and_cost_little_memory(data_dir: Path) -> None:
    readers, most_mb = 10, 150
    async with run_engine(data_dir) as (system, session), AsyncExitStack() as stack:
        api = psutil.Process(system.units["api"].pid)
        await post_thousand_orders(session)
        before = api.memory_info().rss
        for _ in range(readers):
            await stack.enter_async_context(open_raw_socket(system.api_url, "/api/orders/stream"))
        async with asyncio.timeout(2 * WAIT_S):
            while await count_slow_closes(session) < readers:
                await post_thousand_orders(session)
                assert api.memory_info().rss - before < most_mb * MEGABYTE


async def post_thousand_orders(session: aiohttp.ClientSession) -> None:
    """Store a thousand orders."""
    async with session.post(BATCH, json={"orders": [ORDER] * 1_000}) as response:
        assert response.status == 202


async def count_slow_closes(session: aiohttp.ClientSession) -> int:
    """The number of sockets that were closed because their readers were too slow."""
    async with session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    [line] = [line for line in lines if line.startswith("websockets_too_slow_total ")]
    return int(float(line.split()[1]))


async def test_thousands_of_idle_subscribers_stay_open_and_others_are_served(
    data_dir: Path,
) -> None:
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    subscribers = min(4_000, files_max - 1_000)
    async with run_engine(data_dir) as (system, session), AsyncExitStack() as stack:
        _, _, reply = await post_order(session)
        path = f"/api/orders/upgrade/{reply['orderId']}"
        connecting = asyncio.Semaphore(200)
        sockets = []

        async def subscribe() -> None:
            async with connecting:
                sockets.append(
                    await stack.enter_async_context(open_raw_socket(system.api_url, path))
                )

        async with asyncio.timeout(5 * WAIT_S), asyncio.TaskGroup() as group:
            for _ in range(subscribers):
                group.create_task(subscribe())
        assert len(sockets) == subscribers
        status, _, other = await post_order(session)
        assert status == 202
        async with session.ws_connect(f"/api/orders/upgrade/{other['orderId']}") as socket:
            assert (await socket.receive_json())["status"] == "pending"
        assert not any(reader.at_eof() for reader, _ in sockets)


@asynccontextmanager
async def open_raw_socket(
    url: str, path: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An open WebSocket that reads nothing by itself; a 503 of a busy server is retried."""
    address = urlsplit(url)
    key = b64encode(b"sixteen letters!").decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    while True:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (address.hostname, address.port))
        reader, writer = await asyncio.open_connection(sock=raw, limit=4_096)
        try:
            writer.write(request.encode())
            reply = await reader.readuntil(b"\r\n\r\n")
            if reply.startswith(b"HTTP/1.1 101"):
                yield reader, writer
                return
        finally:
            writer.transport.abort()
        assert reply.startswith(b"HTTP/1.1 503"), reply
        assert b"retry-after: 1\r\n" in reply
        await asyncio.sleep(1)

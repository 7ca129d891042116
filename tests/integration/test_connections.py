"""Connections: freed when their peer closes, at most as many as there are descriptors for."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from hypercorn import Config
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from yarl import URL

from backend.api.admission.connections import Connections, count_connections_max
from backend.api.server.hypercorn_connection import Connection
from backend.config import build_child_environment
from tests.integration.apis import ORDER, UNREACHABLE_NODE, WAIT_S, open_api, wait_until

DESCRIPTORS = 1_024
SHORT_CONNECTIONS = 20_000
CLIENTS = 8

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n"
SENT_BEFORE_CLOSING = {
    "nothing": b"",
    "a part of the headers": REQUEST[:-4],
    "no HTTP": b"\x16\x03\x01 garbage\r\n\r\n",
    "a request": REQUEST,
    "two requests": REQUEST * 2,
    "a request and a part": REQUEST + REQUEST[:9],
    "a last request": REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "a request by HTTP/1.0": REQUEST.replace(b"1.1", b"1.0"),
    "a part of a body": POST + b"\r\n{",
    "a part of a chunk": POST.replace(b"Content-Length: 50000", b"Transfer-Encoding: chunked")
    + b"\r\nff\r\n{",
    "a part of a body that waits for 100": POST + b"Expect: 100-continue\r\n\r\n",
    "an upgrade": b"GET /api/orders/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "an upgrade to HTTP/2": REQUEST[:-2]
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
}


@asynccontextmanager
async def run_limited_api(database_url: str, redis_url: str) -> AsyncIterator[tuple[str, int]]:
    """``order-engine api`` with few descriptors, which no call can raise: its URL and its pid."""
    env = build_child_environment(
        os.environ,
        database_url=database_url,
        redis_url=redis_url,
        solana_rpc_url=UNREACHABLE_NODE,
        port=0,
        drain_s=0,
    )

    def limit_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS // 2, DESCRIPTORS))

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backend.cli", "api"),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=limit_descriptors,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = await process.stdout.readline()
        yield line.decode().split()[1], process.pid
    finally:
        process.kill()
        await process.wait()


def open_and_close(address: tuple[str, int], sent: bytes, *, is_reset: bool) -> None:
    """Connect, send, and close without reading, or with a reset."""
    with socket.create_connection(address) as client:
        if is_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(sent)


async def test_short_connections_leave_no_descriptor_behind(
    database_url: str, redis_url: str
) -> None:
    async with run_limited_api(database_url, redis_url) as (url, pid):
        api = psutil.Process(pid)
        assert api.rlimit(psutil.RLIMIT_NOFILE) == (DESCRIPTORS, DESCRIPTORS)
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        address = (parts.hostname, parts.port)
        before = api.num_fds()

        def open_many() -> None:
            kinds = cycle((sent, end) for sent in SENT_BEFORE_CLOSING.values() for end in (0, 1))
            for sent, is_reset in islice(kinds, SHORT_CONNECTIONS // CLIENTS):
                open_and_close(address, sent, is_reset=bool(is_reset))

        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession(url) as session:
            with ThreadPoolExecutor(CLIENTS) as clients:
                running = [loop.run_in_executor(clients, open_many) for _ in range(CLIENTS)]
                while not all(future.done() for future in running):
                    # A connection of its own for each order of a client that behaves.
                    headers = {"Connection": "close"}
                    async with session.post(
                        "/api/orders/execute", json=dict(ORDER), headers=headers
                    ) as response:
                        assert response.status == 202
                for future in running:
                    await future

            async def is_idle() -> bool:
                return api.num_fds() <= before + 5

            await wait_until(is_idle)
            async with session.get("/metrics") as response:
                figures = await response.text()
        assert "\nhttp_connections_open 1.0\n" in figures
        assert "http_accept_errors_total{" not in figures


async def test_a_client_that_opens_many_connections_loses_its_own(
    database_url: str, redis_url: str
) -> None:
    async with run_limited_api(database_url, redis_url) as (url, pid):
        parts = urlsplit(url)
        bound = count_connections_max(DESCRIPTORS)
        headers = {"Connection": "close"}
        async with aiohttp.ClientSession(url) as session:
            kept = await session.ws_connect("/api/orders/execute")
            with open_idle_connections((parts.hostname, parts.port), bound + 200) as idle:
                for _ in range(20):
                    async with session.post(
                        "/api/orders/execute", json=dict(ORDER), headers=headers
                    ) as response:
                        assert response.status == 202
                assert psutil.Process(pid).num_fds() < DESCRIPTORS
                await wait_until(lambda: is_closed(idle[0]))
                assert not await is_closed(idle[-1])
            await kept.send_json(dict(ORDER))
            assert "orderId" in await kept.receive_json()
            await kept.close()


@contextmanager
def open_idle_connections(address: Any, count: int) -> Iterator[list[socket.socket]]:
    """Connections on which nothing is sent."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2 * count), limits[1]))
    idle = []
    try:
        for _ in range(count):
            idle.append(socket.create_connection(address))
            idle[-1].setblocking(False)
        yield idle
    finally:
        for client in idle:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def is_closed(client: socket.socket) -> bool:
    """Whether the other side has closed a connection on which it sends nothing."""
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


async def test_a_connection_that_the_system_refuses_is_counted_and_accepted_later(
    database_url: str, redis_url: str
) -> None:
    async with (
        run_limited_api(database_url, redis_url) as (url, pid),
        aiohttp.ClientSession(url) as open_before,
        aiohttp.ClientSession(url) as later,
    ):

        async def has_counted() -> bool:
            async with open_before.get("/metrics") as response:
                return "http_accept_errors_total{" in await response.text()

        assert not await has_counted()
        api = psutil.Process(pid)
        api.rlimit(psutil.RLIMIT_NOFILE, (3, DESCRIPTORS))
        waiting = asyncio.ensure_future(later.get("/healthz"))  # noqa: TID251 - awaited below
        await wait_until(has_counted)
        api.rlimit(psutil.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        async with await waiting as response:
            assert response.status == 200


class StockConnection(TCPServer):
    """Hypercorn's connection, that tells when its peer has closed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.has_read_all = asyncio.Event()

    async def _read_data(self) -> None:
        await super()._read_data()
        self.has_read_all.set()


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize("is_own", [False, True], ids=["of Hypercorn", "our own"])
async def test_hypercorn_still_needs_to_be_told_that_a_peer_has_closed(*, is_own: bool) -> None:
    """If that of Hypercorn ends as well, ``Connection._read_data`` is no longer needed."""
    loop, config = asyncio.get_running_loop(), Config()
    config.keep_alive_timeout = 3_600
    context, app = WorkerContext(None), ASGIWrapper(answer)
    served: asyncio.Queue[tuple[asyncio.Task[None], TCPServer]] = asyncio.Queue(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: TCPServer
        if is_own:
            connection = Connection(app, loop, config, context, reader, writer, Connections(10))
        else:
            connection = StockConnection(app, loop, config, context, {}, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        served.put_nowait((task, connection))
        await connection

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(REQUEST)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        task, connection = await served.get()
        if isinstance(connection, StockConnection):
            await connection.has_read_all.wait()
            done, _ = await asyncio.wait({task}, timeout=0.2)
            assert not done
            await context.terminated.set()
        async with asyncio.timeout(WAIT_S):
            await task


async def test_a_closed_connection_leaves_no_cyclic_garbage(
    database_url: str, redis_url: str
) -> None:
    """What only the cyclic collector frees stays in memory for hours: it is told to run seldom."""
    async with open_api(database_url, redis_url) as api:
        address = (URL(api.url).host, URL(api.url).port)
        await send_and_close(address, REQUEST)
        gc.collect()
        gc.disable()
        try:
            for sent in SENT_BEFORE_CLOSING.values():
                await send_and_close(address, sent)

            async def is_freed() -> bool:
                return not any(isinstance(each, Connection) for each in gc.get_objects())

            await wait_until(is_freed)
        finally:
            gc.enable()


async def send_and_close(address: Any, sent: bytes) -> None:
    """Connect, send, and close once there is an answer, or none for the time being."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)
    writer.close()
    await writer.wait_closed()

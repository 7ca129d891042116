"""Heartbeats: proxies keep silent connections open, and a peer that is gone is found."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from backend.config import Settings
from tests.integration.apis import WAIT_S, RunningApi, open_api, wait_until
from tests.nginx import SOCKETS, run_nginx

PING_S = 0.5
READ_TIMEOUT_S = 2
PINGS = 8
"""Together they take twice as long as the proxy waits."""
IDLE_TIMEOUT_OF_PROXIES_S = 60
SOCKET_PATHS = ["/api/orders/execute", "/api/orders/stream", "/api/orders/upgrade/{order_id}"]
EXECUTE_OF_ORDER = "/api/orders/execute?orderId={order_id}"


async def receive_pings(socket: aiohttp.ClientWebSocketResponse, count: int) -> None:
    """Receive and answer pings; fails if the connection ends."""
    async with asyncio.timeout(WAIT_S):
        while count:
            message = await socket.receive()
            assert message.type in {aiohttp.WSMsgType.PING, aiohttp.WSMsgType.TEXT}, message
            if message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
                count -= 1


async def test_every_socket_outlives_the_patience_of_a_proxy(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(open_api(database_url, redis_url, ping_s=PING_S))
        server = (
            f"proxy_read_timeout {READ_TIMEOUT_S}s; proxy_send_timeout {READ_TIMEOUT_S}s;"
            f" location / {{ proxy_pass {api.url}; {SOCKETS} }}"
        )
        host = await stack.enter_async_context(run_nginx(data_dir, server))
        order_id = await api.place_order()
        async with asyncio.TaskGroup() as group:
            for path in (*SOCKET_PATHS, EXECUTE_OF_ORDER):
                socket = await stack.enter_async_context(
                    api.session.ws_connect(
                        f"http://{host}{path.format(order_id=order_id)}", autoping=False
                    )
                )
                group.create_task(receive_pings(socket, PINGS))


async def count_open_sockets(api: RunningApi) -> int:
    async with api.session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return int(sum(float(line.split()[1]) for line in lines if line.startswith("websockets_open{")))


@asynccontextmanager
async def open_raw_socket(
    api: RunningApi, path: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket of a peer that does nothing by itself."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(WAIT_S):
            assert b"101" in (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
            yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize("path", SOCKET_PATHS)
async def test_a_peer_that_answers_no_ping_is_closed_and_freed(
    database_url: str, redis_url: str, path: str
) -> None:
    async with open_api(database_url, redis_url, ping_s=0.1) as api:
        order_id = await api.place_order()
        before = await count_open_sockets(api)
        async with open_raw_socket(api, path.format(order_id=order_id)) as (reader, _):
            received = await reader.read()
            assert received.endswith(b"unresponsive")

            async def is_freed() -> bool:
                return await count_open_sockets(api) == before

            await wait_until(is_freed)
        async with api.session.get("/metrics") as response:
            assert "websockets_unresponsive_total" in await response.text()


async def test_a_peer_whose_machine_is_gone_behind_a_proxy_is_freed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_api(database_url, redis_url, ping_s=0.1) as api:
        server = f"location / {{ proxy_pass {api.url}; {SOCKETS} }}"
        async with run_nginx(data_dir, server) as host:
            before = await count_open_sockets(api)
            behind = RunningApi(api.session, f"http://{host}", api.stop, api.force_stop)
            async with open_raw_socket(behind, "/api/orders/execute") as (reader, _):
                # The proxy goes on acknowledging what nobody answers.
                await reader.read()

            async def is_freed() -> bool:
                return await count_open_sockets(api) == before

            await wait_until(is_freed)


async def test_any_message_of_a_peer_shows_that_it_is_there(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, ping_s=0.1) as api,
        api.session.ws_connect("/api/orders/stream", autoping=False) as socket,
        asyncio.timeout(WAIT_S),
    ):
        pings = 0
        while pings < 10:
            message = await socket.receive()
            assert message.type in {aiohttp.WSMsgType.PING, aiohttp.WSMsgType.TEXT}, message
            if message.type is aiohttp.WSMsgType.PING:
                pings += 1
                await socket.send_str("I read, and answer no ping.")


async def test_a_server_stops_at_once_while_pings_are_due(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url, ping_s=300) as api,
        api.session.ws_connect("/api/orders/execute") as socket,
    ):
        api.stop.set()
        async with asyncio.timeout(WAIT_S):
            message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


def test_idle_connections_and_sockets_outlive_what_is_common_for_proxies() -> None:
    settings = Settings.load()
    assert settings.keep_alive_s > IDLE_TIMEOUT_OF_PROXIES_S
    assert settings.ping_s < IDLE_TIMEOUT_OF_PROXIES_S / 2


async def test_an_idle_connection_is_closed_after_the_time_of_its_setting(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url, keep_alive_s=1) as api:
        host, port = api.url.removeprefix("http://").split(":")
        with sockets.create_connection((host, int(port))) as connection:
            reader, writer = await asyncio.open_connection(sock=connection)
            async with asyncio.timeout(WAIT_S):
                for _ in range(2):
                    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert b"200" in await reader.readline()
                    await reader.readuntil(b'"ok"}')
                assert await reader.read() == b""
            writer.close()

"""Answers of a Redis Cluster that go missing, or say less than they should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.config.redis.url import parse_redis_url
from backend.runtime.redis.client import open_redis
from backend.runtime.redis.keys import PROBE
from tests.integration.redis_servers import find_free_port, run_redis
from tests.integration.test_redis_cluster import wait_served


@asynccontextmanager
async def cut_before_answer(port: int, server_port: int, command: bytes) -> AsyncIterator[None]:
    """A way to a server that is cut once, after ``command`` and before its answer."""
    commands = [command]

    async def forward(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, requests = await asyncio.open_connection("127.0.0.1", server_port)
        with suppress(OSError):
            while request := await client.read(4096):
                requests.write(request)
                answer = await server.read(4096)
                if commands and commands[0] in request:
                    commands.clear()
                    break
                answers.write(answer)
        answers.close()
        requests.close()

    async with await asyncio.start_server(forward, "127.0.0.1", port):
        yield


@pytest.mark.parametrize(
    ("command", "execute"),
    [
        (b"SET", lambda redis: redis.set(PROBE, "new", nx=True)),
        (b"GETDEL", lambda redis: redis.getdel(PROBE)),
    ],
)
async def test_a_command_whose_answer_is_missing_is_not_sent_again(
    tmp_path: Path, command: bytes, execute: Callable[[Redis], Awaitable[object]]
) -> None:
    """Sent twice it would say that somebody else had been first."""
    port = find_free_port()
    options = ("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
    async with (
        run_redis(tmp_path, *options, "--cluster-announce-port", str(port)) as server,
        server.open_admin() as admin,
        cut_before_answer(port, server.port, command),
        open_redis(parse_redis_url(f"redis+cluster://127.0.0.1:{port}")) as redis,
    ):
        await admin.cluster("ADDSLOTSRANGE", 0, REDIS_CLUSTER_HASH_SLOTS - 1)
        await wait_served(redis)
        if command == b"GETDEL":
            await admin.set(PROBE, "old")
        with pytest.raises(RedisConnectionError):
            await execute(redis)
        assert await admin.get(PROBE) == (None if command == b"GETDEL" else b"new")
        assert await redis.get(PROBE) == await admin.get(PROBE)


@pytest.mark.parametrize("kind", ["hostname", "unknown-endpoint"])
async def test_a_node_that_does_not_say_its_host_is_where_it_was_asked(
    tmp_path: Path, kind: str
) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-preferred-endpoint-type", kind)
    async with (
        run_redis(tmp_path, *options) as server,
        server.open_admin() as admin,
        open_redis(parse_redis_url(f"redis+cluster://127.0.0.1:{server.port}")) as redis,
    ):
        await admin.cluster("ADDSLOTSRANGE", 0, REDIS_CLUSTER_HASH_SLOTS - 1)
        await wait_served(redis)

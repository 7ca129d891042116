"""What answers at the address of Redis and is not a Redis that will do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backend.config.redis.url import parse_redis_url
from backend.domain.errors import Rejected
from backend.runtime.redis.client import check_redis, open_redis


def build_hello(version: str) -> bytes:
    """A HELLO's reply in RESP2."""
    fields = ("server", "redis", "version", version, "mode", "standalone", "role", "master")
    strings = b"".join(b"$%d\r\n%b\r\n" % (len(field), field.encode()) for field in fields)
    return b"*%d\r\n" % len(fields) + strings


@asynccontextmanager
async def run_server(reply: bytes) -> AsyncIterator[str]:
    """A server that answers everything with the same bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(reply)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (build_hello("6.0.16"), "it is version 6.0.16: 6.2 or newer is needed"),
        (build_hello("5.0.7"), "it is version 5.0.7: 6.2 or newer is needed"),
        (b"-ERR unknown command `HELLO`, with args beginning with: `2`, \r\n", "older than 6.0"),
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "is not Redis"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not Redis"),
        (b"-NOAUTH Authentication required.\r\n", "wants a password"),
        (b"-NOPERM this user has no permissions to run the 'hello' command\r\n", "ACL"),
    ],
)
async def test_a_server_that_will_not_do_is_refused_by_name(reply: bytes, reason: str) -> None:
    async with run_server(reply) as url, open_redis(parse_redis_url(url)) as redis:
        with pytest.raises(Rejected, match="REDIS_URL: Redis cannot be used: ") as refusal:
            await check_redis(redis)
        assert reason in refusal.value.reason


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "8.4.0", "9.1.2", "255.255.255", "df-v1"])
async def test_a_version_that_will_do_is_taken(version: str) -> None:
    async with (
        run_server(build_hello(version)) as url,
        open_redis(parse_redis_url(url)) as redis,
    ):
        await check_redis(redis)


@pytest.mark.parametrize(
    "reply",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        b"-BUSY Redis is busy running a script.\r\n",
        b"-ERR max number of clients reached\r\n",
        b"-ERR something that nobody has heard of\r\n",
        b"+OK\r\n",
    ],
)
async def test_what_may_pass_does_not_end_the_start(reply: bytes) -> None:
    async with run_server(reply) as url, open_redis(parse_redis_url(url)) as redis:
        await check_redis(redis)

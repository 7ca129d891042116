"""The primary of Redis fails over under load: Sentinels name the new one, and no order is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.config.redis.url import parse_redis_url
from backend.domain.lifecycle import Status
from backend.runtime.redis.client import open_redis
from tests.integration.redis_servers import RedisServer, find_free_port, find_program, run_redis
from tests.scenario import open_engine

SETTINGS = {"rekick_s": 1, "sweep_s": 0.2, "reconcile_s": 0}


class Replicated(NamedTuple):
    """A primary with a replica, and the URL of the Sentinels that watch them."""

    primary: RedisServer
    replica: RedisServer
    url: str


def write_configuration(folder: Path, port: int, primary_port: int) -> Path:
    folder.mkdir()
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile {folder}/sentinel.log\n"
        f"sentinel monitor orders 127.0.0.1 {primary_port} 2\n"
        "sentinel down-after-milliseconds orders 500\n"
        "sentinel failover-timeout orders 3000\n"
    )
    return configuration


@asynccontextmanager
async def run_sentinel(folder: Path, primary_port: int) -> AsyncIterator[int]:
    port = find_free_port()
    configuration = write_configuration(folder, port, primary_port)
    program = find_program("redis-server", "redis-server")
    process = await asyncio.create_subprocess_exec(program, configuration, "--sentinel")
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def run_replicated(folder: Path) -> AsyncIterator[Replicated]:
    async with AsyncExitStack() as stack:
        for name in ("a", "b"):
            (folder / name).mkdir()
        primary = await stack.enter_async_context(run_redis(folder / "a"))
        options = "--replicaof", "127.0.0.1", str(primary.port)
        replica = await stack.enter_async_context(run_redis(folder / "b", *options))
        ports = [
            await stack.enter_async_context(run_sentinel(folder / f"s{n}", primary.port))
            for n in range(3)
        ]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        found = Replicated(primary, replica, f"redis+sentinel://{hosts}/orders")
        await wait_known(found)
        yield found


async def wait_known(found: Replicated) -> None:
    """Wait until all Sentinels know each other and the replica."""
    address = parse_redis_url(found.url)
    assert address.service is not None
    for host, port in address.service.hosts:
        async with open_redis(parse_redis_url(f"redis://{host}:{port}")) as sentinel:
            async with asyncio.timeout(60):
                while not await knows_others(sentinel):
                    await asyncio.sleep(0.05)


async def knows_others(sentinel: Redis) -> bool:
    try:
        state: Any = await sentinel.sentinel_master("orders")
    except RedisError:  # it has not started yet
        return False
    return bool((state["num-slaves"], state["num-other-sentinels"]) == (1, 2))


async def wait_primary(url: str) -> None:
    """Wait until the Sentinels name a primary that answers."""
    async with open_redis(parse_redis_url(url)) as redis, asyncio.timeout(60):
        has_answered = False
        while not has_answered:
            try:
                has_answered = bool(await redis.ping())
            except RedisError:
                await asyncio.sleep(0.1)


async def test_orders_go_on_when_the_primary_is_lost(database_url: str, tmp_path: Path) -> None:
    async with (
        run_replicated(tmp_path) as found,
        open_engine(database_url, found.url, tmp_path, settings=SETTINGS) as engine,
    ):
        ids = await engine.place_orders(*[engine.build_terms("1")] * 5)
        found.primary.process.kill()
        for _ in range(5):
            ids += await engine.place_orders(engine.build_terms("1"))
        histories = await engine.wait_all_ended(ids)
        assert {each.record.status for each in histories} == {Status.CONFIRMED}
        await wait_primary(found.url)
        ids += await engine.place_orders(engine.build_terms("1"))
        await engine.wait_ended(ids[-1])
        assert len(await engine.read_swaps()) == len(ids)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+sentinel://a:1,b:2", "names no primary"),
        ("redis+sentinel://a:0,b:2/orders", "has port 0"),
        ("redis+sentinel://a,,b/orders", "names no host"),
        ("redis+sentinel://a:x/orders", "port that is no number"),
        ("redis+sentinel://a/orders/two", "no database"),
        ("redis+sentinel://a/orders?ssl_ca_certs=x", "needs rediss://"),
        ("redis://a?sentinel_password=x", r"needs redis\+sentinel://"),
        ("redis://a,b", r"with redis\+sentinel://"),
    ],
)
def test_addresses_of_sentinels_are_checked(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_redis_url(url)


def test_what_an_address_of_sentinels_says() -> None:
    address = parse_redis_url(
        "rediss+sentinel://user:pass@a:1,[::1],b/orders/3?sentinel_password=other&socket_timeout=9"
    )
    assert address.service is not None
    assert address.service.hosts == (("a", 1), ("::1", 26379), ("b", 26379))
    assert address.service.name == "orders"
    assert address.service.options == {"ssl": True, "password": "other", "socket_timeout": 9}
    assert address.options == {
        "username": "user",
        "password": "pass",
        "socket_timeout": 9,
        "db": 3,
        "ssl": True,
    }
    assert "pass" not in repr(address)
    assert "other" not in repr(address)

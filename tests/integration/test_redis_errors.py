"""A Redis that refuses, while the engine runs: orders end all the same, and all heals by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from backend.config.redis.url import parse_redis_url
from backend.queue import broker
from backend.queue.broker import STREAM, StreamBroker
from backend.queue.jobs import JobQueue
from backend.runtime.background import run_in_background
from tests.integration.redis_servers import RedisServer, run_redis
from tests.integration.test_jobs import wait_empty
from tests.integration.test_redis_tls import read_acl
from tests.scenario import HAPPY_PATH, open_engine

SWEEPING = {"rekick_s": 0.2, "sweep_s": 0.05}


@pytest.fixture(autouse=True)
def reclaim_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers take over a job whose acknowledgement Redis refused after a second, not ten."""
    monkeypatch.setattr(broker, "RECLAIM_IDLE_MS", 1_000)
    monkeypatch.setattr(broker, "RECLAIM_S", 0.5)


Change = Callable[[RedisServer, Redis], Awaitable[object]]


async def put_another_key(_: RedisServer, redis: Redis) -> None:
    await redis.delete(STREAM)
    await redis.set(STREAM, "of another type")


async def fail_to_save(server: RedisServer, redis: Redis) -> None:
    await redis.config_set("save", "3600 1000000")
    (server.folder / "disk").rmdir()
    async with asyncio.timeout(60):
        while (await redis.info("persistence"))["rdb_last_bgsave_status"] == "ok":
            try:
                await redis.bgsave()
            except ResponseError:
                await asyncio.sleep(0.01)


async def save_again(server: RedisServer, redis: Redis) -> None:
    await redis.config_set("save", "")


async def close_connections(redis: Redis) -> None:
    await redis.client_kill_filter(_type="normal", skipme=True)


async def want_password(_: RedisServer, redis: Redis) -> None:
    await redis.config_set("requirepass", "a-new-one")
    await close_connections(redis)


async def want_no_password(_: RedisServer, redis: Redis) -> None:
    await redis.config_set("requirepass", "")


async def pause(server: RedisServer, redis: Redis) -> None:
    server.process.send_signal(signal.SIGSTOP)


async def resume(server: RedisServer, redis: Redis) -> None:
    server.process.send_signal(signal.SIGCONT)


def deny(*commands: str) -> tuple[Change, Change]:
    async def withdraw(_: RedisServer, redis: Redis) -> None:
        denied = [f"-{command}" for command in commands]
        await redis.acl_setuser("default", enabled=True, nopass=True, commands=denied)
        await close_connections(redis)

    async def grant(_: RedisServer, redis: Redis) -> None:
        allowed = [f"+{command}" for command in commands]
        await redis.acl_setuser("default", enabled=True, nopass=True, commands=allowed)

    return withdraw, grant


def configure(name: str, bad: int, good: int) -> tuple[Change, Change]:
    return (
        lambda _, redis: redis.config_set(name, bad),
        lambda _, redis: redis.config_set(name, good),
    )


FAULTS: Mapping[str, tuple[Change, Change]] = {
    "WRONGTYPE": (put_another_key, lambda _, redis: redis.delete(STREAM)),
    "READONLY": (
        lambda _, redis: redis.replicaof("127.0.0.1", 1),
        lambda _, redis: redis.replicaof("NO", "ONE"),
    ),
    "OOM": configure("maxmemory", 1, 0),
    "NOREPLICAS": configure("min-replicas-to-write", 1, 0),
    "MISCONF": (fail_to_save, save_again),
    "NOAUTH": (want_password, want_no_password),
    "NOPERM to read": deny("xreadgroup", "xautoclaim"),
    "NOPERM to add": deny("xadd"),
    "NOPERM for scripts": deny("evalsha", "script"),
    "no answer": (pause, resume),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_orders_end_whatever_redis_answers(
    database_url: str, data_dir: Path, fault: str
) -> None:
    cause, heal = FAULTS[fault]
    disk = data_dir / "disk"
    disk.mkdir()
    async with run_redis(data_dir, "--dir", str(disk)) as server, server.open_admin() as admin:
        url = f"{server.url}?socket_timeout=2"
        async with open_engine(database_url, url, data_dir, settings=SWEEPING) as engine:
            terms = engine.build_terms("0.01")
            await engine.wait_all_ended(await engine.place_orders(terms))
            await cause(server, admin)
            ids = await engine.place_orders(*[terms] * 20)
            histories = await engine.wait_all_ended(ids)
            await heal(server, admin)
            histories += await engine.wait_all_ended(await engine.place_orders(*[terms] * 20))
            assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
            swaps = await engine.read_swaps()
            assert {history.record.tx_hash for history in histories} < set(swaps)
            assert len(swaps) == len(histories) + 1
            await wait_empty(admin)


async def test_an_engine_that_starts_without_redis_executes_orders_and_uses_it_later(
    database_url: str, data_dir: Path
) -> None:
    url = f"unix://{data_dir}/redis.sock"
    async with open_engine(database_url, url, data_dir, settings=SWEEPING) as engine:
        terms = engine.build_terms("0.01")
        histories = await engine.wait_all_ended(await engine.place_orders(*[terms] * 20))
        async with run_redis(data_dir) as server, server.open_admin() as admin:
            async with asyncio.timeout(60):
                while not await admin.exists(STREAM):
                    await asyncio.sleep(0.01)
            histories += await engine.wait_all_ended(await engine.place_orders(*[terms] * 20))
            await wait_empty(admin)
            assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}


@pytest.mark.parametrize("revoked", ["-publish", "resetchannels"])
async def test_jobs_are_sent_where_the_message_beside_them_may_not_be_published(
    data_dir: Path, revoked: str
) -> None:
    (data_dir / "users.acl").write_text(f"{read_acl()}user admin on >admin ~* &* +@all\n")
    async with (
        run_redis(data_dir, "--aclfile", str(data_dir / "users.acl")) as server,
        server.open_admin(username="admin", password="admin") as admin,
    ):
        address = parse_redis_url(server.url.replace("//", "//engine:change-me@"))
        sender = StreamBroker(
            address, consumer="me", take_message=lambda: ("order-engine:news", b"news")
        )
        await sender.startup()
        await admin.execute_command("ACL", "SETUSER", "engine", revoked)  # type: ignore[no-untyped-call]
        with capture_logs() as logs:
            async with run_in_background(sender.run):
                await JobQueue(sender).send("local", [UUID(int=1), UUID(int=2)])
                await sender.wait_sent()
        assert await admin.xlen(STREAM) == 2
        [line] = logs
        assert (line["operation"], "ACL" in line["error"]) == ("publish", True)
        await sender.shutdown()

"""A subscriber leaves a server that hangs, and one that hears nothing of what is published."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backend.config.redis.url import parse_redis_url
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import Commit, encode_commits, listen_for_commits
from backend.runtime.redis import subscription
from backend.runtime.redis.client import open_redis
from backend.trials.failover.valkey_cluster import ValkeyCluster, run_valkey_cluster
from tests.integration.redis_servers import run_redis
from tests.integration.test_redis_sentinel import run_replicated

CHANNEL = "order-engine:test:committed"
TIMEOUT_S = 0.5
WAIT_S = 60


@pytest.fixture(autouse=True)
def check_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "CHECK_S", 0.1)
    monkeypatch.setattr(subscription, "ANSWER_S", 1)


class Subscriber:
    """Listens for commits at a URL of Redis, and publishes them at another connection."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.heard: asyncio.Queue[Commit] = asyncio.Queue()

    async def publish_until_heard(self, txid: int) -> None:
        commit = Commit(txid, None)
        async with asyncio.timeout(WAIT_S):
            while self.heard.empty() or self.heard.get_nowait() != commit:
                with suppress(RedisError):
                    await self.redis.publish(CHANNEL, encode_commits([commit]))
                await asyncio.sleep(0.02)


@asynccontextmanager
async def subscribe(url: str) -> AsyncIterator[Subscriber]:
    address = parse_redis_url(url)
    async with open_redis(address) as listening, open_redis(address) as publishing:
        subscriber = Subscriber(publishing)
        hear = subscriber.heard.put_nowait
        async with run_in_background(partial(listen_for_commits, listening, CHANNEL, hear)):
            await subscriber.publish_until_heard(1)
            yield subscriber


async def wait_reported(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while reason not in capsys.readouterr().out:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("by_socket", [False, True])
async def test_a_server_that_hangs_is_reported_and_heard_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, by_socket: bool
) -> None:
    async with (
        run_redis(tmp_path) as server,
        subscribe(server.socket_url if by_socket else server.url) as subscriber,
    ):
        await wait_checked(server.open_admin())
        server.process.send_signal(signal.SIGSTOP)
        await wait_reported(capsys, "no answer on the connection of a subscription")
        server.process.send_signal(signal.SIGCONT)
        await subscriber.publish_until_heard(2)


async def wait_checked(admin: Redis) -> None:
    """Return once the connection of a subscription was asked twice, and is still there."""
    async with admin, asyncio.timeout(WAIT_S):
        while (await admin.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"] < 2:
            await asyncio.sleep(0.02)


async def test_a_primary_that_hangs_is_left_for_the_one_that_sentinels_name(tmp_path: Path) -> None:
    async with (
        run_replicated(tmp_path) as found,
        subscribe(f"{found.url}?socket_timeout=2") as subscriber,
    ):
        found.primary.process.send_signal(signal.SIGSTOP)
        await subscriber.publish_until_heard(2)


async def test_a_node_that_hangs_is_left(data_dir: Path) -> None:
    async with (
        run_valkey_cluster(data_dir, timeout_s=TIMEOUT_S) as cluster,
        subscribe(f"redis+cluster://{cluster.hosts}?socket_timeout=2") as subscriber,
    ):
        cluster.pause_primary()
        await subscriber.publish_until_heard(2)


async def test_a_node_that_has_left_its_cluster_is_left(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        run_valkey_cluster(data_dir, timeout_s=TIMEOUT_S) as cluster,
        subscribe(f"redis+cluster://{cluster.hosts}?socket_timeout=2") as subscriber,
    ):
        await leave_cluster(cluster)
        await wait_reported(capsys, "the primary is another server now")
        async with Redis.from_url(cluster.replica.url) as publishing:
            subscriber.redis = publishing
            await subscriber.publish_until_heard(2)


async def leave_cluster(cluster: ValkeyCluster) -> None:
    """Have the replica take over, and remove the old primary, which stays up."""
    old = cluster.primary
    await cluster.replica.execute("CLUSTER", "FAILOVER")
    await cluster.wait_replaced()
    old_id = await old.execute("CLUSTER", "MYID")
    for node in cluster.nodes:
        if node is not old:
            await node.execute("CLUSTER", "FORGET", old_id)
    await old.execute("CLUSTER", "RESET", "HARD")

"""Redis as a Cluster: the engine follows the node that has its keys, and no order is lost."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from backend.config.redis.url import parse_redis_url
from backend.domain.errors import Rejected
from backend.domain.lifecycle import Status
from backend.queue.broker import STREAM
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import Commit, encode_commits, listen_for_commits
from backend.runtime.redis.client import check_redis, open_redis
from backend.runtime.redis.cluster import build_key_prefix
from backend.runtime.redis.errors import explain_redis_error, is_configuration_error
from backend.runtime.redis.keys import PROBE
from backend.trials.failover.valkey_cluster import (
    HOST,
    ValkeyCluster,
    ValkeyNode,
    run_valkey_cluster,
)
from tests.integration.redis_servers import find_free_port, run_redis
from tests.integration.test_redis_tls import (
    build_secure_url,
    execute_orders,
    read_acl,
    secure_options,
)
from tests.scenario import open_engine

SETTINGS = {"rekick_s": 1, "sweep_s": 0.2, "reconcile_s": 0}
TIMEOUT_S = 0.5
WAIT_S = 60
CHANNEL = "order-engine:test:committed"


async def permit_engine(cluster: ValkeyCluster) -> str:
    """The URL of a user who may do what the page says, and no more."""
    [_, line] = read_acl().strip().splitlines()
    rules = line.removeprefix("user engine ").split()
    for node in cluster.nodes:
        await node.execute("ACL", "SETUSER", "engine", *rules, "+cluster|slots")
    return f"redis+cluster://engine:change-me@{cluster.hosts}"


async def test_orders_go_on_when_the_primary_is_lost(
    database_url: str, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_valkey_cluster(data_dir, timeout_s=TIMEOUT_S) as cluster:
        url = await permit_engine(cluster)
        await execute_orders(database_url, url, data_dir)
        assert "redis unavailable" not in capsys.readouterr().out
        assert {str(await node.execute("ACL", "LOG")) for node in cluster.nodes} == {"[]"}
        async with open_engine(database_url, url, data_dir, settings=SETTINGS) as engine:
            before = len(await engine.read_swaps())
            ids = await engine.place_orders(*[engine.build_terms("1")] * 5)
            async with asyncio.TaskGroup() as group:
                group.create_task(cluster.lose_primary())
                for _ in range(5):
                    ids += await engine.place_orders(engine.build_terms("1"))
            histories = await engine.wait_all_ended(ids)
            assert {each.record.status for each in histories} == {Status.CONFIRMED}
            await wait_served(engine.services.redis)
            ids += await engine.place_orders(engine.build_terms("1"))
            await engine.wait_ended(ids[-1])
            assert len(await engine.read_swaps()) - before == len(ids)


async def wait_served(redis: Redis) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(RedisError):
                await redis.exists(STREAM)
                return
            await asyncio.sleep(0.02)


async def test_connections_follow_the_keys(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        run_valkey_cluster(data_dir, timeout_s=TIMEOUT_S) as cluster,
        open_redis(parse_redis_url(f"redis+cluster://{cluster.hosts.split(',')[0]}")) as redis,
    ):
        await check_redis(redis)
        await redis.set(PROBE, "1")
        await cluster.replica.execute("CLUSTER", "FAILOVER")
        await cluster.wait_replaced()
        assert await redis.get(PROBE) == b"1"
        assert "redis unavailable" not in capsys.readouterr().out
        await move_slot(cluster.replica, cluster.nodes[0], redis)
        assert await redis.get(PROBE) == b"1"
        await cluster.units[1].kill()
        await see_it_down(redis)
        await cluster.units[1].start()
        await wait_served(redis)


async def move_slot(source: ValkeyNode, target: ValkeyNode, redis: Redis) -> None:
    """Move the keys from a node to another, as tools for that do."""
    slot = key_slot(STREAM.encode())
    source_id, target_id = [await node.execute("CLUSTER", "MYID") for node in (source, target)]
    async with asyncio.timeout(WAIT_S):
        while not re.search(f"{source_id} .*master", await target.execute("CLUSTER", "NODES")):
            await asyncio.sleep(0.02)
    await target.execute("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    await source.execute("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    await source.execute("MIGRATE", HOST, target.port, PROBE, 0, 5000)
    with pytest.raises(RedisError) as refusal:
        await redis.get(PROBE)
    assert "on their way to another node" in explain_redis_error(refusal.value)
    for node in (target, source):
        await node.execute("CLUSTER", "SETSLOT", slot, "NODE", target_id)


async def see_it_down(redis: Redis) -> None:
    refusal: Exception | None = None
    async with asyncio.timeout(WAIT_S):
        while refusal is None or "the Cluster is down" not in explain_redis_error(refusal):
            try:
                await redis.exists(STREAM)
            except RedisError as error:
                refusal = error
            await asyncio.sleep(0.02)
    assert not is_configuration_error(refusal)


async def test_subscribers_go_to_another_node(data_dir: Path) -> None:
    heard: asyncio.Queue[Commit] = asyncio.Queue()
    async with run_valkey_cluster(data_dir, timeout_s=TIMEOUT_S) as cluster:
        address = parse_redis_url(f"redis+cluster://{cluster.hosts}")
        async with (
            open_redis(address) as redis,
            run_in_background(partial(listen_for_commits, redis, CHANNEL, heard.put_nowait)),
        ):
            await publish_until_heard(redis, heard, Commit(1, None))
            await cluster.lose_primary()
            await publish_until_heard(redis, heard, Commit(2, None))


async def test_a_primary_that_hangs_is_left(data_dir: Path) -> None:
    async with (
        run_valkey_cluster(data_dir, timeout_s=TIMEOUT_S) as cluster,
        open_redis(parse_redis_url(f"redis+cluster://{cluster.hosts}")) as redis,
    ):
        await redis.exists(STREAM)
        cluster.pause_primary()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await redis.exists(STREAM)
        await cluster.wait_replaced()
        async with asyncio.timeout(WAIT_S):
            await redis.exists(STREAM)


async def publish_until_heard(redis: Redis, heard: asyncio.Queue[Commit], commit: Commit) -> None:
    async with asyncio.timeout(WAIT_S):
        while heard.empty() or heard.get_nowait() != commit:
            with suppress(RedisError):
                await redis.publish(CHANNEL, encode_commits([commit]))
            await asyncio.sleep(0.02)


async def test_a_server_and_a_cluster_are_named_as_what_they_are(tmp_path: Path) -> None:
    """Each refuses the other's form of address, and tells the right one."""
    for options, scheme, reason in (
        (("--cluster-enabled", "yes"), "redis", r"node of a Redis Cluster.* redis\+cluster://"),
        ((), "redis+cluster", "no node of a Cluster: write redis://"),
    ):
        (folder := tmp_path / scheme).mkdir()
        async with (
            run_redis(folder, *options) as server,
            open_redis(parse_redis_url(f"{scheme}://127.0.0.1:{server.port}")) as redis,
        ):
            with pytest.raises(Rejected, match=reason):
                await check_redis(redis)


async def test_a_cluster_has_tls_and_an_acl(tmp_path: Path) -> None:
    """Its one node does not know its own address."""
    port = find_free_port()
    options = (*secure_options(tmp_path, port), "--cluster-enabled", "yes", "--tls-cluster", "yes")
    users = tmp_path / "users.acl"
    users.write_text(users.read_text().replace("+subscribe", "+subscribe +cluster|slots"))
    url = build_secure_url(tmp_path, port).replace("rediss://", "rediss+cluster://")
    async with (
        run_redis(tmp_path, *options, port=0) as server,
        server.open_admin(username="admin", password="admin") as admin,
        open_redis(parse_redis_url(url)) as redis,
    ):
        await admin.cluster("ADDSLOTSRANGE", 0, REDIS_CLUSTER_HASH_SLOTS - 1)
        await wait_served(redis)
        await check_redis(redis)
        await redis.set(PROBE, "1")
        assert await redis.get(PROBE) == b"1"


async def test_a_node_without_slots_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_redis(tmp_path, "--cluster-enabled", "yes") as server:
        away = f"127.0.0.1:{find_free_port()}"
        url = f"redis+cluster://{away},127.0.0.1:{server.port}"
        async with open_redis(parse_redis_url(url)) as redis:
            await check_redis(redis)
    assert "the Cluster is down" in capsys.readouterr().out


def open_nowhere(scheme: str) -> Redis:
    return open_redis(parse_redis_url(f"{scheme}://nowhere"))


def test_all_keys_of_a_cluster_have_the_slot_of_the_stream() -> None:
    journal_id, (cluster, server) = UUID(int=7), map(open_nowhere, ("redis+cluster", "redis"))
    names = [f"{build_key_prefix(cluster, journal_id)}rate:a", PROBE, STREAM]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert build_key_prefix(server, journal_id) == f"order-engine:{journal_id}:"

"""A database has orders of one cluster only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backend.domain.errors import Rejected
from backend.store.database import open_pool
from backend.store.verification.cluster_binding import bind_cluster
from tests.scenario import open_engine


async def test_a_database_with_orders_stays_with_its_cluster(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        await bind_cluster(pool, "devnet")
        await bind_cluster(pool, "mainnet-beta")  # it has no orders yet
        async with open_engine(database_url, redis_url, data_dir) as engine:
            await engine.wait_all_ended(await engine.place_orders(engine.build_terms()))
        await bind_cluster(pool, "simulated")
        with pytest.raises(Rejected, match="has orders of the cluster simulated"):
            await bind_cluster(pool, "mainnet-beta")
        async with open_engine(database_url, redis_url, data_dir) as engine:
            await engine.wait_all_ended(await engine.place_orders(engine.build_terms()))


async def test_processes_that_start_together_bind_it_to_the_same_cluster(database_url: str) -> None:
    async with open_pool(database_url, connections_max=8) as pool:
        for _ in range(20):
            await pool.execute("UPDATE journal SET cluster = NULL")
            async with asyncio.TaskGroup() as tasks:
                for _ in range(8):
                    tasks.create_task(bind_cluster(pool, "simulated"))


async def test_no_process_starts_on_a_database_of_another_cluster(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        async with open_engine(database_url, redis_url, data_dir) as engine:
            await engine.wait_all_ended(await engine.place_orders(engine.build_terms()))
        await pool.execute("UPDATE journal SET cluster = 'devnet'")
        refused = pytest.RaisesExc(Rejected, match="give each cluster a database of its own")
        with pytest.RaisesGroup(refused, flatten_subgroups=True):
            async with open_engine(database_url, redis_url, data_dir):
                raise AssertionError("it must not start")

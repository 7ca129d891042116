"""Connections for all processes are required at the start, where their number is set."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from backend.domain.errors import Rejected
from backend.store.database import open_pool
from backend.store.verification.connection_budget import ConnectionLimits, require_connections
from tests.scenario import open_engine


@pytest.mark.parametrize(
    ("limits", "lowest"),
    [
        (ConnectionLimits(97, None, None), 97),
        (ConnectionLimits(97, 20, None), 20),
        (ConnectionLimits(97, 20, 10), 10),
    ],
)
def test_the_lowest_limit_counts(limits: ConnectionLimits, lowest: int) -> None:
    assert limits.find_lowest()[0] == lowest


async def test_a_process_starts_only_where_there_are_connections_for_all(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        await require_connections(pool, 8, 15)
        name = await pool.fetchval("SELECT current_database()")
        await pool.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 100")
        try:
            refused = pytest.RaisesExc(
                Rejected, match="8 processes open up to 15 connections each, 120 together"
            )
            with pytest.RaisesGroup(refused, flatten_subgroups=True):
                async with open_engine(
                    database_url, redis_url, data_dir, settings={"database_processes": 8}
                ):
                    raise AssertionError("it must not start")
        finally:
            connection = await asyncpg.connect(database_url)
            await connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
            await connection.close()

"""Isolation of runs on the benchmark's servers, embedded or configured.

Each run gets its own PostgreSQL database, dropped afterwards, and an empty logical Redis database,
flushed afterwards. Nothing else on configured servers is touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from os import getpid
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from backend.domain.errors import Rejected
from backend.store.address import parse_address
from backend.store.connection import Connector
from backend.trials import process_usage as usage

REDIS_DATABASES: Final = 16
_FILE_COPY_VERSION_MIN: Final = 150_000
_database_numbers = count(1)


@asynccontextmanager
async def create_run_database(
    server_url: str, template_url: str | None = None
) -> AsyncIterator[str]:
    """Create a database on the server, empty or a copy of ``template_url``; drop it on exit."""
    name = f"order_engine_bench_{getpid()}_{next(_database_numbers)}"
    admin = await asyncpg.connect(server_url)
    try:
        template = ""
        if template_url is not None:
            template = f" TEMPLATE {urlsplit(template_url).path.lstrip('/')}"
            if int(await admin.fetchval("SHOW server_version_num")) >= _FILE_COPY_VERSION_MIN:
                template += " STRATEGY FILE_COPY"
        await admin.execute(f"CREATE DATABASE {name}{template}", timeout=600)
        try:
            # Each run starts at a checkpoint: the first change of a page after one writes it whole.
            with suppress(asyncpg.InsufficientPrivilegeError):
                await admin.execute("CHECKPOINT", timeout=600)
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)", timeout=600)
    finally:
        await admin.close()


@asynccontextmanager
async def reserve_redis_database(server_url: str) -> AsyncIterator[str]:
    """Reserve an empty logical database; flush it on exit. Raises ``Rejected`` if none is empty."""
    for number in reversed(range(REDIS_DATABASES)):
        url = _build_redis_url(server_url, number)
        try:
            async with Redis.from_url(url) as redis:
                is_free = not await redis.dbsize()
        except ResponseError:  # the server has fewer databases
            continue
        if is_free:
            try:
                yield url
            finally:
                async with Redis.from_url(url) as redis:
                    await redis.flushdb()
            return
    raise Rejected("no_redis_database", "none of the server's logical databases is empty")


def _build_redis_url(url: str, number: int) -> str:
    parts = urlsplit(url)
    options = [part for part in parts.query.split("&") if part and not part.startswith("db=")]
    path = parts.path if parts.scheme == "unix" else ""  # elsewhere it is a database, too
    # Not urlunsplit, which leaves the slashes of unix:// out.
    return f"{parts.scheme}://{parts.netloc}{path}?{'&'.join([*options, f'db={number}'])}"


async def connect(database_url: str) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection of the benchmark's own, through a pooler as the engine does."""
    return await Connector(parse_address(database_url)).connect()


async def find_server_pids(database_url: str, redis_url: str) -> dict[str, Sequence[int]]:
    """Find the server processes that run on this machine, by name."""
    pids: dict[str, Sequence[int]] = {}
    connection = await connect(database_url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    if (postmaster := usage.find_parent_named(backend, "postgres")) is not None:
        pids["postgres"] = (postmaster,)
    await connection.close()
    async with Redis.from_url(redis_url) as redis:
        redis_pid = int((await redis.info("server"))["process_id"])
    if usage.is_process_named(redis_pid, ("valkey", "redis")):
        pids["valkey"] = (redis_pid,)
    return pids

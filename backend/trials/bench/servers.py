"""The servers of a benchmark, embedded or given, and what each run has of them for itself.

A run gets a database of its own, which is dropped behind it, and a logical database of Redis that
was empty before and is emptied again. Nothing else on given servers is touched.
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
from backend.trials.bench import process_usage as usage

REDIS_DATABASES: Final = 16
_FILE_COPY_SINCE: Final = 150_000
_numbers = count(1)


@asynccontextmanager
async def own_database(server_url: str, template_url: str | None = None) -> AsyncIterator[str]:
    """A new database on the server, empty or a copy of another one, dropped in the end."""
    name = f"order_engine_bench_{getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(server_url)
    try:
        copied = ""
        if template_url is not None:
            copied = f" TEMPLATE {urlsplit(template_url).path.lstrip('/')}"
            if int(await admin.fetchval("SHOW server_version_num")) >= _FILE_COPY_SINCE:
                copied += " STRATEGY FILE_COPY"
        await admin.execute(f"CREATE DATABASE {name}{copied}", timeout=600)
        try:
            # Each run begins behind a checkpoint: the first change of a page after one is dear.
            with suppress(asyncpg.InsufficientPrivilegeError):
                await admin.execute("CHECKPOINT", timeout=600)
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)", timeout=600)
    finally:
        await admin.close()


@asynccontextmanager
async def own_redis(server_url: str) -> AsyncIterator[str]:
    """A logical database that was empty, emptied in the end. Raises ``Rejected`` without one."""
    for number in reversed(range(REDIS_DATABASES)):
        url = _redis_database(server_url, number)
        try:
            async with Redis.from_url(url) as redis:
                is_free = not await redis.dbsize()
        except ResponseError:  # a server with fewer of them
            continue
        if is_free:
            try:
                yield url
            finally:
                async with Redis.from_url(url) as redis:
                    await redis.flushdb()
            return
    raise Rejected("no_redis_database", "none of the server's logical databases is empty")


def _redis_database(url: str, number: int) -> str:
    parts = urlsplit(url)
    others = [each for each in parts.query.split("&") if each and not each.startswith("db=")]
    return urlunsplit(parts._replace(query="&".join([*others, f"db={number}"])))


async def server_pids(database_url: str, redis_url: str) -> dict[str, Sequence[int]]:
    """The processes of the servers, by name, as far as they run on this machine."""
    pids: dict[str, Sequence[int]] = {}
    connection = await asyncpg.connect(database_url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    if (postmaster := usage.parent_if(backend, "postgres")) is not None:
        pids["postgres"] = (postmaster,)
    await connection.close()
    async with Redis.from_url(redis_url) as redis:
        redis_pid = int((await redis.info("server"))["process_id"])
    if usage.is_named(redis_pid, ("valkey", "redis")):
        pids["valkey"] = (redis_pid,)
    return pids

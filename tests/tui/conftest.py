"""APIs, and a second database for a server that restarts with another journal."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.conftest import TEMPLATE
from tests.integration.apis import RunningApi, open_api
from tests.tui.servers import ApiProcess, run_api_process


@pytest.fixture
async def other_database_url(database_url: str) -> AsyncIterator[str]:
    """An empty database next to the test's own; ``database_url`` has created the template."""
    name = f"test_other_{os.getpid()}"
    url = urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        other = await asyncpg.connect(url)
        await other.execute("UPDATE journal SET id = gen_random_uuid()")  # another journal
        await other.close()
        yield url
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[RunningApi]:
    """An API in this process, which starts in an instant."""
    async with open_api(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def api_process(database_url: str, redis_url: str) -> AsyncIterator[ApiProcess]:
    """An API in a process of its own, which can be killed and paused."""
    async with run_api_process(database_url, redis_url) as process:
        yield process

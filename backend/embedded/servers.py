"""Runs both embedded servers for the duration of a context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.embedded.data_dir import hold_data_dir
from backend.embedded.postgres import PostgresServer
from backend.embedded.supervisor import NoticeHandler, SupervisedProgram, ignore_notice, supervise
from backend.embedded.valkey import ValkeyServer


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """The URLs at which the servers accept connections."""

    database_url: str
    redis_url: str


@asynccontextmanager
async def run_servers(
    data_dir: Path,
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    on_notice: NoticeHandler = ignore_notice,
    force_stop: asyncio.Event | None = None,
    redis_databases: int = 16,
    connections_max: int = 100,
) -> AsyncIterator[ServerUrls]:
    """Lock ``data_dir`` and run the servers whose URL is not given; given URLs are passed through.

    A server that dies is restarted at the same address. Once ``force_stop`` is set, stopping takes
    at most about a second. Raises ``Rejected`` if the data directory is held by another process or
    a program is missing, ``Transient`` if a server does not start.
    """
    with hold_data_dir(data_dir) as directory:
        postgres = PostgresServer(directory, connections_max)
        valkey = ValkeyServer(directory, redis_databases)
        programs: list[SupervisedProgram] = []
        if database_url is None:
            programs.append(postgres)
        if redis_url is None:
            programs.append(valkey)
        async with supervise(
            programs, on_notice=on_notice, force_stop=force_stop or asyncio.Event()
        ):
            yield ServerUrls(database_url or postgres.url, redis_url or valkey.url)

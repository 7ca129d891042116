"""Both embedded servers, for as long as somebody is inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.embedded.data_dir import held
from backend.embedded.notices import Tell, untold
from backend.embedded.postgres import Postgres
from backend.embedded.supervisor import Startable, kept
from backend.embedded.valkey import Valkey


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers accept connections."""

    database_url: str
    redis_url: str


@asynccontextmanager
async def servers(
    data_dir: Path,
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    tell: Tell = untold,
    hurry: asyncio.Event | None = None,
    redis_databases: int = 16,
    connections_max: int = 100,
) -> AsyncIterator[Servers]:
    """Holds ``data_dir`` and runs the servers whose URL is not given; the others pass through.

    One that dies is started again at the same address. Once ``hurry`` is set, stopping takes at
    most about a second. Raises ``Rejected`` if the data directory is held by another process or
    a program is missing, ``Transient`` if a server does not start.
    """
    with held(data_dir) as place:
        postgres = Postgres(place, connections_max)
        valkey = Valkey(place, redis_databases)
        programs: list[Startable] = []
        if database_url is None:
            programs.append(postgres)
        if redis_url is None:
            programs.append(valkey)
        async with kept(programs, tell=tell, hurry=hurry or asyncio.Event()):
            yield Servers(database_url or postgres.url, redis_url or valkey.url)

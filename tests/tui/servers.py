"""A real API process that can be killed and come back, and a dashboard's feed from it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from itertools import count
from random import Random
from time import time_ns
from uuid import UUID

from textual.pilot import Pilot

from tests.conftest import ROOT
from tests.integration.apis import NO_NODE, WAIT_S, Driver
from tests.processes import until
from tests.tui.desks import settled
from tui.app import Dashboard
from tui.connection.client import Client
from tui.connection.feed import Feed
from tui.connection.recording import Recorded
from tui.model.connection_state import State
from tui.model.messages import Message, WireTerms
from tui.model.model import Model
from tui.session import Desk
from tui.settings import Settings
from tui.text.symbols import UNICODE

TERMS: WireTerms = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


class ApiProcess:
    """An API over a database; it keeps its port when it is started again."""

    def __init__(self, database_url: str, redis_url: str, **environ: str) -> None:
        self.environ = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SOLANA_RPC_URL": NO_NODE,
            "PYTHONPATH": str(ROOT),
            **environ,
        }
        self.url = ""
        self._port = "0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it can be used."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "backend.cli", "api", "--port", self._port),
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = (await self._process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        self.url = line.removeprefix("ready ").strip()
        self._port = self.url.rpartition(":")[2]

    async def kill(self) -> None:
        """Kill it, so that it can say goodbye to nobody."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running(database_url: str, redis_url: str, **environ: str) -> AsyncIterator[ApiProcess]:
    api = ApiProcess(database_url, redis_url, **environ)
    await api.start()
    try:
        yield api
    finally:
        await api.kill()


class Follower:
    """A model that follows a server, and remembers every message as a recording does."""

    def __init__(self, client: Client, *, orders_max: int = 50_000) -> None:
        self.client = client
        self.model = Model(orders_max=orders_max)
        self.messages: list[Recorded] = []
        self.feed = Feed(
            client,
            now_ms=lambda: time_ns() // 1_000_000,
            random=Random(1),
            orders_max=orders_max,
        )

    def put(self, message: Message, at_ms: int) -> None:
        self.messages.append(Recorded(at_ms, message))
        self.model.apply(message, at_ms)

    async def sees(self, condition: Callable[[Model], bool]) -> None:
        """Waits until the model is so."""
        await until(lambda: condition(self.model))


@asynccontextmanager
async def following(
    url: str, *, key: str | None = None, orders_max: int = 50_000
) -> AsyncIterator[Follower]:
    async with Client(url, key=key) as client, asyncio.TaskGroup() as tasks:
        follower = Follower(client, orders_max=orders_max)
        task = tasks.create_task(follower.feed.run(follower.put))
        try:
            yield follower
        finally:
            task.cancel()


async def drive(driver: Driver, order_ids: list[str]) -> None:
    """Bring orders to their ends, every fifth one to a failure."""
    for number, order_id in enumerate(order_ids):
        if number % 5 == 4:
            await driver.fail(await driver.claim(UUID(order_id)))
        else:
            await driver.confirm(UUID(order_id))


def live_desk(client: Client) -> Desk:
    """A desk that follows a server."""
    ids = count(1)
    return Desk(
        source=Feed(
            client,
            now_ms=lambda: time_ns() // 1_000_000,
            random=Random(1),
            orders_max=50_000,
        ),
        client=client,
        marks=UNICODE,
        zone=UTC,
        settings=Settings(),
        new_id=lambda: f"{client.url}-{next(ids)}",
    )


@asynccontextmanager
async def live(url: str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[None]]:
    """The dashboard of a server, once it is live."""
    app = Dashboard(live_desk(Client(url)))
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.desk.model.link.state is State.LIVE)
        await settled(pilot)
        yield pilot

"""A real API process that can be killed and restarted, and dashboards that follow it."""

from __future__ import annotations

import asyncio
import os
import signal
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
from tests.integration.apis import UNREACHABLE_NODE, WAIT_S, OrderDriver
from tests.processes import wait_until
from tests.tui.sessions import wait_until_drawn
from tui.app import Dashboard
from tui.connection.client import ApiClient
from tui.connection.feed import Feed
from tui.connection.recording import RecordedMessage
from tui.model.connection_state import ConnectionStatus
from tui.model.messages import Message
from tui.model.model import Model
from tui.model.wire import WireOrderTerms
from tui.session import Session
from tui.settings import Settings
from tui.text.symbols import UNICODE

TERMS: WireOrderTerms = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


class ApiProcess:
    """An API process; it keeps its port when it is started again."""

    def __init__(self, database_url: str, redis_url: str, **environ: str) -> None:
        self.environ = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SOLANA_RPC_URL": UNREACHABLE_NODE,
            "PYTHONPATH": str(ROOT),
            **environ,
        }
        self.url = ""
        self._port = "0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process, and wait until it is ready."""
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

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill the process without a graceful shutdown."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def run_api_process(
    database_url: str, redis_url: str, **environ: str
) -> AsyncIterator[ApiProcess]:
    api = ApiProcess(database_url, redis_url, **environ)
    await api.start()
    try:
        yield api
    finally:
        await api.kill()


class FeedFollower:
    """A model that follows a server, and keeps every message as a recording does."""

    def __init__(self, client: ApiClient, *, orders_max: int = 50_000) -> None:
        self.client = client
        self.model = Model(orders_max=orders_max)
        self.messages: list[RecordedMessage] = []
        self.feed = Feed(
            client,
            now_ms=lambda: time_ns() // 1_000_000,
            random=Random(1),
            orders_max=orders_max,
        )

    def handle_message(self, message: Message, at_ms: int) -> None:
        self.messages.append(RecordedMessage(at_ms, message))
        self.model.apply(message, at_ms)

    async def wait_until(self, condition: Callable[[Model], bool]) -> None:
        """Wait until a condition on the model holds."""
        await wait_until(lambda: condition(self.model))


@asynccontextmanager
async def follow_server(
    url: str, *, key: str | None = None, orders_max: int = 50_000
) -> AsyncIterator[FeedFollower]:
    async with ApiClient(url, key=key) as client, asyncio.TaskGroup() as tasks:
        follower = FeedFollower(client, orders_max=orders_max)
        task = tasks.create_task(follower.feed.run(follower.handle_message))
        try:
            yield follower
        finally:
            task.cancel()


async def drive_orders(driver: OrderDriver, order_ids: list[str]) -> None:
    """Bring orders to a final status, every fifth one to a failure."""
    for number, order_id in enumerate(order_ids):
        if number % 5 == 4:
            await driver.fail(await driver.claim(UUID(order_id)))
        else:
            await driver.confirm(UUID(order_id))


def make_live_session(client: ApiClient) -> Session:
    """Build a session that follows a server."""
    ids = count(1)
    return Session(
        source=Feed(
            client,
            now_ms=lambda: time_ns() // 1_000_000,
            random=Random(1),
            orders_max=50_000,
        ),
        client=client,
        symbols=UNICODE,
        timezone=UTC,
        settings=Settings(),
        new_id=lambda: f"{client.url}-{next(ids)}",
    )


@asynccontextmanager
async def show_live_dashboard(
    url: str, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[None]]:
    """Run the dashboard of a server; yields once it is live."""
    app = Dashboard(make_live_session(ApiClient(url)))
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: app.session.model.connection.status is ConnectionStatus.LIVE)
        await wait_until_drawn(pilot)
        yield pilot

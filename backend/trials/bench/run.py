"""A whole benchmark: the modes that were asked for, each so many times."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from os import cpu_count
from pathlib import Path

import asyncpg

from backend import embedded
from backend.trials.bench import past_orders as history
from backend.trials.bench.figures import Figures, spreads
from backend.trials.bench.modes import Bench, Load, Mode
from backend.trials.bench.report import Screen
from backend.trials.bench.rig import Rig, rig
from backend.trials.bench.servers import REDIS_DATABASES, own_database
from backend.trials.bench.system import Layout

CONNECTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Given:
    """The servers and the folder that were given; what was not is embedded, or temporary."""

    database_url: str | None = None
    redis_url: str | None = None
    data_dir: Path | None = None


@dataclass(slots=True)
class Result:
    """All runs of a mode, and what was wrong in them."""

    mode: Mode
    runs: list[Figures] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "isGood": not self.wrong,
            "wrong": self.wrong,
            "figures": {name: spread._asdict() for name, spread in spreads(self.runs).items()},
            "runs": self.runs,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be run. ``layout`` is completed by the folder in which it runs."""

    modes: Sequence[Mode]
    load: Load
    repeats: int
    workers: int
    apis: int
    seed: int


async def run(asked: Asked, given: Given, screen: Screen) -> dict[str, object]:
    """Run everything and show it; the report, whose ``isGood`` says that nothing was lost."""
    results = []
    async with _bench(asked, given, screen) as (bench, servers_are):
        for mode in asked.modes:
            result = Result(mode)
            for number in range(1, asked.repeats + 1):
                screen.running(f"{mode}, run {number} of {asked.repeats}")
                outcome = await bench.run(mode, number)
                result.runs.append(outcome.figures)
                result.wrong += outcome.wrong
            screen.mode(mode, result.runs, result.wrong)
            results.append(result)
    return {
        "isGood": not any(result.wrong for result in results),
        "machine": {
            "cpus": cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "postgres": servers_are,
        },
        "workers": asked.workers,
        "apis": asked.apis,
        "modes": {result.mode.value: result.as_json() for result in results},
    }


@asynccontextmanager
async def _bench(asked: Asked, given: Given, screen: Screen) -> AsyncIterator[tuple[Bench, str]]:
    async with AsyncExitStack() as stack:
        data_dir = given.data_dir
        if data_dir is None:
            data_dir = Path(tempfile.mkdtemp(prefix="oe-bench-"))
            data_dir.chmod(0o711)  # the servers' user has to get in
            stack.callback(shutil.rmtree, data_dir, ignore_errors=True)
        screen.running("starting the servers")
        servers = await stack.enter_async_context(
            embedded.servers(
                data_dir,
                database_url=given.database_url,
                redis_url=given.redis_url,
                redis_databases=REDIS_DATABASES,
                connections_max=CONNECTIONS_MAX,
            )
        )
        connection = await asyncpg.connect(servers.database_url)
        version = await connection.fetchval("SHOW server_version")
        await connection.close()
        layout = Layout(data_dir, workers=asked.workers, apis=asked.apis, seed=asked.seed)
        later = _Later(stack, asked.load, layout, servers, screen)
        yield Bench(asked.load, layout, servers, later.past, later.shared), version


class _Later:
    """What some runs need, made when the first of them asks."""

    def __init__(
        self,
        stack: AsyncExitStack,
        load: Load,
        layout: Layout,
        servers: embedded.Servers,
        screen: Screen,
    ) -> None:
        self._stack = stack
        self._load = load
        self._layout = layout
        self._servers = servers
        self._screen = screen
        self._past: str | None = None
        self._rig: Rig | None = None

    async def past(self) -> str:
        if self._past is None:
            own = own_database(self._servers.database_url)
            self._past = await self._stack.enter_async_context(own)
            orders = self._load.history_orders
            await history.fill(self._past, orders, self._filled)
        return self._past

    def _filled(self, orders: int) -> None:
        self._screen.running(f"history: {orders:,} of {self._load.history_orders:,}")

    async def shared(self) -> Rig:
        if self._rig is None:
            own = rig(
                self._layout,
                self._servers,
                connections=self._load.connections,
                warm_up=self._load.warm_up,
            )
            self._rig = await self._stack.enter_async_context(own)
        return self._rig

"""The engine under test: every process of it, each of which can be killed, paused and started.

It is what ``order-engine up`` runs, without the supervisor: here a process that was killed stays
away until it is wanted again. One that dies by itself is started again and noted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from backend.config import Profile, environment
from backend.domain.errors import EngineError
from backend.embedded import child_process as child
from backend.embedded.data_dir import held
from backend.embedded.engine_processes import Command, OurProcess
from backend.embedded.postgres import Postgres
from backend.embedded.supervisor import Startable
from backend.embedded.valkey import Valkey
from backend.store.migrations import migrate
from backend.trials.chaos.timing import CONFIRMED_SLOTS, FINALIZED_SLOTS, SETTINGS, SLOT_S

HOST: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 200
REDIS_DATABASES: Final = 16
START_AGAIN_S: Final = 0.1


class Unit:
    """One process of the engine; ``watch`` must be running."""

    def __init__(self, program: Startable) -> None:
        self._program = program
        self._process: Process | None = None
        self._is_wanted = False
        self._changed = asyncio.Event()
        self._starting = asyncio.Lock()
        self.turn = asyncio.Lock()
        """Held by who does something to it, so that one fault of it is over before the next."""
        self.deaths = 0
        """How often it died although it was wanted."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self._program.name

    @property
    def pid(self) -> int:
        """Its process id. It must be running."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it can be used. What it needs may still be on its way."""
        self._is_wanted = True
        async with self._starting:
            while self._process is None and self._is_wanted:
                try:
                    self._process = await self._program.start()
                except EngineError:
                    await asyncio.sleep(START_AGAIN_S)
        self._changed.set()
        if not self._is_wanted:
            await self.kill()

    async def kill(self) -> None:
        """``kill -9``; it stays away."""
        process = self._let_go()
        if process is not None:
            await child.end(process)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if it does not obey; it stays away."""
        process = self._let_go()
        if process is not None:
            await child.stop(process, self._program.stopping, asyncio.Event())

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def died(self) -> None:
        """Return when it is dead, as it was meant to be."""
        self._is_wanted = False
        if self._process is not None:
            await self._process.wait()
        self._process = None

    async def watch(self) -> None:
        """Start it again whenever it dies although it is wanted, until cancelled."""
        while True:
            process = self._process
            if process is None or not self._is_wanted:
                self._changed.clear()
                await self._changed.wait()
                continue
            await process.wait()
            if self._is_wanted and self._process is process:
                self.deaths += 1
                self._process = None
                await self.start()

    def _let_go(self) -> Process | None:
        process, self._process = self._process, None
        self._is_wanted = False
        return process

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


class System:
    """All processes over one data directory. ``given`` are settings of all of ours."""

    def __init__(self, data_dir: Path, given: Mapping[str, str], *, workers: int) -> None:
        self.data_dir = data_dir
        self.database_url = ""
        self.redis_url = ""
        self.chain_url = ""
        self.api_url = ""
        self.units: dict[str, Unit] = {}
        self._given = {**SETTINGS, **given}
        self._worker_given: Mapping[str, str] = {}
        self._workers = workers
        self._tasks = asyncio.TaskGroup()
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def deaths(self) -> Mapping[str, int]:
        """How often each process ended although nobody had killed it."""
        return {unit.name: unit.deaths for unit in self.units.values() if unit.deaths}

    def worker_names(self) -> list[str]:
        """The workers that always run."""
        return [f"worker-{n}" for n in range(1, self._workers + 1)]

    async def set_workers(self, given: Mapping[str, str]) -> None:
        """Let the workers run with these settings; those that have others are started again."""
        if given == self._worker_given:
            return
        self._worker_given = dict(given)
        names = self.worker_names()
        async with asyncio.TaskGroup() as stopping:
            for name in names:
                stopping.create_task(self.units.pop(name).stop())
        await self._add(*(self._worker(name, {}) for name in names))

    @asynccontextmanager
    async def one_more_worker(
        self, name: str, given: Mapping[str, str], *, module: tuple[str, ...] = ("backend.cli",)
    ) -> AsyncIterator[Unit]:
        """A worker besides those that always run, for as long as the block runs."""
        unit = Unit(self._worker(name, given, module))
        await unit.start()
        try:
            yield unit
        finally:
            await unit.stop()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything is started, and stopped in the end."""
        with held(self.data_dir) as place, socket.create_server((HOST, 0), backlog=2048) as api:
            postgres = Postgres(place, CONNECTIONS_MAX)
            valkey = Valkey(place, REDIS_DATABASES)
            self.database_url, self.redis_url = postgres.url, valkey.url
            async with self._tasks:
                try:
                    await self._start(postgres, valkey, api)
                    yield
                finally:
                    for watcher in self._watchers:
                        watcher.cancel()
                    for unit in reversed(self.units.values()):
                        await unit.kill()

    async def _start(self, postgres: Postgres, valkey: Valkey, api: socket.socket) -> None:
        await self._add(postgres, valkey)
        await migrate(self.database_url)
        self.chain_url = f"http://{HOST}:{_free_port()}"
        await self._add(self._chain())
        api.set_inheritable(True)
        self.api_url = "http://{}:{}".format(*api.getsockname()[:2])
        fd = api.fileno()
        workers = [self._worker(name, {}) for name in self.worker_names()]
        await self._add(*workers, self._program("api", ("api", "--fd", str(fd)), fds=(fd,)))

    async def _add(self, *programs: Startable) -> None:
        units = [Unit(program) for program in programs]
        self.units |= {unit.name: unit for unit in units}
        async with asyncio.TaskGroup() as starting:
            for unit in units:
                starting.create_task(unit.start())
        self._watchers += [self._tasks.create_task(unit.watch()) for unit in units]

    def _chain(self) -> OurProcess:
        port = self.chain_url.rpartition(":")[2]
        argv = (
            *("--data-dir", str(self.data_dir / "chain"), "--port", port),
            *("--profile", Profile.INSTANT, "--slot-seconds", str(SLOT_S)),
            *("--confirmed-slots", str(CONFIRMED_SLOTS)),
            *("--finalized-slots", str(FINALIZED_SLOTS)),
        )
        return self._program("chain", argv, module=("backend.simulator",))

    def _worker(
        self, name: str, given: Mapping[str, str], module: tuple[str, ...] = ("backend.cli",)
    ) -> OurProcess:
        return self._program(name, ("worker",), {**self._worker_given, **given}, module=module)

    def _program(
        self,
        name: str,
        argv: tuple[str, ...],
        given: Mapping[str, str] | None = None,
        *,
        module: tuple[str, ...] = ("backend.cli",),
        fds: tuple[int, ...] = (),
    ) -> OurProcess:
        settings = {
            "profile": Profile.INSTANT,
            **self._given,
            **(given or {}),
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "solana_rpc_url": self.chain_url,
        }
        env = environment(os.environ, **settings)
        command = Command(
            name, (sys.executable, "-m", *module, *argv), env, stop_timeout_s=15, pass_fds=fds
        )
        return OurProcess(command, self.data_dir / "logs")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port

"""The engine under test: its processes, each of which can be killed, paused and started.

These are the processes of ``order-engine up``, without its supervisor: a process that was killed
stays down until it is started again. One that exits by itself is restarted and counted as a crash.
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

from backend.config import Profile, build_child_environment
from backend.domain.errors import EngineError
from backend.embedded import child_process as child
from backend.embedded.data_dir import hold_data_dir
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.embedded.postgres import PostgresServer
from backend.embedded.supervisor import SupervisedProgram
from backend.embedded.valkey import ValkeyServer
from backend.simulator.options import NODE_TABLE_ADDRESS, POOL_SETS
from backend.store.migrations import migrate
from backend.trials.chaos.timing import CONFIRMED_SLOTS, FINALIZED_SLOTS, SETTINGS, SLOT_S

HOST: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 200
REDIS_DATABASES: Final = 16
SHALLOW_USD: Final = 20_000
"""The depth of pools that split orders of some hundred dollars."""
ROUTE_SETTINGS: Final[Mapping[str, str]] = {
    "lookup_tables": NODE_TABLE_ADDRESS,
    "route_hops_max": "3",
    "hop_impact_min_bps": "0",
}
"""With many pools, every order may lead through other tokens."""
RESTART_DELAY_S: Final = 0.1


class ProcessUnit:
    """One process of the engine; ``watch`` must be running."""

    def __init__(self, program: SupervisedProgram) -> None:
        self._program = program
        self._process: Process | None = None
        self._is_enabled = False
        self._changed = asyncio.Event()
        self._starting = asyncio.Lock()
        self.fault_lock = asyncio.Lock()
        """Held while a fault is applied to it, so that faults of one process never overlap."""
        self.crashes = 0
        """How often it exited without having been stopped."""

    @property
    def name(self) -> str:
        """Its name, such as ``worker-1``."""
        return self._program.name

    @property
    def pid(self) -> int:
        """Its process id. It must be running."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it is ready; retried while its dependencies are still down."""
        self._is_enabled = True
        async with self._starting:
            while self._process is None and self._is_enabled:
                try:
                    self._process = await self._program.start()
                except EngineError:
                    await asyncio.sleep(RESTART_DELAY_S)
        self._changed.set()
        if not self._is_enabled:
            await self.kill()

    async def kill(self) -> None:
        """``kill -9``; it stays down."""
        process = self._release_process()
        if process is not None:
            await child.kill_group(process)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after the stop timeout; it stays down."""
        process = self._release_process()
        if process is not None:
            await child.stop_process(process, self._program.stop_steps, asyncio.Event())

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def wait_exited(self) -> None:
        """Wait for an expected exit, which does not count as a crash."""
        self._is_enabled = False
        if self._process is not None:
            await self._process.wait()
        self._process = None

    async def watch(self) -> None:
        """Restart it whenever it exits without having been stopped, until cancelled."""
        while True:
            process = self._process
            if process is None or not self._is_enabled:
                self._changed.clear()
                await self._changed.wait()
                continue
            await process.wait()
            if self._is_enabled and self._process is process:
                self.crashes += 1
                self._process = None
                await self.start()

    def _release_process(self) -> Process | None:
        process, self._process = self._process, None
        self._is_enabled = False
        return process

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


class EngineSystem:
    """All processes over one data directory. ``settings`` apply to all engine processes.

    With ``pools`` other than the default ones, all pools are shallow, so that orders are split.
    """

    def __init__(
        self,
        data_dir: Path,
        settings: Mapping[str, str],
        *,
        workers: int,
        pools: str = POOL_SETS[0],
    ) -> None:
        self.data_dir = data_dir
        self.database_url = ""
        self.redis_url = ""
        self.chain_url = ""
        self.api_url = ""
        self.units: dict[str, ProcessUnit] = {}
        routes = {} if pools == POOL_SETS[0] else ROUTE_SETTINGS
        self._settings = {**SETTINGS, **routes, **settings}
        self._pools = pools
        self._worker_settings: Mapping[str, str] = {}
        self._workers = workers
        self._tasks = asyncio.TaskGroup()
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def crashes(self) -> Mapping[str, int]:
        """The number of crashes of each process that had any."""
        return {unit.name: unit.crashes for unit in self.units.values() if unit.crashes}

    def worker_names(self) -> list[str]:
        """The names of the permanent workers."""
        return [f"worker-{n}" for n in range(1, self._workers + 1)]

    async def set_worker_settings(self, settings: Mapping[str, str]) -> None:
        """Restart the permanent workers with these settings, unless they have them already."""
        if settings == self._worker_settings:
            return
        self._worker_settings = dict(settings)
        names = self.worker_names()
        async with asyncio.TaskGroup() as stopping:
            for name in names:
                stopping.create_task(self.units.pop(name).stop())
        await self._start_units(*(self._build_worker(name, {}) for name in names))

    @asynccontextmanager
    async def run_extra_worker(
        self, name: str, settings: Mapping[str, str], *, module: tuple[str, ...] = ("backend.cli",)
    ) -> AsyncIterator[ProcessUnit]:
        """Run one more worker for the duration of the block."""
        unit = ProcessUnit(self._build_worker(name, settings, module))
        await unit.start()
        try:
            yield unit
        finally:
            await unit.stop()

    @asynccontextmanager
    async def run_extra_api(self, name: str) -> AsyncIterator[str]:
        """Run one more API process for the duration of the block; yields its address."""
        port = _free_port()
        unit = ProcessUnit(self._build_program(name, ("api", "--port", str(port))))
        self.units[name] = unit
        await unit.start()
        try:
            yield f"http://{HOST}:{port}"
        finally:
            await self.units.pop(name).kill()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run every process for the duration of the block."""
        with (
            hold_data_dir(self.data_dir) as directory,
            socket.create_server((HOST, 0), backlog=2048) as api,
        ):
            postgres = PostgresServer(directory, CONNECTIONS_MAX)
            valkey = ValkeyServer(directory, REDIS_DATABASES)
            self.database_url, self.redis_url = postgres.url, valkey.url
            async with self._tasks:
                try:
                    await self._start_engine(postgres, valkey, api)
                    yield
                finally:
                    for watcher in self._watchers:
                        watcher.cancel()
                    for unit in reversed(self.units.values()):
                        await unit.kill()

    async def _start_engine(
        self, postgres: PostgresServer, valkey: ValkeyServer, api: socket.socket
    ) -> None:
        await self._start_units(postgres, valkey)
        await migrate(self.database_url)
        self.chain_url = f"http://{HOST}:{_free_port()}"
        await self._start_units(self._build_chain())
        api.set_inheritable(True)
        self.api_url = "http://{}:{}".format(*api.getsockname()[:2])
        fd = api.fileno()
        workers = [self._build_worker(name, {}) for name in self.worker_names()]
        await self._start_units(
            *workers, self._build_program("api", ("api", "--fd", str(fd)), fds=(fd,))
        )

    async def _start_units(self, *programs: SupervisedProgram) -> None:
        units = [ProcessUnit(program) for program in programs]
        self.units |= {unit.name: unit for unit in units}
        async with asyncio.TaskGroup() as starting:
            for unit in units:
                starting.create_task(unit.start())
        self._watchers += [self._tasks.create_task(unit.watch()) for unit in units]

    def _build_chain(self) -> EngineProcess:
        port = self.chain_url.rpartition(":")[2]
        argv: tuple[str, ...] = (
            *("--data-dir", str(self.data_dir / "chain"), "--port", port),
            *("--profile", Profile.INSTANT, "--slot-seconds", str(SLOT_S)),
            *("--confirmed-slots", str(CONFIRMED_SLOTS)),
            *("--finalized-slots", str(FINALIZED_SLOTS)),
        )
        if self._pools != POOL_SETS[0]:
            argv += ("--pools", self._pools, "--depth-usd", str(SHALLOW_USD))
        return self._build_program("chain", argv, module=("backend.simulator",))

    def _build_worker(
        self, name: str, settings: Mapping[str, str], module: tuple[str, ...] = ("backend.cli",)
    ) -> EngineProcess:
        return self._build_program(
            name, ("worker",), {**self._worker_settings, **settings}, module=module
        )

    def _build_program(
        self,
        name: str,
        argv: tuple[str, ...],
        overrides: Mapping[str, str] | None = None,
        *,
        module: tuple[str, ...] = ("backend.cli",),
        fds: tuple[int, ...] = (),
    ) -> EngineProcess:
        settings = {
            "profile": Profile.INSTANT,
            **self._settings,
            **(overrides or {}),
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "solana_rpc_url": self.chain_url,
            "rpc_ws_url": self.chain_url.replace("http", "ws", 1),
        }
        env = build_child_environment(os.environ, **settings)
        command = ProcessCommand(
            name, (sys.executable, "-m", *module, *argv), env, stop_timeout_s=15, pass_fds=fds
        )
        return EngineProcess(command, self.data_dir / "logs")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port

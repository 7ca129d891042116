"""The engine under test: its processes, each of which can be killed, paused and started.

These are the processes of ``order-engine up``, without its supervisor: a process that was killed
stays down until it is started again. One that exits by itself is restarted and counted as a crash.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from backend.chain.signing.paper_signer import SETTINGS as SIGNER_SETTINGS
from backend.chain.signing.paper_signer import SIGNER, prepare_signer
from backend.config import Profile, build_child_environment
from backend.embedded.data_dir import hold_data_dir
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.embedded.postgres import PostgresServer
from backend.embedded.supervisor import SupervisedProgram
from backend.embedded.valkey import ValkeyServer
from backend.simulator.options import NODE_TABLE_ADDRESS, POOL_SETS
from backend.store.migrations import migrate
from backend.trials.chaos.timing import CONFIRMED_SLOTS, FINALIZED_SLOTS, SETTINGS, SLOT_S
from backend.trials.chaos.units.process_unit import ProcessUnit

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
        self.signer_socket = Path()
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
        async with self._run_extra(self._build_program(name, ("api", "--port", str(port)))):
            yield f"http://{HOST}:{port}"

    @asynccontextmanager
    async def run_signer(self) -> AsyncIterator[Mapping[str, str]]:
        """Run a signer for the duration of the block; yields the settings of its workers."""
        files = prepare_signer(self.data_dir)
        self.signer_socket = files.socket
        async with self._run_extra(self._build_program(SIGNER, files.argv, SIGNER_SETTINGS)):
            yield {"signer_socket": str(files.socket)}

    @asynccontextmanager
    async def _run_extra(self, program: EngineProcess) -> AsyncIterator[None]:
        unit = self.units[program.name] = ProcessUnit(program)
        await unit.start()
        try:
            yield
        finally:
            await self.units.pop(program.name).kill()

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

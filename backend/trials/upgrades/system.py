"""Servers, a node, and engine processes of two versions at the same addresses."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from backend.config import Profile, build_child_environment
from backend.embedded.data_dir import hold_data_dir
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.embedded.postgres import PostgresServer
from backend.embedded.supervisor import SupervisedProgram
from backend.embedded.valkey import ValkeyServer
from backend.trials.chaos.timing import CONFIRMED_SLOTS, FINALIZED_SLOTS, SETTINGS, SLOT_S
from backend.trials.chaos.units.process_unit import ProcessUnit
from backend.trials.module_process import start_module
from backend.trials.upgrades.earlier_version import EarlierVersion

HOST: Final = "127.0.0.1"
_STOP_S: Final = 15.0


class UpgradeSystem:
    """So many API processes, and workers, each of this version or of an earlier one."""

    def __init__(self, data_dir: Path, earlier: EarlierVersion, processes: int) -> None:
        self.workers: Final = [f"worker-{number}" for number in range(1, processes + 1)]
        self.apis: Final = [f"api-{number}" for number in range(1, processes + 1)]
        self._data_dir = data_dir
        self._earlier = earlier
        self._units: dict[str, ProcessUnit] = {}
        self._ports = {name: _find_free_port() for name in self.apis}
        self._settings: Mapping[str, object] = {}
        self.database_url = ""
        self.chain_url = ""
        self.api_urls: Final[Sequence[str]] = [self.find_url(each) for each in self.apis]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run all of the earlier version, on its own schema, for the length of a block.

        Raises ``EngineError`` if anything does not start.
        """
        log_dir = self._data_dir / "logs"
        log_dir.mkdir(mode=0o700)
        async with AsyncExitStack() as stack:
            directory = stack.enter_context(hold_data_dir(self._data_dir / "stores"))
            postgres, valkey = PostgresServer(directory, 200), ValkeyServer(directory, 16)
            stack.push_async_callback(self._kill_all)
            await self._start(postgres)
            await self._start(valkey)
            chain = await start_module(stack, "chain", self._list_chain_arguments(), {}, log_dir)
            self.database_url, self.chain_url = postgres.url, chain.address
            self._settings = {
                **SETTINGS,
                "profile": Profile.INSTANT,
                "database_url": postgres.url,
                "redis_url": valkey.url,
                "solana_rpc_url": chain.address,
                "rpc_ws_url": chain.address.replace("http", "ws", 1),
            }
            self._earlier.run_command("migrate", env=self._build_environment())
            for name in (*self.workers, *self.apis):
                await self.start_earlier(name)
            yield

    async def start_earlier(self, name: str) -> None:
        """Start a process of the earlier version, in place of one that runs."""
        await self._replace(name, self._earlier.build_environment(self._build_environment()))

    async def upgrade(self, name: str) -> None:
        """Stop a process, and start one of this version in its place."""
        await self._replace(name, self._build_environment())

    def find_url(self, name: str) -> str:
        """The address of an API process; the name of a worker, which has none."""
        return f"http://{HOST}:{self._ports[name]}" if name in self._ports else name

    async def kill(self, name: str) -> None:
        """``kill -9``."""
        await self._units.pop(name).kill()

    async def _replace(self, name: str, env: Mapping[str, str]) -> None:
        if name in self._units:
            await self._units.pop(name).stop()
        port = self._ports.get(name)
        role = ("worker",) if port is None else ("api", "--port", str(port))
        argv = (sys.executable, "-m", "backend.cli", *role)
        command = ProcessCommand(name, argv, env, stop_timeout_s=_STOP_S)
        await self._start(EngineProcess(command, self._data_dir / "logs"))

    async def _start(self, program: SupervisedProgram) -> None:
        unit = self._units[program.name] = ProcessUnit(program)
        await unit.start()

    async def _kill_all(self) -> None:
        for unit in reversed(self._units.values()):
            await unit.kill()

    def _build_environment(self) -> dict[str, str]:
        return build_child_environment(os.environ, **self._settings)

    def _list_chain_arguments(self) -> tuple[str, ...]:
        return (
            *("backend.simulator", "--data-dir", str(self._data_dir / "chain")),
            *("--profile", Profile.INSTANT, "--slot-seconds", str(SLOT_S)),
            *("--confirmed-slots", str(CONFIRMED_SLOTS)),
            *("--finalized-slots", str(FINALIZED_SLOTS)),
        )


def _find_free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port

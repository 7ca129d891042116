"""An engine of real processes with two servers, each of which can be killed and started."""

from __future__ import annotations

import os
import sys
from asyncio import Event
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Final, NamedTuple

from backend.api.server.listener import choose_free_port
from backend.config import Profile, build_child_environment
from backend.embedded import child_process, run_servers
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.store.migrations import migrate
from backend.trials.module_process import start_module

SERVERS: Final = 2
WORKERS: Final = 2
_HOST: Final = "127.0.0.1"
_STOP_S: Final = 5.0


class Server:
    """One API process at an address that stays."""

    def __init__(self, name: str, settings: Mapping[str, object], log_dir: Path) -> None:
        port = choose_free_port(_HOST)
        self.url: Final = f"http://{_HOST}:{port}"
        argv = (sys.executable, "-m", "backend.cli", "api", "--port", str(port))
        env = build_child_environment(os.environ, **settings)
        self._program = EngineProcess(ProcessCommand(name, argv, env), log_dir)
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it, unless it runs. Raises ``EngineError`` if it does not start."""
        if self._process is None:
            self._process = await self._program.start()

    async def kill(self) -> None:
        """``kill -9``."""
        process, self._process = self._process, None
        if process is not None:
            await child_process.kill_group(process)

    async def stop(self) -> None:
        """Stop it gracefully."""
        process, self._process = self._process, None
        if process is not None:
            await child_process.stop_process(process, ((SIGTERM, _STOP_S),), Event())


class LimitsSystem(NamedTuple):
    """A running engine: its servers and its database."""

    servers: list[Server]
    database_url: str


@asynccontextmanager
async def run_system(data_dir: Path, settings: Mapping[str, object]) -> AsyncIterator[LimitsSystem]:
    """Run an engine with these settings. Raises ``EngineError`` if it does not start."""
    log_dir = data_dir / "logs"
    log_dir.mkdir(mode=0o700)
    async with run_servers(data_dir) as databases, AsyncExitStack() as stack:
        await migrate(databases.database_url)
        options = ("--profile", Profile.INSTANT, "--data-dir", str(data_dir / "chain"))
        chain = await start_module(stack, "chain", ("backend.simulator", *options), {}, log_dir)
        layout = {
            "database_url": databases.database_url,
            "redis_url": databases.redis_url,
            "solana_rpc_url": chain.address,
            "profile": Profile.INSTANT,
            "shutdown_s": 1,
            **settings,
        }
        for number in range(WORKERS):
            name = f"worker-{number + 1}"
            await start_module(stack, name, ("backend.cli", "worker"), layout, log_dir)
        servers = [Server(f"api-{number + 1}", layout, log_dir) for number in range(SERVERS)]
        for server in servers:
            stack.push_async_callback(server.stop)
            await server.start()
        yield LimitsSystem(servers, databases.database_url)

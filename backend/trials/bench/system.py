"""The engine that is measured: its processes, as ``order-engine up`` starts them.

Nothing is started again: a process that dies ends the run.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.config import Profile, environment
from backend.domain.errors import Transient
from backend.embedded import child_process as child
from backend.embedded.engine_processes import Command, OurProcess
from backend.store.migrations import migrate
from backend.trials.bench.servers import server_pids

HOST: Final = "127.0.0.1"
BACKLOG: Final = 2_048
UNLIMITED: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Layout:
    """What runs. ``data_dir`` is for logs and the ledgers of the nodes."""

    data_dir: Path
    profile: Profile = Profile.INSTANT
    workers: int = 1
    apis: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class System:
    """A running engine. ``processes`` are ours, by name; ``pids`` also those of the servers."""

    api_url: str
    chain_url: str
    database_url: str
    processes: Mapping[str, Sequence[Process]]
    pids: Mapping[str, Sequence[int]]

    def check(self) -> None:
        """Raises ``Transient`` if a process has ended."""
        for name, group in self.processes.items():
            for process in group:
                if process.returncode is not None:
                    reason = f"{name} {child.ending(process)} during the run"
                    raise Transient("process_ended", reason)


@asynccontextmanager
async def started(layout: Layout, database_url: str, redis_url: str) -> AsyncIterator[System]:
    """Everything is started over an empty ledger, and killed in the end."""
    await migrate(database_url)
    starting = _Starting(layout, {"database_url": database_url, "redis_url": redis_url})
    try:
        with socket.create_server((HOST, 0), backlog=BACKLOG) as api:
            api.set_inheritable(True)
            chain_url = await starting.all(api)
            api_url = "http://{}:{}".format(*api.getsockname()[:2])
            ours = {name: [each.pid for each in group] for name, group in starting.begun.items()}
            yield System(
                api_url,
                chain_url,
                database_url,
                starting.begun,
                {**ours, **await server_pids(database_url, redis_url)},
            )
    finally:
        for group in starting.begun.values():
            for process in group:
                await child.end(process)


class _Starting:
    def __init__(self, layout: Layout, urls: Mapping[str, str]) -> None:
        self._layout = layout
        self._urls = dict(urls)
        self.begun: dict[str, list[Process]] = {"api": [], "worker": [], "chain": []}

    async def all(self, api: socket.socket) -> str:
        """The node first, then what asks it; the node's address."""
        ledger = self._layout.data_dir / Path(self._urls["database_url"].partition("?")[0]).name
        chain = await self._one("chain", ("chain", "--port", "0", "--data-dir", str(ledger)))
        self._urls["solana_rpc_url"] = chain.address
        fd = api.fileno()
        async with asyncio.TaskGroup() as group:
            for number in range(1, self._layout.workers + 1):
                group.create_task(self._one("worker", ("worker",), number=number))
            for number in range(1, self._layout.apis + 1):
                argv = ("api", "--fd", str(fd))
                group.create_task(self._one("api", argv, number=number, fds=(fd,)))
        return chain.address

    async def _one(
        self, name: str, argv: tuple[str, ...], *, number: int = 1, fds: tuple[int, ...] = ()
    ) -> OurProcess:
        command = Command(
            f"{name}-{number}",
            (sys.executable, "-m", "backend.cli", *argv),
            self._environment(),
            pass_fds=fds,
        )
        program = OurProcess(command, self._layout.data_dir / "logs")
        self.begun[name].append(await program.start())
        return program

    def _environment(self) -> dict[str, str]:
        return environment(
            os.environ,
            profile=self._layout.profile,
            seed=self._layout.seed,
            rate_limit=0,
            open_orders_max=UNLIMITED,
            batch_orders_max=10_000,
            body_bytes_max=16 << 20,
            **self._urls,
        )

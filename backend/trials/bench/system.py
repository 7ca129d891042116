"""The engine under measurement: its processes, started like ``order-engine up`` starts them.

Nothing is restarted: a process that dies fails the run.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import aiohttp

from backend.chain.signing.paper_signer import SETTINGS as SIGNER_SETTINGS
from backend.chain.signing.paper_signer import SIGNER, prepare_signer
from backend.config import Profile, build_child_environment
from backend.domain.access.principals import OPEN_PRINCIPAL
from backend.domain.access.scopes import OWNER_SCOPES
from backend.domain.errors import Transient
from backend.embedded import child_process
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.simulator.options import NODE_TABLE_ADDRESS, POOL_SETS
from backend.store.access.key_store import KeyStore
from backend.store.audit_log.entries import Actor
from backend.store.database import open_pool
from backend.store.migrations import migrate
from backend.trials.bench.servers import find_server_pids

HOST: Final = "127.0.0.1"
BACKLOG: Final = 2_048
UNLIMITED_ORDERS: Final = 10_000_000
STOP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class EngineLayout:
    """Which processes run, and how. ``data_dir`` holds the logs and the nodes' ledgers;
    ``owner_keys`` are the owners with their API keys, none if it is empty.
    """

    data_dir: Path
    profile: Profile = Profile.INSTANT
    workers: int = 1
    apis: int = 1
    seed: int = 1
    owner_keys: Mapping[str, str] = field(default_factory=dict)
    pools: str = POOL_SETS[0]
    """Those of the simulated node: see ``SimulatorOptions``."""
    trace_dir: Path | None = None
    """Where API and workers write their traces, if at all."""
    has_signer: bool = False
    """Whether a process of its own signs for the workers."""
    has_keys: bool = False
    """Whether requests need a key that is stored, unless ``owner_keys`` are given."""


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """A running engine. ``processes``: its own, by name; ``pids``: also those of the servers.

    ``restart_workers`` stops the workers as SIGTERM does, starts others in their place, and returns
    the event loop's time between the two.
    """

    api_url: str
    chain_url: str
    database_url: str
    processes: Mapping[str, Sequence[Process]]
    pids: Mapping[str, Sequence[int]]
    api_keys: Sequence[str]
    worker_metrics_urls: Sequence[str]
    restart_workers: Callable[[], Awaitable[float]]

    def check_processes(self) -> None:
        """Raises ``Transient`` if a process has ended."""
        for name, group in self.processes.items():
            for process in group:
                if process.returncode is not None:
                    reason = f"{name} {child_process.describe_exit(process)} during the run"
                    raise Transient("process_ended", reason)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request with the first API key, if there is one."""
        return {"Authorization": f"Bearer {self.api_keys[0]}"} if self.api_keys else {}

    async def sum_worker_metric(self, session: aiohttp.ClientSession, name: str) -> float:
        """The sum of a metric over the workers; one that does not tell it counts as 0."""
        total = 0.0
        for url in self.worker_metrics_urls:
            async with session.get(url) as response:
                found = re.search(rf"^{name} (\S+)$", await response.text(), re.MULTILINE)
            total += float(found[1]) if found else 0.0
        return total


@asynccontextmanager
async def start_engine(
    layout: EngineLayout, database_url: str, redis_url: str
) -> AsyncIterator[RunningEngine]:
    """Start all processes over an empty ledger; kill them on exit."""
    await migrate(database_url)
    keys = tuple(layout.owner_keys.values())
    if layout.has_keys and not keys:
        keys = (await _store_key(database_url),)
    starter = _EngineStarter(layout, {"database_url": database_url, "redis_url": redis_url})
    try:
        with socket.create_server((HOST, 0), backlog=BACKLOG) as api:
            api.set_inheritable(True)
            chain_url = await starter.start_all(api)
            api_url = "http://{}:{}".format(*api.getsockname()[:2])
            yield RunningEngine(
                api_url,
                chain_url,
                database_url,
                starter.processes,
                {**starter.pids, **await find_server_pids(database_url, redis_url)},
                keys,
                starter.worker_metrics_urls,
                starter.restart_workers,
            )
    finally:
        for group in starter.processes.values():
            for process in group:
                await child_process.kill_group(process)


async def _store_key(database_url: str) -> str:
    """Make a key of the owner whose orders are verified; returns it."""
    async with open_pool(database_url, connections_max=1) as pool:
        created = await KeyStore(pool, Actor("bench")).create(OPEN_PRINCIPAL.owner, OWNER_SCOPES)
    return created.key


class _EngineStarter:
    def __init__(self, layout: EngineLayout, urls: Mapping[str, str]) -> None:
        self._layout = layout
        self._urls = dict(urls)
        self.processes: dict[str, list[Process]] = {"api": [], "worker": [], "chain": []}
        self.pids: dict[str, list[int]] = {name: [] for name in self.processes}
        self.worker_metrics_urls: list[str] = []

    async def start_all(self, api: socket.socket) -> str:
        """Start the node, then the workers and APIs that use it; return the node's address."""
        ledger = self._layout.data_dir / Path(self._urls["database_url"].partition("?")[0]).name
        chain = await self._start_process(
            "chain",
            ("chain", "--port", "0", "--data-dir", str(ledger), "--pools", self._layout.pools),
        )
        self._urls["solana_rpc_url"] = chain.address
        self._urls["rpc_ws_url"] = chain.address.replace("http", "ws", 1)
        if self._layout.has_signer:
            await self._start_signer(ledger)
        fd = api.fileno()
        async with asyncio.TaskGroup() as group:
            for number in range(1, self._layout.workers + 1):
                group.create_task(self._start_process("worker", ("worker",), number=number))
            for number in range(1, self._layout.apis + 1):
                argv = ("api", "--fd", str(fd))
                group.create_task(self._start_process("api", argv, number=number, fds=(fd,)))
        return chain.address

    async def _start_signer(self, folder: Path) -> None:
        files = prepare_signer(folder)
        await self._start_process(SIGNER, files.argv, settings=SIGNER_SETTINGS)
        self._urls["signer_socket"] = str(files.socket)

    async def restart_workers(self) -> float:
        """Replace the workers."""
        for process in self.processes["worker"]:
            await child_process.stop_process(process, ((signal.SIGTERM, STOP_S),), asyncio.Event())
        for each in (self.processes["worker"], self.pids["worker"], self.worker_metrics_urls):
            each.clear()
        stopped_at = asyncio.get_running_loop().time()
        for number in range(1, self._layout.workers + 1):
            await self._start_process("worker", ("worker",), number=number)
        return stopped_at

    async def _start_process(
        self,
        name: str,
        argv: tuple[str, ...],
        *,
        number: int = 1,
        fds: tuple[int, ...] = (),
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> EngineProcess:
        command = ProcessCommand(
            f"{name}-{number}",
            (sys.executable, "-m", "backend.cli", *argv),
            self._environment(settings),
            pass_fds=fds,
        )
        program = EngineProcess(command, self._layout.data_dir / "logs")
        process = await program.start()
        self.processes.setdefault(name, []).append(process)
        self.pids.setdefault(name, []).append(process.pid)
        if name == "worker":
            self.worker_metrics_urls.append(program.address)
        return program

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        trace_dir = self._layout.trace_dir
        return build_child_environment(
            os.environ,
            profile=self._layout.profile,
            seed=self._layout.seed,
            rate_limit=0,
            open_orders_max=UNLIMITED_ORDERS,
            batch_orders_max=10_000,
            body_bytes_max=16 << 20,
            open_access="never" if self._layout.has_keys else "loopback",
            api_keys=",".join(f"{owner}:{key}" for owner, key in self._layout.owner_keys.items()),
            **self._urls,
            **settings,
            **({} if trace_dir is None else {"trace_dir": trace_dir}),
            **({} if self._layout.pools == POOL_SETS[0] else {"lookup_tables": NODE_TABLE_ADDRESS}),
        )

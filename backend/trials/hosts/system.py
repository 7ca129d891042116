"""The four hosts of the trial, the outside world with the node and the clients, and the switch."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import orjson

from backend.config import Profile
from backend.domain.errors import Transient
from backend.embedded.child_process import build_parent_death_hook
from backend.embedded.data_dir import find_holder
from backend.embedded.postgres import build_url
from backend.trials.chaos.timing import CONFIRMED_SLOTS, FINALIZED_SLOTS, SETTINGS, SLOT_S
from backend.trials.hosts.faults import Link, LinkFault
from backend.trials.hosts.host import API_PORTS, POSTGRES_PORT, READY, REDIS_PORT
from backend.trials.hosts.switch import SwitchClient
from backend.trials.hosts.tunnel import enter_namespace, format_address, open_tunnel
from backend.trials.module_process import start_module

ROLES: Final[Mapping[int, str]] = {1: "stores", 2: "api", 3: "worker-1", 4: "worker-2"}
OUTSIDE: Final = 254
"""The number of the outside world: the node, and the clients."""
API_KEY: Final = "0123456789abcdef"
OWNER: Final = "trial"
START_S: Final = 120.0
_CHAIN_PORT: Final = 8_899
_STORES: Final = format_address(1)


class HostSystem:
    """The hosts by their numbers; the calling process is the outside world."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self._data_dir = data_dir
        self._seed = seed
        self._hosts: dict[int, Process] = {}
        self._control: socket.socket | None = None
        self.api_url: Final = f"http://{format_address(2)}"
        self.process_urls: Final = [f"{self.api_url}:{port}" for port in API_PORTS]
        """Each API process by itself."""
        self.chain_url: Final = f"http://{format_address(OUTSIDE)}:{_CHAIN_PORT}"
        self.database_url = ""
        """The socket of PostgreSQL, which no fault of the network reaches."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run all hosts for the length of a block.

        Raises ``Rejected`` where the kernel permits no networks, ``Transient`` if a host does not
        start.
        """
        enter_namespace()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        async with AsyncExitStack() as stack:
            stack.callback(ours.close)
            switch = await self._spawn("switch", str(theirs.fileno()), str(self._seed), fd=theirs)
            stack.push_async_callback(_end, switch)
            theirs.close()
            SwitchClient(ours).add_host(OUTSIDE, open_tunnel(format_address(OUTSIDE)))
            await self._start_chain(stack)
            stack.push_async_callback(self._end_hosts)
            await self.start_host(1)
            holder = find_holder(self._data_dir / ROLES[1])
            assert holder is not None, "the host holds its data directory"
            self.database_url = build_url(holder[1])
            async with asyncio.TaskGroup() as group:
                for number in ROLES:
                    if number != 1:
                        group.create_task(self.start_host(number))
            yield

    async def start_host(self, number: int) -> None:
        """Start a host, maybe one that has lost its power before; returns once it is ready."""
        assert self._control is not None
        role, address = ROLES[number], format_address(number)
        fd = self._control
        process = await self._spawn("host", role, address, str(fd.fileno()), fd=fd)
        self._hosts[number] = process
        assert process.stdin is not None
        assert process.stdout is not None
        message = {"data_dir": str(self._data_dir / role), "settings": self._list_settings()}
        process.stdin.write(orjson.dumps(message) + b"\n")
        try:
            async with asyncio.timeout(START_S):
                while line := await process.stdout.readline():
                    if line == READY:
                        return
        except TimeoutError:
            pass
        log = self._data_dir / "logs" / "host.log"
        raise Transient("host_did_not_start", f"{role} did not start; see {log}")

    async def lose_host(self, number: int) -> None:
        """Take a host's power: all its processes end at once."""
        process = self._hosts.pop(number)
        process.kill()
        await process.wait()

    def set_faults(self, faults: Mapping[Link, LinkFault]) -> None:
        """Replace the faults of all links."""
        assert self._control is not None
        SwitchClient(self._control).set_faults(faults)

    def _list_settings(self) -> Mapping[str, object]:
        return {
            **SETTINGS,
            "profile": Profile.INSTANT,
            "seed": self._seed,
            "database_url": f"postgresql://postgres@{_STORES}:{POSTGRES_PORT}/postgres",
            "redis_url": f"redis://{_STORES}:{REDIS_PORT}/0",
            "solana_rpc_url": self.chain_url,
            "rpc_ws_url": self.chain_url.replace("http", "ws", 1),
            "api_keys": f"{OWNER}:{API_KEY}",
            "allowed_hosts": format_address(2),
        }

    async def _start_chain(self, stack: AsyncExitStack) -> None:
        argv = (
            *("backend.simulator", "--data-dir", str(self._data_dir / "chain")),
            *("--host", format_address(OUTSIDE), "--port", str(_CHAIN_PORT)),
            *("--profile", Profile.INSTANT, "--slot-seconds", str(SLOT_S)),
            *("--confirmed-slots", str(CONFIRMED_SLOTS)),
            *("--finalized-slots", str(FINALIZED_SLOTS), "--seed", str(self._seed)),
        )
        await start_module(stack, "chain", argv, {}, self._data_dir / "logs")

    async def _spawn(self, module: str, *argv: str, fd: socket.socket) -> Process:
        with (self._data_dir / "logs" / f"{module}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"backend.trials.hosts.{module}", *argv),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=os.environ,
                pass_fds=(fd.fileno(),),
                preexec_fn=build_parent_death_hook(signal.SIGKILL),
            )

    async def _end_hosts(self) -> None:
        for process in self._hosts.values():
            await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()

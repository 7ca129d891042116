"""A Redis Cluster of Valkey: three primaries, and a replica of the one with the engine's keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from backend.api.server.listener import choose_free_port
from backend.embedded.data_dir import DataDirectory, hold_data_dir
from backend.embedded.valkey import ValkeyServer
from backend.runtime.redis.keys import STREAM
from backend.trials.chaos.units.process_unit import ProcessUnit

HOST: Final = "127.0.0.1"
PRIMARIES: Final = 3
_PART: Final = REDIS_CLUSTER_HASH_SLOTS // PRIMARIES + 1
_POLL_S: Final = 0.02


class ValkeyNode(ValkeyServer):
    """A server in cluster mode, at a port of its own."""

    def __init__(self, directory: DataDirectory, name: str, *, timeout_s: float) -> None:
        super().__init__(directory, 1)
        self.name = name
        self.port = choose_free_port(HOST)
        self._bus_port = choose_free_port(HOST)
        self._timeout_s = timeout_s

    def _arguments(self) -> Iterator[str | Path]:
        yield from super()._arguments()
        yield from ("--port", str(self.port), "--bind", HOST, "--cluster-enabled", "yes")
        yield from ("--cluster-port", str(self._bus_port))
        yield from ("--repl-diskless-sync-delay", "0")
        yield from ("--cluster-node-timeout", str(round(self._timeout_s * 1000)))

    @property
    def bus_address(self) -> tuple[str, int, int]:
        """Where the other nodes reach it, as ``CLUSTER MEET`` takes it."""
        return HOST, self.port, self._bus_port

    async def execute(self, *command: str | int) -> Any:
        """The answer to a command. Raises ``RedisError``."""
        async with Redis.from_url(self.url, protocol=2, decode_responses=True) as redis:
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]


class ValkeyCluster:
    """A cluster that runs; ``replica`` follows the primary."""

    def __init__(self, nodes: Sequence[ValkeyNode], units: Sequence[ProcessUnit]) -> None:
        *self._primaries, self.replica = self.nodes = nodes
        self.units = units
        self._number = key_slot(STREAM.encode()) // _PART

    @property
    def primary(self) -> ValkeyNode:
        """The node that has the engine's keys, as it was formed."""
        return self.nodes[self._number]

    @property
    def hosts(self) -> str:
        """Its nodes as a URL names them."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    async def form(self) -> None:
        """Make one cluster of the nodes, and wait until all of them say that it is."""
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            await node.execute("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if node is not first:
                await node.execute("CLUSTER", "MEET", *first.bus_address)
        for number, node in enumerate(self._primaries):
            last = min((number + 1) * _PART, REDIS_CLUSTER_HASH_SLOTS) - 1
            await node.execute("CLUSTER", "ADDSLOTSRANGE", number * _PART, last)
        primary = await self.primary.execute("CLUSTER", "MYID")
        await _wait_for(lambda: self._is_known(primary))
        await self.replica.execute("CLUSTER", "REPLICATE", primary)
        await _wait_for(self._is_formed)

    def pause_primary(self) -> None:
        """Stop the primary where it is, with its connections open."""
        self.units[self._number].pause()

    async def lose_primary(self) -> None:
        """Kill the primary, and return when the replica has taken its place."""
        await self.units[self._number].kill()
        await self.wait_replaced()

    async def wait_replaced(self) -> None:
        """Wait until the replica is a primary, and the cluster is whole."""
        await _wait_for(self._is_replaced)

    async def _is_known(self, primary: str) -> bool:
        return primary in await self.replica.execute("CLUSTER", "NODES")

    async def _is_formed(self) -> bool:
        for node in self.nodes:
            listed = await node.execute("CLUSTER", "NODES")
            if not await _is_whole(node) or "slave" not in listed:
                return False
        role, *_, state, _ = await self.replica.execute("ROLE")
        return (role, state) == ("slave", "connected")

    async def _is_replaced(self) -> bool:
        role = (await self.replica.execute("ROLE"))[0]
        return role == "master" and await _is_whole(self.replica)


async def _is_whole(node: ValkeyNode) -> bool:
    return "cluster_state:ok" in await node.execute("CLUSTER", "INFO")


async def _wait_for(condition: Callable[[], Awaitable[bool]]) -> None:
    while True:
        try:
            if await condition():
                return
        except RedisError:
            pass
        await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def run_valkey_cluster(folder: Path, *, timeout_s: float) -> AsyncIterator[ValkeyCluster]:
    """Run a cluster whose nodes take one for lost that has not answered for ``timeout_s``."""
    async with AsyncExitStack() as stack:
        nodes, units = [], []
        for number in range(PRIMARIES + 1):
            directory = stack.enter_context(hold_data_dir(folder / f"redis-{number}"))
            nodes.append(ValkeyNode(directory, f"redis-{number}", timeout_s=timeout_s))
            units.append(ProcessUnit(nodes[-1]))
            stack.push_async_callback(units[-1].kill)
            await units[-1].start()
        cluster = ValkeyCluster(nodes, units)
        await cluster.form()
        yield cluster

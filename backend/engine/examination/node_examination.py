"""What each configured node is and can do, and how the nodes compare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from time import monotonic
from typing import Final

from backend.chain.nodes.node_monitor import NodeMonitor, knows_blockhash
from backend.chain.nodes.pool_node import Exclusion, PoolNode
from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.results import Blockhash
from backend.chain.subscriptions.address import choose_websocket_url
from backend.chain.wire import Commitment
from backend.config import Settings
from backend.config.chain.node_urls import name_nodes
from backend.domain.errors import EngineError
from backend.engine.examination.abilities import Ability, find_refusals
from backend.engine.nodes.clients import build_rpc_client

SAMPLES: Final = 5
"""So many calls measure the latency of a node."""
CHECKS: Final = 3
"""So many looks at all nodes, ``CHECK_S`` apart, show which of them are on another fork."""
CHECK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class NodeExamination:
    """What a node is and can do; ``name`` holds no secret.

    One that cannot be used has an ``error`` and nothing else. ``latencies_s`` are those of equal
    calls. ``lag_slots`` is how far it is behind the newest node, ``exclusion`` why the engine would
    leave it out beside the others, ``strangers`` are the nodes that do not know its blockhash.
    ``refusals`` tell why it refuses what it does.
    """

    name: str
    error: EngineError | None = None
    version: str = ""
    genesis: str = ""
    slot: int = 0
    latencies_s: tuple[float, ...] = ()
    lag_slots: int = 0
    exclusion: Exclusion | None = None
    strangers: tuple[str, ...] = ()
    refusals: Mapping[Ability, str] = field(default_factory=dict)

    @property
    def latency_s(self) -> float:
        """The median of its latencies."""
        return median(self.latencies_s)

    @property
    def is_usable(self) -> bool:
        """Whether the engine would ask it."""
        return self.error is None and self.exclusion is None


async def examine_nodes(settings: Settings, urls: Sequence[str]) -> list[NodeExamination]:
    """Examine the nodes at some addresses, all at once; never raises ``EngineError``."""
    async with _open_nodes(settings, urls) as nodes:
        monitor = NodeMonitor(
            nodes, interval_s=settings.node_check_s, lag_slots_max=settings.node_lag_slots_max
        )
        await monitor.check()
        async with asyncio.TaskGroup() as tasks:
            examined = [
                tasks.create_task(_examine_node(node, _choose_socket(settings, number, url)))
                for number, (node, url) in enumerate(zip(nodes, urls, strict=True))
            ]
        for _ in range(CHECKS - 1 if len(nodes) > 1 else 0):
            await asyncio.sleep(CHECK_S)
            await monitor.check()
        own = [node.slot for node in nodes if node.exclusion is not Exclusion.FOREIGN]
        newest = max(own, default=0)
        strangers = await _find_strangers([node for node in nodes if node.reason is None])
        return [
            _compare(each.result(), node, newest, strangers.get(node.name, ()))
            for each, node in zip(examined, nodes, strict=True)
        ]


@asynccontextmanager
async def _open_nodes(settings: Settings, urls: Sequence[str]) -> AsyncIterator[list[PoolNode]]:
    async with AsyncExitStack() as stack:
        yield [
            PoolNode(name, await stack.enter_async_context(build_rpc_client(settings, url)))
            for name, url in zip(name_nodes(urls), urls, strict=True)
        ]


async def _examine_node(node: PoolNode, socket_url: str | None) -> NodeExamination:
    client = node.client
    try:
        genesis = await client.get_genesis_hash()
        tips = [await _time_tip(client) for _ in range(SAMPLES)]
    except EngineError as error:
        return NodeExamination(node.name, error)
    refusals = await find_refusals(client, socket_url)
    slots, latencies = zip(*tips, strict=True)
    return NodeExamination(
        node.name,
        version=await _read_version(client),
        genesis=genesis,
        slot=max(slots),
        latencies_s=latencies,
        refusals=refusals,
    )


async def _time_tip(client: RpcClient) -> tuple[int, float]:
    """The newest confirmed slot, and how long it took to tell it."""
    started = monotonic()
    tip = await client.get_epoch_info(Commitment.CONFIRMED)
    return tip.slot, monotonic() - started


async def _read_version(client: RpcClient) -> str:
    try:
        return await client.get_version()
    except EngineError:
        return "not told"


def _choose_socket(settings: Settings, number: int, url: str) -> str | None:
    """Where to subscribe; what a setting says is of the first node, as for the engine."""
    return choose_websocket_url(settings.rpc_ws_url if number == 0 else "", url)


async def _find_strangers(nodes: Sequence[PoolNode]) -> dict[str, tuple[str, ...]]:
    """By each node's name, the others that have come as far and do not know its blockhash.

    They or it are on another fork: of two nodes nobody can say which.
    """
    if len(nodes) < 2:
        return {}
    blockhashes = [await _read_blockhash(node) for node in nodes]
    await asyncio.sleep(CHECK_S)
    found = {}
    for node, blockhash in zip(nodes, blockhashes, strict=True):
        if blockhash is not None:
            known = {each: await knows_blockhash(each, blockhash) for each in nodes}
            found[node.name] = tuple(each.name for each in nodes if known[each] is False)
    return found


async def _read_blockhash(node: PoolNode) -> Blockhash | None:
    try:
        return await node.client.get_latest_blockhash()
    except EngineError:
        return None


def _compare(
    examined: NodeExamination, node: PoolNode, newest: int, strangers: tuple[str, ...]
) -> NodeExamination:
    """Add what the comparison of all nodes has shown of one that can be used."""
    if examined.error is not None:
        return examined
    return replace(
        examined,
        slot=max(examined.slot, node.slot),
        lag_slots=max(newest - node.slot, 0),
        exclusion=node.reason,
        strangers=strangers,
    )

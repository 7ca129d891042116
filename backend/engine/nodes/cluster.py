"""The cluster that the nodes are of, and the exchange programs as they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from solders.pubkey import Pubkey

from backend.chain.wire import UNKNOWN_CLUSTER, get_cluster_name
from backend.config import ConfigurationError, Settings
from backend.domain.errors import EngineError, Transient
from backend.runtime import observe, observe_node
from backend.runtime.background import run_in_background
from backend.runtime.startup import RETRY_S, wait_for_server
from backend.venues import Venues
from backend.venues.program_ids import DEVNET_PROGRAM_IDS, MAINNET_PROGRAM_IDS
from backend.venues.venue import Venue

DEVNET: Final = "devnet"
LOCALNET: Final = "localnet"
"""What a local validator is said to be, whose genesis hash is its own."""
_LOCAL_CLUSTERS: Final = frozenset({UNKNOWN_CLUSTER, "simulated"})
_PROBE_AGE_S: Final = 60.0
REFUSED: Final = "refused: "
"""How the finding begins of a cluster that no process starts on."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster by its name, with the exchange programs at their addresses there.

    Unless it ``is_known`` its node has not answered yet.
    """

    name: str
    venues: Venues
    is_known: bool = True


class ClusterNode(Protocol):
    """The part of a node's JSON-RPC client that tells which cluster it is of, and what is there."""

    async def get_genesis_hash(self) -> str:
        """Identify the chain."""
        ...

    async def are_executable(self, keys: Sequence[Pubkey]) -> list[bool | None]:
        """Whether accounts are programs; ``None`` where there is no account."""
        ...


def identify_cluster(settings: Settings, genesis_hash: str) -> str:
    """The name of the cluster with this genesis hash.

    Raises ``ConfigurationError`` if it is not the one that the settings mean, or is not known.
    """
    name, meant = get_cluster_name(genesis_hash), settings.cluster
    if meant == LOCALNET and name in _LOCAL_CLUSTERS:
        return LOCALNET if name == UNKNOWN_CLUSTER else name
    if meant and meant != name:
        raise ConfigurationError(
            f"ORDER_ENGINE_CLUSTER is {meant}, but SOLANA_RPC_URL is a node of"
            f" {_describe_cluster(name, genesis_hash)}"
        )
    if name == UNKNOWN_CLUSTER:
        raise ConfigurationError(
            f"SOLANA_RPC_URL is a node of {_describe_cluster(name, genesis_hash)}:"
            " set ORDER_ENGINE_CLUSTER=localnet if it is a local validator"
        )
    return name


def _describe_cluster(name: str, genesis_hash: str) -> str:
    if name == UNKNOWN_CLUSTER:
        return f"a cluster that is not known (its genesis hash is {genesis_hash})"
    return f"the cluster {name}"


def build_cluster(settings: Settings, name: str) -> Cluster:
    """The cluster with its programs: the addresses of the settings come before its own.

    Raises ``ConfigurationError`` if two programs have the same one.
    """
    own = DEVNET_PROGRAM_IDS if name == DEVNET else MAINNET_PROGRAM_IDS
    replaced = settings.parse_program_ids()
    ids = {**own, **{key: Pubkey.from_string(text) for key, text in replaced.items()}}
    if len(set(ids.values())) < len(ids):
        raise ConfigurationError("ORDER_ENGINE_PROGRAM_IDS gives two programs the same address")
    return Cluster(name, Venues(ids))


async def find_cluster(settings: Settings, node: ClusterNode) -> Cluster:
    """Find the cluster of a node, with its programs.

    Raises ``ConfigurationError`` as ``identify_cluster`` and ``build_cluster``, and ``EngineError``
    if the node does not answer.
    """
    return build_cluster(settings, identify_cluster(settings, await node.get_genesis_hash()))


async def open_cluster(
    stack: AsyncExitStack,
    settings: Settings,
    node: ClusterNode,
    stop: asyncio.Event | None,
    *,
    awaits_node: bool,
) -> Cluster:
    """Find the cluster of the node as soon as it answers.

    A process that does not await the node takes its cluster for the one of the settings, or for one
    with the programs of mainnet; once the node answers and that was wrong, the block of ``stack``
    ends with ``ConfigurationError``. Raises it as ``identify_cluster``.
    """

    identify = partial(find_cluster, settings, node)
    if awaits_node:
        return await wait_for_server("the node", identify, away=(Transient,), stop=stop)
    try:
        return await identify()
    except Transient:
        assumed = build_cluster(settings, settings.cluster or UNKNOWN_CLUSTER)
        assumed = replace(assumed, is_known=False)
        await stack.enter_async_context(run_in_background(partial(_verify, assumed, identify)))
        return assumed


async def _verify(assumed: Cluster, identify: Callable[[], Awaitable[Cluster]]) -> None:
    """Compare with the cluster that the node is of, once it says so."""
    while True:
        with suppress(EngineError):
            found = await identify()
            break
        await asyncio.sleep(RETRY_S)
    if found.venues.by_program.keys() != assumed.venues.by_program.keys():
        raise ConfigurationError(
            f"SOLANA_RPC_URL is a node of {found.name}, and did not answer when this process"
            f" started: start it again, or set ORDER_ENGINE_CLUSTER={found.name}"
        )


async def find_missing_programs(cluster: Cluster, node: ClusterNode) -> dict[Pubkey, str]:
    """A sentence for each exchange program that is not there. Raises ``EngineError``."""
    venues = cluster.venues.all
    executable = await node.are_executable([venue.program for venue in venues])
    return {
        venue.program: f"the program {name_venue(venue)} is not on the cluster {cluster.name}:"
        f" {'there is no account' if is_executable is None else 'no program is'} at {venue.program}"
        for venue, is_executable in zip(venues, executable, strict=True)
        if not is_executable
    }


def name_venue(venue: Venue) -> str:
    """What orders and settings call a program: ``raydium/cpmm``."""
    return f"{venue.dex}/{venue.name}"


async def describe_cluster(
    settings: Settings, genesis_hash: str, node: ClusterNode
) -> list[tuple[str, str]]:
    """Rows of name and finding, for ``doctor``: the cluster, or why it is refused; its programs."""
    try:
        cluster = build_cluster(settings, identify_cluster(settings, genesis_hash))
        missing = await find_missing_programs(cluster, node)
    except ConfigurationError as error:
        return [("cluster", f"{REFUSED}{error}")]
    except EngineError as error:
        return [("programs", f"unknown: {error.reason}")]
    return [
        ("cluster", cluster.name),
        *[
            (f"program {name_venue(venue)}", missing.get(venue.program) or f"{venue.program}")
            for venue in cluster.venues.all
        ],
    ]


async def warn_of_missing_programs(cluster: Cluster, node: ClusterNode) -> None:
    """Name the exchange programs that are not there in the log."""
    try:
        for sentence in (await find_missing_programs(cluster, node)).values():
            observe_node.program_missing(sentence)
    except EngineError as error:
        observe.chain_query_failed("look for programs", error)


class ProgramProbe:
    """Asks a node which exchange programs are there, at most once in a while."""

    def __init__(self, cluster: Cluster, node: ClusterNode) -> None:
        self._find = partial(find_missing_programs, cluster, node)
        self._probed: tuple[float, str] | None = None

    async def check(self) -> str:
        """Which programs are not there; empty if all are, or the node does not say."""
        now = asyncio.get_running_loop().time()
        if self._probed is None or now - self._probed[0] > _PROBE_AGE_S:
            self._probed = now, ""  # also while it does not answer
            with suppress(EngineError):
                self._probed = now, "; ".join((await self._find()).values())
        return self._probed[1]

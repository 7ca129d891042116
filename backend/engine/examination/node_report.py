"""What a node is and can do, for ``order-engine doctor``: one sentence for each finding."""

from __future__ import annotations

from typing import Final

from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.history import has_history
from backend.chain.wire import Commitment, get_cluster_name
from backend.config import Settings
from backend.config.chain.node_urls import name_nodes, parse_node_urls
from backend.domain.errors import EngineError
from backend.engine.nodes.clients import build_rpc_client
from backend.engine.nodes.cluster import build_cluster, describe_cluster
from backend.routing.pool_finder import ListingProbe

UNREACHABLE: Final = "node cannot be reached"
"""The name of the only row of such a node."""
_NO_LISTING: Final = (
    "no: the default pools are quoted, those of ORDER_ENGINE_POOLS_FILE, and those found before"
)
_NO_HISTORY: Final = "no: orders are confirmed without their amount until a node tells it"


async def diagnose_nodes(settings: Settings, text: str) -> list[tuple[str, str]]:
    """Return rows of name and finding of each node of ``SOLANA_RPC_URL``; see ``diagnose_node``."""
    urls = parse_node_urls(text)
    if len(urls) == 1:
        return await diagnose_node(settings, urls[0])
    rows = []
    for name, url in zip(name_nodes(urls), urls, strict=True):
        rows += [(f"{name}: {row}", found) for row, found in await diagnose_node(settings, url)]
    return rows


async def diagnose_node(settings: Settings, url: str) -> list[tuple[str, str]]:
    """Return rows of name and finding of the node at ``url``; never raises ``EngineError``."""
    async with build_rpc_client(settings, url) as rpc:
        try:
            genesis_hash = await rpc.get_genesis_hash()
            chain = await _describe_chain(rpc, genesis_hash)
            venues = build_cluster(settings, get_cluster_name(genesis_hash)).venues
        except EngineError as error:
            return [(UNREACHABLE, error.reason)]
        reason = await ListingProbe(venues.default[0], rpc).check()
        return [
            ("node", chain),
            ("node keeps history", await _describe_history(rpc)),
            ("node lists pools", f"{_NO_LISTING} ({reason})" if reason else "yes"),
            *await describe_cluster(settings, genesis_hash, rpc),
        ]


async def _describe_chain(rpc: RpcClient, genesis_hash: str) -> str:
    name = get_cluster_name(genesis_hash)
    tip = await rpc.get_epoch_info(Commitment.CONFIRMED)
    return f"of the cluster {name}, at slot {tip.slot:,}"


async def _describe_history(rpc: RpcClient) -> str:
    try:
        return "yes" if await has_history(rpc) else _NO_HISTORY
    except EngineError as error:
        return f"unknown: {error.reason}"

"""The node of a process: one, or several as one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from backend.chain.nodes.node_pool import NodePool
from backend.chain.nodes.pool_node import PoolNode
from backend.chain.nodes.solana_node import SolanaNode
from backend.chain.rpc.call_limiter import CallLimits
from backend.chain.rpc.client import WAIT_MAX_S, RpcClient
from backend.config import Settings
from backend.config.chain.node_urls import name_nodes, parse_node_urls
from backend.engine.nodes.header_file import read_header
from backend.runtime import observe, trace


@asynccontextmanager
async def open_node(settings: Settings, urls: Sequence[str]) -> AsyncIterator[SolanaNode]:
    """Open the client of the node at the only one of ``urls``, or of several as one."""
    senders = parse_node_urls(settings.solana_send_urls)
    if len(urls) == 1 and not senders:
        async with build_rpc_client(settings, urls[0]) as client:
            yield client
        return
    authorization = read_header(settings.send_auth_file, "ORDER_ENGINE_SEND_AUTH_FILE")
    pool = NodePool(
        _build_nodes(settings, urls),
        _build_nodes(settings, senders, authorization),
        check_s=settings.node_check_s,
        lag_slots_max=settings.node_lag_slots_max,
    )
    async with pool.run():
        yield pool


def build_rpc_client(
    settings: Settings, url: str, *, wait_max_s: float = WAIT_MAX_S, authorization: str = ""
) -> RpcClient:
    """Build the client of the node at ``url``, within the limits of the settings."""
    return RpcClient(
        url,
        timeout_s=settings.rpc_timeout_s,
        limits=CallLimits(settings.rpc_rate_limit, settings.rpc_method_rate_limit),
        # Half, so that a read that had to wait still ends before its quote does.
        wait_max_s=min(wait_max_s, settings.quote_timeout_s / 2),
        on_call=_trace_call if trace.is_on() else observe.rpc_called,
        authorization=authorization,
    )


def _build_nodes(
    settings: Settings, urls: Sequence[str], authorization: str = ""
) -> list[PoolNode]:
    """The nodes of a pool. A call that one of them limits is made at another one at once."""
    wait_max_s = 0 if len(urls) > 1 else WAIT_MAX_S
    return [
        PoolNode(
            name,
            build_rpc_client(settings, url, wait_max_s=wait_max_s, authorization=authorization),
        )
        for name, url in zip(name_nodes(urls), urls, strict=True)
    ]


def _trace_call(method: str, outcome: str, seconds: float) -> None:
    trace.mark_span(f"node: {method}", monotonic() - seconds)
    observe.rpc_called(method, outcome, seconds)

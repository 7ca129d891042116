"""A simulated node behind a limiting proxy, with a client beside the proxy and one behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.results import LandedTransaction
from backend.domain.orders import SignedTransaction
from tests.integration.limiting_proxy import ArrayPolicy, LimitingProxy, run_limiting_proxy
from tests.integration.simulator_client import STATIC_PRICES, SimulatorClient
from tests.scenario import run_node

COUNT = 9


@asynccontextmanager
async def open_behind_proxy(
    data_dir: Path, policy: ArrayPolicy, *, timeout_s: float = 5
) -> AsyncIterator[tuple[SimulatorClient, RpcClient, LimitingProxy]]:
    """A node, with a client beside the proxy and one behind it."""
    async with (
        run_node(data_dir, replace(STATIC_PRICES, slot_s=0.01)) as url,
        RpcClient(url) as direct,
        aiohttp.ClientSession(url) as http,
        run_limiting_proxy(url, arrays=policy) as proxy,
        RpcClient(proxy.url, timeout_s=timeout_s) as rpc,
    ):
        yield SimulatorClient(direct, http), rpc, proxy


async def land_all(
    node: SimulatorClient, rpc: RpcClient, count: int = COUNT
) -> list[SignedTransaction]:
    """Send transactions at once and fetch them at once: each is accepted, landed and fetched."""
    transactions = [await node.build_swap(10**6 + n) for n in range(count)]
    sent = await rpc.send_transactions([each.wire for each in transactions])
    assert sent == [each.signature for each in transactions]
    for each in transactions:
        await node.wait_until_landed(each.signature)
    landed = await rpc.get_transactions([each.signature for each in transactions])
    assert all(isinstance(each, LandedTransaction) for each in landed), landed
    assert [each.wire for each in landed if isinstance(each, LandedTransaction)] == [
        each.wire for each in transactions
    ]
    return transactions

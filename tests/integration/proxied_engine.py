"""A complete engine whose node is behind a real proxy that the test controls."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client import REGISTRY
from solders.keypair import Keypair

from backend.chain.wire import SIMULATED_GENESIS_HASH
from tests.integration.node_proxy import AnswerRule, Json, NodeProxy, run_node_proxy
from tests.scenario import EngineHarness, open_engine

MAINNET_GENESIS_HASH = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
FUNDS_LAMPORTS = 10**13


@dataclass(frozen=True, slots=True)
class ProxiedEngine:
    """An engine, and the proxy through which it reaches its node."""

    engine: EngineHarness
    proxy: NodeProxy


@asynccontextmanager
async def open_proxied_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    *,
    rule: AnswerRule | None = None,
    **settings: object,
) -> AsyncIterator[ProxiedEngine]:
    """An engine with one worker. ``rule`` is the proxy's from the start."""
    proxies: list[NodeProxy] = []

    @asynccontextmanager
    async def run_proxy(upstream: str) -> AsyncIterator[str]:
        async with run_node_proxy(upstream) as proxy:
            if rule is not None:
                proxy.rule = rule
            proxies.append(proxy)
            yield proxy.url

    async with open_engine(
        database_url, redis_url, data_dir, settings=settings, proxied=run_proxy
    ) as engine:
        yield ProxiedEngine(engine, proxies[0])


@asynccontextmanager
async def open_live_engine(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    rule: AnswerRule = lambda call, answer: None,
    **settings: object,
) -> AsyncIterator[ProxiedEngine]:
    """An engine that takes its node for one of mainnet: it simulates what it signs."""
    wallet = Keypair()
    wallet_file = data_dir / "wallet.json"
    wallet_file.write_text(json.dumps(list(bytes(wallet))))
    wallet_file.chmod(0o600)
    upstreams: list[str] = []

    def apply_rule(call: Json, answer: Json) -> Json | None:
        if answer.get("result") == SIMULATED_GENESIS_HASH:
            return {"result": MAINNET_GENESIS_HASH}
        return rule(call, answer)

    @asynccontextmanager
    async def run_proxy(upstream: str) -> AsyncIterator[str]:
        async with run_node_proxy(upstream) as proxy:
            proxy.rule = apply_rule
            upstreams.append(upstream)
            proxies.append(proxy)
            await _fund(upstream, str(wallet.pubkey()))
            yield proxy.url

    proxies: list[NodeProxy] = []
    live = {"live": True, "open_access": "live", "wallet_file": wallet_file, **settings}
    async with open_engine(
        database_url, redis_url, data_dir, settings=live, proxied=run_proxy
    ) as engine:
        yield ProxiedEngine(engine, proxies[0])


async def _fund(node_url: str, owner: str) -> None:
    async with aiohttp.ClientSession() as session:

        async def call(method: str, *params: object) -> Json:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            async with session.post(node_url, json=body) as response:
                answer: Json = await response.json()
                return answer

        await call("requestAirdrop", owner, FUNDS_LAMPORTS)
        balance = 0
        while not balance:
            options = {"commitment": "confirmed"}
            balance = (await call("getBalance", owner, options))["result"]["value"]


def read_metric(name: str) -> float:
    """The sum of a counter of this process over all its labels."""
    return math.fsum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == f"{name}_total"
    )


def refuse_methods(*methods: str, code: int, message: str = "no") -> AnswerRule:
    """A rule that answers some methods with an error."""

    def rule(call: Json, answer: Json) -> Json | None:
        is_refused = call["method"] in methods
        return {"error": {"code": code, "message": message}} if is_refused else None

    return rule

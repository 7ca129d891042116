"""An engine of real processes over one or three nodes that serve one simulated chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from backend.chain.wallet import create_paper_wallet
from backend.config import Profile
from backend.embedded import run_servers
from backend.store.migrations import migrate
from backend.trials.audit.collector import TrialAddresses
from backend.trials.module_process import start_module

NODES: Final = 3
_CHAIN: Final = ("--slot-seconds", "0.1", "--confirmed-slots", "2", "--finalized-slots", "3")
"""A transaction expires 15 s after it was signed."""
_SETTINGS: Final = {
    "resend_s": 0.5,
    "rpc_timeout_s": 2,
    "quote_timeout_s": 1,
    "node_check_s": 0.5,
    "shutdown_s": 1,
}


class NodesSystem(NamedTuple):
    """A running engine: the addresses of its nodes, and where the evidence is."""

    node_urls: Sequence[str]
    addresses: TrialAddresses


@asynccontextmanager
async def run_system(data_dir: Path, *, nodes: int, seed: int) -> AsyncIterator[NodesSystem]:
    """Run an engine that reads and sends by so many nodes. Raises ``EngineError``."""
    log_dir = data_dir / "logs"
    log_dir.mkdir(mode=0o700)
    async with run_servers(data_dir) as servers, AsyncExitStack() as stack:
        await migrate(servers.database_url)
        options = ("--profile", Profile.INSTANT, "--seed", str(seed), "--nodes", str(nodes))
        argv = ("backend.simulator", "--data-dir", str(data_dir / "chain"), *options, *_CHAIN)
        chain = await start_module(stack, "chain", argv, {}, log_dir)
        urls = await _list_nodes(chain.address)
        settings: dict[str, object] = {
            "database_url": servers.database_url,
            "redis_url": servers.redis_url,
            "solana_rpc_url": ",".join(urls),
            "rpc_ws_url": urls[0].replace("http", "ws", 1),
            "profile": Profile.INSTANT,
            "seed": seed,
            **_SETTINGS,
        }
        await start_module(stack, "worker", ("backend.cli", "worker"), settings, log_dir)
        api_argv = ("backend.cli", "api", "--port", "0")
        api = await start_module(stack, "api", api_argv, settings, log_dir)
        wallet = create_paper_wallet().address
        addresses = TrialAddresses(servers.database_url, urls[0], api.address, wallet)
        yield NodesSystem(urls, addresses)


async def _list_nodes(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/control/state") as response:
        return list((await response.json())["nodes"])

"""What a run needs beside its watcher: servers, a simulated node and an API, all of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from backend.config import Profile, Settings
from backend.embedded import run_servers
from backend.store.migrations import migrate
from backend.trials.module_process import start_module

WATCHER_SETTINGS: Final = {"trigger_interval_s": 0.05, "quote_age_s": 0.0}
"""The watcher looks that often while the halted node tells no slot, and reads every pool then.

What a node notifies comes one account after the other: between two slots it is prices that no slot
has, which a replay of the slots does not know.
"""


@asynccontextmanager
async def run_system(data_dir: Path, seed: int) -> AsyncIterator[tuple[Settings, str]]:
    """Start everything; yields the settings for a watcher, and the address of the API.

    Raises ``EngineError`` if something does not start.
    """
    log_dir = data_dir / "logs"
    log_dir.mkdir(mode=0o700, exist_ok=True)
    async with run_servers(data_dir) as servers, AsyncExitStack() as stack:
        await migrate(servers.database_url)
        options = ("--profile", Profile.INSTANT, "--seed", str(seed))
        argv = ("backend.simulator", "--data-dir", str(data_dir / "chain"), *options)
        chain = await start_module(stack, "chain", argv, {}, log_dir)
        settings: dict[str, object] = {
            "database_url": servers.database_url,
            "redis_url": servers.redis_url,
            "solana_rpc_url": chain.address,
            "rpc_ws_url": chain.address.replace("http", "ws", 1),
            "profile": Profile.INSTANT,
            "seed": seed,
        }
        api = await start_module(
            stack, "api", ("backend.cli", "api", "--port", "0"), settings, log_dir
        )
        yield Settings.load(**settings, **WATCHER_SETTINGS), api.address

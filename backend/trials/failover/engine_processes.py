"""The processes of an engine over stores that a trial has started: a node, workers, an API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from backend.chain.wallet import create_paper_wallet
from backend.config import Profile
from backend.trials.audit.collector import TrialAddresses
from backend.trials.chaos.timing import CONFIRMED_SLOTS, FINALIZED_SLOTS, SETTINGS, SLOT_S
from backend.trials.module_process import start_module

WORKERS: Final = 2


async def start_engine(
    stack: AsyncExitStack,
    data_dir: Path,
    stores: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
) -> TrialAddresses:
    """Start all processes, which end with the stack; ``stores`` are the URLs of the stores."""
    log_dir = data_dir / "logs"
    given = {**SETTINGS, "profile": Profile.INSTANT, **stores, **(settings or {})}
    chain_argv = (
        *("backend.simulator", "--data-dir", str(data_dir / "chain"), "--profile", "instant"),
        *("--slot-seconds", str(SLOT_S), "--confirmed-slots", str(CONFIRMED_SLOTS)),
        *("--finalized-slots", str(FINALIZED_SLOTS)),
    )
    chain = await start_module(stack, "chain", chain_argv, {}, log_dir)
    given["solana_rpc_url"] = chain.address
    given["rpc_ws_url"] = chain.address.replace("http", "ws", 1)
    for number in range(WORKERS):
        await start_module(stack, f"worker-{number}", ("backend.cli", "worker"), given, log_dir)
    api_argv = ("backend.cli", "api", "--port", "0")
    api = await start_module(stack, "api", api_argv, given, log_dir)
    wallet = create_paper_wallet().address
    return TrialAddresses(stores["database_url"], chain.address, api.address, wallet)

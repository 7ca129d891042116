"""``order-engine chain``: a process that simulates a Solana node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvloop

from backend.api.server.listener import format_url, open_listeners
from backend.cli.process import (
    PROFILE_CHOICE,
    load_settings,
    report_ready,
    report_system_errors,
    run_process,
)
from backend.embedded.data_dir import default_data_dir
from backend.simulator.chain.ledger import LedgerInUse
from backend.simulator.options import (
    DEPTHS_USD,
    DRESS_NAMES,
    NODE_PORT_STEP,
    NODES_MAX,
    POOL_SETS,
    SimulatorOptions,
)
from backend.simulator.server import serve


@click.command()
@click.option("--port", "chain_port", type=int, help="Port to listen on; 0 picks a free one.")
@click.option("--host", help="Address to listen on.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data folder of the ledger.")
@click.option("--profile", type=PROFILE_CHOICE, help="Timing of a real node, or no delays.")
@click.option("--seed", type=int, help="Seed of prices and faults.")
@click.option(
    "--pools",
    type=click.Choice(POOL_SETS),
    default=POOL_SETS[0],
    help="Two pools of each pair, or many in five programs.",
)
@click.option(
    "--depth-usd",
    type=click.IntRange(*DEPTHS_USD),
    default=SimulatorOptions().depth_usd,
    help="Value of each side of a deep pool, in dollars.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1, NODES_MAX),
    default=1,
    help=f"Nodes that serve the chain, {NODE_PORT_STEP} ports apart; each has faults of its own.",
)
@click.option(
    "--dress",
    type=click.Choice(DRESS_NAMES),
    default=DRESS_NAMES[0],
    help="The cluster that it looks like: its genesis hash, its addresses of programs.",
)
def chain(
    *,
    chain_port: int | None,
    host: str | None,
    data_dir: Path | None,
    profile: str | None,
    seed: int | None,
    pools: str,
    depth_usd: int,
    nodes: int,
    dress: str,
) -> None:
    """Simulate a Solana node."""
    settings = load_settings(
        chain_port=chain_port, host=host, data_dir=data_dir, profile=profile, seed=seed
    )
    options = SimulatorOptions(
        profile=settings.profile,
        seed=settings.seed,
        sol_price=settings.sol_price,
        pools=pools,
        depth_usd=depth_usd,
        nodes=nodes,
        dress=dress,
    )
    folder = (settings.data_dir or default_data_dir()) / "chain"

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        listeners = open_listeners(settings.host, settings.chain_port)
        url = format_url(listeners[0])
        await serve(
            options,
            listeners=listeners,
            port=settings.chain_port,
            data_dir=folder,
            ready=lambda _: report_ready(f"ready {url}"),
            stop=stop,
        )

    with report_system_errors("chain"), _report_ledger_in_use():
        run_process("chain", run, uvloop.new_event_loop)


@contextmanager
def _report_ledger_in_use() -> Iterator[None]:
    try:
        yield
    except LedgerInUse as error:
        raise click.ClickException(f"{error}: name another folder with --data-dir") from None

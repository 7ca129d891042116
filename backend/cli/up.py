"""``order-engine up``: all processes of the engine on one machine."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import click

from backend import embedded
from backend.cli.database_errors import report_database_errors
from backend.cli.process import PROFILE_CHOICE, load_settings, run_process
from backend.config import Settings, get_variable_name
from backend.embedded.launcher import ForegroundTask, launch_engine
from backend.embedded.start_terminal import StartTerminal
from backend.runtime.startup import StartInterrupted
from backend.simulator.options import DRESS_NAMES, POOL_SETS


@click.command()
@click.option("--port", type=int, help="Port of the API; 0 picks a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data folder of all processes.")
@click.option("--profile", type=PROFILE_CHOICE, help="Timing of a real node, or no delays.")
@click.option("--workers", type=int, help="Number of worker processes.")
@click.option("--seed", type=int, help="Seed of the simulated node.")
@click.option(
    "--pools",
    type=click.Choice(POOL_SETS),
    default=POOL_SETS[0],
    help="Two pools of each pair, or many in five programs.",
)
@click.option(
    "--dress",
    type=click.Choice(DRESS_NAMES),
    default=DRESS_NAMES[0],
    help="The cluster that the simulated node looks like.",
)
@click.option(
    "--signer",
    "has_signer",
    is_flag=True,
    help="Let a process of its own have the paper wallet's key.",
)
@click.option("--headless", is_flag=True, help="Run without the dashboard.")
@click.option("--smoke", is_flag=True, help="Execute 20 orders, show their results, and stop.")
def up(
    *,
    port: int | None,
    data_dir: Path | None,
    profile: str | None,
    workers: int | None,
    seed: int | None,
    pools: str,
    dress: str,
    has_signer: bool,
    headless: bool,
    smoke: bool,
) -> None:
    """Start all processes, with embedded servers where no URL is configured."""
    settings = load_settings(
        port=port, data_dir=data_dir, profile=profile, workers=workers, seed=seed
    )
    if has_signer:
        _require_paper_wallet(settings)
    terminal = StartTerminal()
    foreground: ForegroundTask | None = _run_smoke_test if smoke else None
    if foreground is None and not headless and sys.stdin.isatty() and sys.stdout.isatty():
        foreground = terminal.show_dashboard
    terminal.say_begins((settings.data_dir or embedded.default_data_dir()).absolute())

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        with suppress(StartInterrupted):
            await launch_engine(
                settings,
                pools=pools,
                dress=dress,
                has_signer=has_signer,
                stop=stop,
                force_stop=force_stop,
                foreground=foreground,
                on_notice=terminal.show_notice,
            )

    with report_database_errors():
        run_process("up", run)


def _require_paper_wallet(settings: Settings) -> None:
    """Refuse a signer beside one, a wallet or a node of the user's."""
    names = ("signer_socket", "wallet_file", "wallet_files", "solana_rpc_url")
    for name in names:
        if getattr(settings, name):
            raise click.UsageError(
                f"--signer starts a signer of the simulated node's paper wallet, and"
                f" {get_variable_name(name)} is set: for a wallet of yours start `order-engine"
                " signer` and set ORDER_ENGINE_SIGNER_SOCKET"
            )


async def _run_smoke_test(url: str, key: str | None) -> bool:
    """Run the smoke test, whose libraries the other ways to run ``up`` do not need."""
    from backend.trials.smoke import run_smoke_test  # noqa: PLC0415

    return await run_smoke_test(url, key)

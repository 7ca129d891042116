"""``order-engine doctor``: what servers and node are and can do, and what is wrong with them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from backend import embedded
from backend.cli.process import load_settings, report_system_errors, report_user_errors
from backend.engine.node_report import UNREACHABLE, diagnose_nodes


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder to inspect.")
def doctor(data_dir: Path | None) -> None:
    """Show what the embedded servers use, why they do not start, and what the node can do.

    Of the node that SOLANA_RPC_URL names: its cluster, whether it keeps the history of
    transactions, and whether it lists pools. Exits with 1 if it, or each of several, cannot be
    reached.
    """
    settings = load_settings(data_dir=data_dir)
    with report_system_errors("doctor"), report_user_errors():
        rows = embedded.diagnose(settings.data_dir or embedded.default_data_dir())
        nodes: list[tuple[str, str]] = []
        if settings.solana_rpc_url:
            nodes = asyncio.run(diagnose_nodes(settings, settings.solana_rpc_url))
        for name, value in [*rows, *nodes]:
            click.echo(f"{name:<28}{value}")
        if nodes and all(name.endswith(UNREACHABLE) for name, _ in nodes):
            sys.exit(1)

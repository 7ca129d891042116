"""``order-engine doctor``: what servers and node are and can do, and what is wrong with them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from backend import embedded
from backend.cli.operations.doctor_live import DEFAULT_AMOUNT, DEFAULT_PAIR, show_live_report
from backend.cli.operations.operator import find_database_url
from backend.cli.process import (
    load_report_settings,
    load_settings,
    report_system_errors,
    report_user_errors,
)
from backend.config import Settings
from backend.domain.errors import EngineError
from backend.domain.trading.states import TradingRule
from backend.engine.examination.node_report import UNREACHABLE, diagnose_nodes
from backend.engine.nodes.cluster import REFUSED
from backend.engine.wallets.signer_report import SIGNER_AWAY, describe_signer
from backend.store.connection import Pooling
from backend.store.database import open_pool
from backend.store.errors import DATABASE_ERRORS
from backend.store.trading.rules import read_rules


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder to inspect.")
@click.option(
    "--live",
    is_flag=True,
    help="Examine the nodes, the wallets, and a swap that is simulated and not sent.",
)
@click.option(
    "--pair", default=DEFAULT_PAIR, show_default=True, help="With --live: tokens sold and bought."
)
@click.option(
    "--amount", default=DEFAULT_AMOUNT, show_default=True, help="With --live: how much is sold."
)
def doctor(data_dir: Path | None, live: bool, pair: str, amount: str) -> None:
    """Show what the embedded servers use, why they do not start, and what the node can do.

    Of the node that SOLANA_RPC_URL names: its cluster, whether it keeps the history of
    transactions, and whether it lists pools. Of the database, if there is one: what is halted. Of
    the signer, if there is one: what it has signed today. Exits with 1 if the node, or each of
    several, or the signer cannot be reached, or the cluster is refused. With --live: each node,
    each wallet, the pools of a pair, and a swap of it that is simulated; exits with 1 if anything
    is wrong that orders would suffer from.
    """
    settings = (load_report_settings if live else load_settings)(data_dir=data_dir)
    with report_system_errors("doctor"), report_user_errors():
        has_faults = show_live_report(settings, pair, amount) if live else _show_servers(settings)
    if has_faults:
        sys.exit(1)


def _show_servers(settings: Settings) -> bool:
    """Show servers, signer and nodes; returns whether no node, or not the signer, can be used."""
    rows = embedded.diagnose(settings.data_dir or embedded.default_data_dir())
    nodes: list[tuple[str, str]] = []
    if settings.solana_rpc_url:
        nodes = asyncio.run(diagnose_nodes(settings, settings.solana_rpc_url))
    signer = asyncio.run(describe_signer(settings))
    for name, value in [*rows, *_describe_trading(settings), *signer, *nodes]:
        click.echo(f"{name:<27} {value}")
    is_refused = any(value.startswith(REFUSED) for _, value in nodes)
    is_refused |= any(value.startswith(SIGNER_AWAY) for _, value in signer)
    return is_refused or (bool(nodes) and all(name.endswith(UNREACHABLE) for name, _ in nodes))


def _describe_trading(settings: Settings) -> list[tuple[str, str]]:
    """What is halted, as rows; none if no database is known."""
    url = find_database_url(settings)
    if url is None:
        return []
    try:
        rules = asyncio.run(_read_rules(settings, url))
    except (*DATABASE_ERRORS, EngineError) as error:
        return [("trading", f"not known: {getattr(error, 'reason', error)}")]
    return [("trading", each.describe()) for each in rules] or [("trading", "active")]


async def _read_rules(settings: Settings, url: str) -> list[TradingRule]:
    pooling = Pooling(settings.database_pooler)
    async with open_pool(url, connections_max=1, pooling=pooling) as pool:
        return await read_rules(pool)

"""``order-engine doctor``: what servers and node are and can do, and what is wrong with them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import NamedTuple

import click

from backend import embedded
from backend.cli.operations.doctor_live import DEFAULT_AMOUNT, DEFAULT_PAIR, show_live_report
from backend.cli.operations.operator import find_database_url, find_node_urls, find_redis_url
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
from backend.engine.servers.server_report import (
    NOT_RUNNING,
    ServerState,
    examine_database,
    examine_redis,
)
from backend.engine.wallets.signer_report import SIGNER_AWAY, describe_signer
from backend.store.connection import Pooling
from backend.store.database import open_pool
from backend.store.errors import DATABASE_ERRORS
from backend.store.trading.rules import read_rules


class _Urls(NamedTuple):
    """Where the servers and the nodes are; None where there are none."""

    database: str | None
    redis: str | None
    nodes: str | None


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
    """Show whether PostgreSQL, Redis, the node and the signer can be used, and why not.

    Of PostgreSQL: whether it accepts writes and is migrated, and what is halted. Of Redis: whether
    it permits what is needed. Of the node: its cluster, whether it keeps the history of
    transactions, and whether it lists pools. Of the signer, if there is one: what it has signed
    today. Without DATABASE_URL, REDIS_URL and SOLANA_RPC_URL they are those of `up`, with what
    they use: that they do not run is no fault. Exits with 1 if a server or the signer cannot be
    used, no node can be reached, or the cluster is refused. With --live: each node,
    each wallet, the pools of a pair, and a swap of it that is simulated; exits with 1 if anything
    is wrong that orders would suffer from.
    """
    settings = (load_report_settings if live else load_settings)(data_dir=data_dir)
    with report_system_errors("doctor"), report_user_errors():
        has_faults = show_live_report(settings, pair, amount) if live else _show_servers(settings)
    if has_faults:
        sys.exit(1)


def _show_servers(settings: Settings) -> bool:
    """Show servers, signer and nodes; returns whether one that is there cannot be used."""
    _print_rows(_describe_embedded(settings))
    urls = _find_urls(settings)
    database, redis = asyncio.run(_examine_servers(settings, urls))
    servers = [("database", database.text), ("Redis", redis.text)]
    trading = _describe_trading(settings, urls.database) if database.is_usable else []
    nodes = asyncio.run(diagnose_nodes(settings, urls.nodes)) if urls.nodes else []
    signer = asyncio.run(describe_signer(settings))
    _print_rows([*servers, *trading, *signer, *nodes])
    if database.is_fault or redis.is_fault:
        return True
    is_refused = any(value.startswith(REFUSED) for _, value in nodes)
    is_refused |= any(value.startswith(SIGNER_AWAY) for _, value in signer)
    return is_refused or (bool(nodes) and all(name.endswith(UNREACHABLE) for name, _ in nodes))


def _print_rows(rows: list[tuple[str, str]]) -> None:
    for name, value in rows:
        click.echo(f"{name:<27} {value}")


def _find_urls(settings: Settings) -> _Urls:
    """The servers of the settings, or else of the `up` that runs here.

    Raises ``Rejected`` if the data folder is another user's.
    """
    return _Urls(find_database_url(settings), find_redis_url(settings), find_node_urls(settings))


async def _examine_servers(settings: Settings, urls: _Urls) -> tuple[ServerState, ServerState]:
    database = redis = NOT_RUNNING
    if urls.database is not None:
        database = await examine_database(urls.database, Pooling(settings.database_pooler))
    if urls.redis is not None:
        redis = await examine_redis(urls.redis)
    return database, redis


def _describe_embedded(settings: Settings) -> list[tuple[str, str]]:
    """Rows of the servers of `up`; none if both have a URL of their own."""
    has_postgres, has_valkey = settings.database_url is None, settings.redis_url is None
    if not (has_postgres or has_valkey):
        return []
    data_dir = settings.data_dir or embedded.default_data_dir()
    return embedded.diagnose(data_dir, has_postgres=has_postgres, has_valkey=has_valkey)


def _describe_trading(settings: Settings, url: str | None) -> list[tuple[str, str]]:
    """What is halted, as rows; none if no database is known."""
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

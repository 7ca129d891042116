"""``order-engine rehearse``: quotes and simulates orders on a real node, and sends nothing."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import click
import orjson
from solders.pubkey import Pubkey

from backend.chain.wire import get_cluster_name
from backend.cli.process import load_report_settings, report_system_errors, report_user_errors
from backend.config import Settings
from backend.config.chain.node_urls import name_nodes, parse_node_urls
from backend.config.comma_list import split_commas
from backend.domain.route_constraints import HOPS_MAX
from backend.domain.tokens import is_public_key
from backend.engine.examination.answer_recorder import record_answers
from backend.engine.examination.market_services import MarketServices, open_market_services
from backend.engine.examination.orders import Pair, parse_pair
from backend.engine.examination.rehearsal import (
    RehearsalPlan,
    RehearsedOrder,
    rehearse_orders,
    summarize_orders,
)
from backend.engine.examination.rehearsal_report import (
    build_json,
    describe_order,
    describe_summary,
)
from backend.engine.wallets.signing_wallets import select_wallets

ORDERS_MAX = 10_000


@click.command()
@click.option("--rpc", help="URLs of nodes, separated by commas, in place of SOLANA_RPC_URL.")
@click.option("--wallet", help="Address of the wallet, whose key is not needed.")
@click.option("--orders", type=click.IntRange(1, ORDERS_MAX), default=20, show_default=True)
@click.option(
    "--pairs", default="SOL/USDC,USDC/SOL", show_default=True, help="Tokens sold and bought."
)
@click.option(
    "--amounts", default="0.01,0.1,1", show_default=True, help="Amounts of the token that is sold."
)
@click.option(
    "--hops",
    type=click.IntRange(1, HOPS_MAX),
    help="Look for routes through other tokens, of so many swaps at most.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="File for all results as JSON."
)
@click.option(
    "--record", type=click.Path(path_type=Path), help="File for every answer of the nodes."
)
def rehearse(
    rpc: str | None,
    wallet: str | None,
    orders: int,
    pairs: str,
    amounts: str,
    hops: int | None,
    json_file: Path | None,
    record: Path | None,
) -> None:
    """Quote and simulate orders on a real node without sending anything.

    Each order is routed as a worker would do it, over several pools and through other tokens, and
    its transaction is simulated as that of the wallet. Exits with 1 if any would not be filled.
    """
    urls = _parse_urls(rpc)
    settings = load_report_settings(solana_rpc_url=",".join(urls) or None)
    urls = urls or parse_node_urls(settings.solana_rpc_url or "")
    if not urls:
        raise click.UsageError("--rpc or SOLANA_RPC_URL must name a node")
    plan = RehearsalPlan(_parse_pairs(pairs), _split(amounts, "--amounts"), orders, hops)
    address = _parse_wallet(wallet)
    with report_system_errors("rehearse"), report_user_errors():
        rehearsed = asyncio.run(_rehearse(settings, urls, address, plan, (json_file, record)))
    if any(each.error is not None for each in rehearsed):
        sys.exit(1)


async def _rehearse(
    settings: Settings,
    urls: list[str],
    wallet: Pubkey | None,
    plan: RehearsalPlan,
    files: tuple[Path | None, Path | None],
) -> list[RehearsedOrder]:
    json_file, record = files
    names = name_nodes(urls)
    async with AsyncExitStack() as stack:
        if record is not None:
            urls = await stack.enter_async_context(record_answers(urls, record))
        market = await stack.enter_async_context(open_market_services(settings, urls))
        wallet = wallet or await _find_wallet(market)
        genesis = await market.rpc.get_genesis_hash()
        cluster = get_cluster_name(genesis)
        click.echo(f"cluster {cluster} at {', '.join(names)}, wallet {wallet}; nothing is sent")
        orders = []
        async for order in rehearse_orders(market, wallet, plan):
            click.echo(describe_order(order))
            orders.append(order)
    for line in describe_summary(summarize_orders(orders)):
        click.echo(line)
    if json_file is not None:
        head = {"nodes": names, "cluster": cluster, "genesis": genesis, "wallet": str(wallet)}
        json_file.write_bytes(orjson.dumps(build_json(orders, **head), option=orjson.OPT_INDENT_2))
    return orders


async def _find_wallet(market: MarketServices) -> Pubkey:
    """The address of the wallet that a worker would sign with."""
    opened = await select_wallets(market.settings, market.rpc, signs=False)
    return opened.wallets[0].address


def _parse_urls(text: str | None) -> list[str]:
    try:
        return parse_node_urls(text or "")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--rpc") from None


def _parse_wallet(text: str | None) -> Pubkey | None:
    if text is None:
        return None
    if not is_public_key(text):
        raise click.BadParameter("is no address: 32 bytes in base58", param_hint="--wallet")
    return Pubkey.from_string(text)


def _parse_pairs(text: str) -> list[Pair]:
    try:
        return [parse_pair(each) for each in _split(text, "--pairs")]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--pairs") from None


def _split(text: str, name: str) -> list[str]:
    """The parts of a list, of which there is one at least."""
    parts = split_commas(text)
    if not parts:
        raise click.BadParameter("names none", param_hint=name)
    return parts

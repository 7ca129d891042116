"""``order-engine verify``: whether what is stored of all orders is as the engine promises."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import Final, NamedTuple

import click
import orjson

from backend.cli.operations.duration import Duration
from backend.cli.operations.operator import (
    DATA_DIR,
    find_node_urls,
    load_operator_settings,
    run_on_database,
)
from backend.cli.process import report_user_errors
from backend.config import Settings
from backend.config.chain.node_urls import parse_node_urls
from backend.engine.nodes.clients import open_node
from backend.engine.verification import Verification, VerificationReport
from backend.store.database import DatabasePool
from backend.store.feed import Feed
from backend.store.verification import JournalVerifier

_SHOWN_MAX: Final = 20


class _Options(NamedTuple):
    since: timedelta | None
    every: timedelta | None
    node_urls: str | None
    """The nodes to ask for every signature; None if none is asked."""
    stuck_after: timedelta
    is_json: bool


@click.command()
@click.option("--since", type=Duration(1), help="Only orders with events in this last time.")
@click.option("--every", type=Duration(1), help="Go on, each time with what has changed.")
@click.option("--chain", "has_chain", is_flag=True, help="Ask the node for every signature too.")
@click.option(
    "--stuck-after",
    type=Duration(1),
    default="5m",
    show_default=True,
    help="How long an order that no worker executes may stay as it is.",
)
@DATA_DIR
@click.option("--json", "is_json", is_flag=True, help="Print each report as a line of JSON.")
def verify(
    since: timedelta | None,
    every: timedelta | None,
    has_chain: bool,
    stuck_after: timedelta,
    data_dir: str | None,
    is_json: bool,
) -> None:
    """Check what is stored of all orders against what the engine promises.

    It changes nothing. Each order has its events from 1 on without a gap, each follows from the
    one before by the lifecycle, the row is as its last event says, and so are signature and
    amount; an attempt is submitted once, nothing below its minimum or after its expiry; of an OCO
    at most one is executed, slices add up, brackets are whole, and nothing is stuck. With
    --chain, of an order's signatures that one has succeeded which the order says, and of one that
    failed none.

    Reads DATABASE_URL, and with --chain SOLANA_RPC_URL; without them, the database and the
    simulated node of an `up` that runs on this machine. Exits with 1 if it has found a fault.
    """
    settings = load_operator_settings(data_dir)
    node_urls = _find_node_urls(settings) if has_chain else None
    options = _Options(since, every, node_urls, stuck_after, is_json)
    if run_on_database(settings, lambda pool: _run(settings, pool, options)):
        sys.exit(1)


def _find_node_urls(settings: Settings) -> str:
    with report_user_errors():
        urls = find_node_urls(settings)
    if urls:
        return urls
    if settings.database_url:
        raise click.ClickException("--chain: SOLANA_RPC_URL must be set, as DATABASE_URL is")
    raise click.ClickException(
        "--chain: SOLANA_RPC_URL is not set, and no `order-engine up` with a simulated node runs"
        " over the data folder: --data-dir or ORDER_ENGINE_DATA_DIR names that of one that does"
    )


async def _run(settings: Settings, pool: DatabasePool, options: _Options) -> int:
    """Verify once, or until interrupted; returns how many faults were found."""
    found = 0
    async with _open(settings, pool, options) as verification:
        since = options.since
        started_s = monotonic()
        report, position = (
            await verification.verify_all()
            if since is None
            else await verification.verify_since(since)
        )
        while True:
            _print(report, monotonic() - started_s, options)
            found += report.counts.total()
            if options.every is None:
                return found
            await asyncio.sleep(options.every.total_seconds())
            started_s = monotonic()
            report, position = await verification.verify_since(position)


@asynccontextmanager
async def _open(
    settings: Settings, pool: DatabasePool, options: _Options
) -> AsyncIterator[Verification]:
    async with AsyncExitStack() as stack:
        node = None
        if options.node_urls is not None:
            urls = parse_node_urls(options.node_urls)
            node = await stack.enter_async_context(open_node(settings, urls))
        yield Verification(
            JournalVerifier(pool), Feed(pool), stuck_after=options.stuck_after, node=node
        )


def _print(report: VerificationReport, took_s: float, options: _Options) -> None:
    if options.is_json:
        click.echo(_encode(report, took_s))
        return
    has_chain = options.node_urls is not None
    asked = f", {report.signatures:,} signatures" if has_chain else ""
    unknown = f" ({report.unknown_signatures:,} unknown to the node)" if has_chain else ""
    total = report.counts.total()
    click.echo(f"{report.orders:,} orders{asked}{unknown} in {took_s:.1f} s: {total:,} faults")
    if report.lost_orders:
        click.echo(f"  {report.lost_orders:,} transactions of orders that the journal has lost")
    for rule, count in sorted(report.counts.items()):
        click.echo(f"  {rule:<16}{count:>8,}")
    for fault in report.faults[:_SHOWN_MAX]:
        order = "" if fault.order_id is None else f"order {fault.order_id} "
        click.echo(f"  {order}{fault.reason}")
    if total > _SHOWN_MAX:
        click.echo(f"  and {total - _SHOWN_MAX:,} more (--json lists up to 1,000)")


def _encode(report: VerificationReport, took_s: float) -> str:
    body = {
        "orders": report.orders,
        "signatures": report.signatures,
        "unknownSignatures": report.unknown_signatures,
        "lostOrders": report.lost_orders,
        "seconds": round(took_s, 3),
        "counts": dict(report.counts),
        "faults": [
            {
                "orderId": each.order_id and str(each.order_id),
                "rule": each.rule,
                "reason": each.reason,
            }
            for each in report.faults
        ],
    }
    return orjson.dumps(body).decode()

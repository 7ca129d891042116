"""``order-engine doctor --live``: the report on nodes, wallets, pools and a simulated swap."""

from __future__ import annotations

import asyncio
from typing import Final

import click

from backend.cli.operations.operator import find_node_urls
from backend.config import ConfigurationError, Settings
from backend.config.chain.node_urls import parse_node_urls
from backend.domain.errors import EngineError
from backend.engine.examination.live_report import LiveReport, report_live
from backend.engine.examination.orders import parse_pair

DEFAULT_PAIR: Final = "SOL/USDC"
DEFAULT_AMOUNT: Final = "0.1"


def show_live_report(settings: Settings, pair: str, amount: str) -> bool:
    """Examine the nodes of the settings, or of an `up`; returns whether anything is wrong.

    Raises ``ClickException`` for a wrong pair or amount, ``ConfigurationError``, and ``Rejected``
    if the data folder is another user's.
    """
    urls = parse_node_urls(find_node_urls(settings) or "")
    if not urls:
        raise ConfigurationError(
            "SOLANA_RPC_URL must name the nodes to examine, or --data-dir an `up` that runs"
        )
    try:
        parsed = parse_pair(pair)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--pair") from None
    try:
        report = asyncio.run(report_live(settings, urls, parsed, amount))
    except EngineError as error:
        raise click.ClickException(error.reason) from None
    _print_report(report)
    return report.has_faults


def _print_report(report: LiveReport) -> None:
    for title, rows in report.sections:
        click.echo(title)
        for name, text in rows:
            click.echo(f"  {name:<28}{text}")
    faults = [each.text for each in report.findings if each.is_fault]
    notes = [each.text for each in report.findings if not each.is_fault]
    for heading, texts in (("Faults", faults), ("Notes", notes)):
        if texts:
            click.echo(heading)
        for text in texts:
            click.echo(f"  {text}")
    if not faults:
        click.echo("No fault was found, and nothing was sent.")

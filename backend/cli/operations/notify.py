"""``order-engine notify --test``: whether what operators must hear would reach them."""

from __future__ import annotations

import asyncio

import click

from backend.cli.process import load_report_settings, report_user_errors
from backend.engine.notices import open_messenger
from backend.notices.messenger import Messenger, SendResult
from backend.notices.texts import TITLE

TEST_TEXT = "This is a test: halts, breakers, stops and differences of balances are told here."


@click.command()
@click.option("--test", "sends", is_flag=True, help="Send a test message to each of them.")
def notify(*, sends: bool) -> None:
    """Show which services tell operators what they must hear, or try them."""
    with report_user_errors():
        messenger = open_messenger(load_report_settings())
        if messenger is None:
            raise click.ClickException("ORDER_ENGINE_NOTIFY is not set: nobody is told anything")
    if not sends:
        for name in messenger.names:
            click.echo(name)
        return
    results = asyncio.run(_send_test(messenger))
    for number, result in enumerate(results, start=1):
        outcome = "sent" if result.is_sent else "FAILED: the service has not taken the message"
        click.echo(f"{number}. {result.service}: {outcome}")
    if not all(result.is_sent for result in results):
        raise SystemExit(1)


async def _send_test(messenger: Messenger) -> list[SendResult]:
    try:
        return await messenger.send(TITLE, TEST_TEXT)
    finally:
        messenger.close()

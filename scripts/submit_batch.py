#!/usr/bin/env python3
"""Submits many orders, follows each to its end, and prints a summary.

    submit_batch.py --count 1000                             # generated: same seed, same orders
    submit_batch.py --pair SOL/USDC:3 --pair JUP/USDC --amount 0.5..25 --seed 7
    submit_batch.py --file orders.csv --batch-size 500       # by the batch endpoint
    cat orders.jsonl | submit_batch.py --file - --json       # the summary as JSON

Exit code: 0 if every order ended as expected (--expect), 1 if one did not, 2 if the input was
invalid or no server responded. Repeating the same command is safe: no order is placed twice.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TextIO

import aiohttp
import click
from batch_orders import (
    InvalidInput,
    Order,
    OrderGenerator,
    assign_client_order_ids,
    parse_amount_range,
    parse_weighted_values,
    read_orders,
)
from batch_report import BatchProgress, Json, display_progress, print_summary
from batch_submitter import BatchSubmitter, check_server
from rich.console import Console

REQUEST_TIMEOUT_S = 60


async def submit(
    url: str,
    key: str | None,
    orders: list[Order],
    batch_key: str,
    *,
    batch_size: int,
    concurrency: int,
    timeout_s: int,
) -> BatchProgress:
    """Place the orders and follow them for at most ``timeout_s``; returns their progress.

    Raises ``InvalidInput`` if ``url`` is not the address of an API.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"{url}: write the API's address as http://HOST:PORT")
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        connector=aiohttp.TCPConnector(limit=concurrency + 1),  # one is the stream
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
    ) as http:
        submitter = BatchSubmitter(http, orders, batch_key)
        await check_server(http)
        try:
            async with asyncio.timeout(timeout_s), display_progress(submitter.progress):
                await submitter.run(batch_size=batch_size, concurrency=concurrency)
        except TimeoutError:
            click.echo(f"not all orders have ended after {timeout_s} s", err=True)
        return submitter.progress


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--url", default="http://127.0.0.1:3000", help="The API.")
@click.option(
    "--key",
    envvar=["ORDER_ENGINE_API_KEY", "ORDER_ENGINE_KEY"],
    help="The API key, if the server asks for one. Better by the variable ORDER_ENGINE_API_KEY or"
    " by --key-file: the list of processes shows options to everybody on this machine.",
)
@click.option("--key-file", type=click.File(), help="File that holds the API key; - is stdin.")
@click.option("--file", help="Orders as CSV or JSON lines in the API's words; - is stdin.")
@click.option("--count", default=100, type=click.IntRange(1), help="How many orders to draw.")
@click.option("--pair", "pairs", multiple=True, default=["SOL/USDC"], help="BASE/QUOTE[:WEIGHT]")
@click.option("--type", "types", multiple=True, default=["market"], help="TYPE[:WEIGHT]")
@click.option("--side", default="mixed", type=click.Choice(["mixed", "buy", "sell"]))
@click.option("--amount", default="0.5..25", help="Of the token that is sold: one, or a range.")
@click.option("--slippage-bps", type=int, help="The server has a default.")
@click.option("--max-price-impact-bps", type=int, help="The server has a default.")
@click.option("--min-amount-out", help="For each order.")
@click.option("--seed", default=42, help="Same seed, same orders, placed once.")
@click.option("--concurrency", default=32, type=click.IntRange(1, 1_000), help="Requests at once.")
@click.option("--batch-size", default=0, type=click.IntRange(0, 1_000), help="0: single orders.")
@click.option("--timeout", default=300, type=click.IntRange(1), help="Give up after, in seconds.")
@click.option("--expect", default="confirmed", type=click.Choice(["confirmed", "ended"]))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def main(
    *,
    url: str,
    key: str | None,
    key_file: TextIO | None,
    file: str | None,
    count: int,
    pairs: tuple[str, ...],
    types: tuple[str, ...],
    side: str,
    amount: str,
    slippage_bps: int | None,
    max_price_impact_bps: int | None,
    min_amount_out: str | None,
    seed: int,
    concurrency: int,
    batch_size: int,
    timeout: int,
    expect: str,
    as_json: bool,
) -> None:
    """Submit many orders, follow each to its end, and sum up."""
    key = _choose_key(key, key_file)
    pair_weights, type_weights = parse_weighted_values(pairs), parse_weighted_values(types)
    low, high = parse_amount_range(amount)
    generator = OrderGenerator(
        count,
        pair_weights,
        type_weights,
        side,
        low,
        high,
        slippage_bps,
        min_amount_out,
        max_price_impact_bps,
    )
    orders = generator.generate(seed) if file is None else read_orders(file)
    began_s = time.monotonic()
    options = {"batch_size": batch_size, "concurrency": concurrency, "timeout_s": timeout}
    batch_key = assign_client_order_ids(orders, seed)
    progress = asyncio.run(submit(url, key, orders, batch_key, **options))
    _show_summary(progress.build_summary(time.monotonic() - began_s), as_json=as_json)
    sys.exit(0 if progress.has_expected_outcome(expect) else 1)


def _choose_key(key: str | None, key_file: TextIO | None) -> str | None:
    source = click.get_current_context().get_parameter_source("key")
    if source is click.core.ParameterSource.COMMANDLINE:
        click.echo("the list of processes shows --key: use --key-file or a variable", err=True)
    if key_file is None or source is click.core.ParameterSource.COMMANDLINE:
        return key
    if text := key_file.read().strip():
        return text
    raise click.UsageError("the key file is empty")


def _show_summary(summary: Json, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(summary))
    else:
        print_summary(summary, Console())


if __name__ == "__main__":
    main()

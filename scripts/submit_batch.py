#!/usr/bin/env python3
"""Submits many orders and follows each to its end, or cancels them: ``--help`` has examples."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from textwrap import fill
from typing import Any, TextIO, cast

try:
    import click
    from batch.cancel import (
        OPEN_STATUSES,
        CancelCommand,
        CancelOptions,
        Query,
        build_queries,
        build_swaps,
    )
    from batch.checks.order_types import find_type_faults
    from batch.command import BatchCommand, Options
    from batch.fields import FIELDS
    from batch.orders import parse_weighted_values
    from click.core import ParameterSource
except ModuleNotFoundError as missing:  # another Python than that of scripts/install
    python = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.argv])  # noqa: S606
    print(f"{missing.name} is not installed: run scripts/install first", file=sys.stderr)
    sys.exit(2)

RUN_NAME_CHARACTERS_MAX = 16
_GENERATOR_OPTIONS = (
    "count",
    "pair",
    "type",
    "side",
    "amount",
    "slippage_bps",
    "max_price_impact_bps",
    "min_amount_out",
)
_CANCEL_FILTER_OPTIONS = ("batch", "status", "token_in", "token_out", "yes")
_PLACING_OPTIONS = (
    *("file", "check", "dry_run", "again", "run", "count", "amount", "slippage_bps"),
    *("max_price_impact_bps", "min_amount_out", "seed", "batch_size", "expect", "watch"),
)
_HELP_WIDTH = 80
_NAME_WIDTH = max(map(len, FIELDS)) + 4


def _describe_column(name: str, meaning: str) -> str:
    indent = " " * _NAME_WIDTH
    first = f"  {name}".ljust(_NAME_WIDTH)
    return fill(meaning, _HELP_WIDTH, initial_indent=first, subsequent_indent=indent)


_COLUMN_HELP = "\n".join(_describe_column(name, meaning) for name, meaning in FIELDS.items())
_EPILOG = f"""\b
Columns of a CSV file, fields of JSON lines (the first three are needed):
{_COLUMN_HELP}

\b
Examples:
  submit_batch.py --count 1000                     drawn: same seed, same orders
  submit_batch.py --pair SOL/USDC:3 --pair JUP/USDC --amount 0.5..25 --seed 7
  submit_batch.py --file orders.csv --check        the file alone, without a server
  submit_batch.py --file orders.csv --dry-run      quotes and totals, places nothing
  submit_batch.py --file orders.csv --out results.csv --batch-size 500
  submit_batch.py --file limits.csv --watch --timeout 86400    until all have ended
  cat orders.jsonl | submit_batch.py --file - --json
  submit_batch.py --cancel-all --pair SOL/USDC --side sell    asks first
  submit_batch.py --cancel-all --batch ID --yes --out cancelled.csv
  submit_batch.py --cancel ID --cancel ID

\b
Exit code:
  0    every order ended as expected (--expect), or waits for a price that --watch does not
       follow; all were cancelled
  1    one did not, or was refused; it was too late to cancel one
  2    the input is invalid, no engine answers, or the question was answered with no: nothing was
       sent
  124  --timeout was over first
  130  Ctrl-C (143: SIGTERM)

The same command again places nothing twice: it follows what it placed, and places what is missing.
"""


def _check_run_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not re.fullmatch(rf"[\w.-]{{0,{RUN_NAME_CHARACTERS_MAX}}}", name, re.ASCII):
        limit = RUN_NAME_CHARACTERS_MAX
        raise click.BadParameter(f"write at most {limit} letters, digits, '.', '_' and '-'")
    return name


def _name_given(context: click.Context, names: Iterable[str]) -> str:
    """Those of the options that are on the command line, as they are written there."""
    return ", ".join(
        f"--{name.replace('_', '-')}"
        for name in names
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )


def _check_combination(context: click.Context, options: Options) -> None:
    if given := _name_given(context, _CANCEL_FILTER_OPTIONS):
        raise click.UsageError(f"{given}: goes with --cancel-all")
    if options.again and options.run:
        raise click.UsageError("--again names a new run itself: leave --run out")
    given = _name_given(context, _GENERATOR_OPTIONS)
    if options.file is not None and given:
        raise click.UsageError(f"{given}: of drawn orders, and --file has its own")
    if options.file is None:
        _check_drawn_types(options)


def _check_drawn_types(options: Options) -> None:
    """Refuse types whose orders need what only a file gives, such as their prices."""
    for kind in parse_weighted_values(options.type):
        order = {"type": kind.name, "minAmountOut": options.min_amount_out}
        for reason in find_type_faults(order):
            raise click.UsageError(
                f"--type {kind.name}: {reason} (drawn orders have no prices of their own: write"
                " orders that need some in a file, and give it with --file)"
            )


def _build_cancel_options(context: click.Context, values: dict[str, Any]) -> CancelOptions:
    if given := _name_given(context, _PLACING_OPTIONS):
        raise click.UsageError(f"{given}: goes with placing orders, not with cancelling them")
    filters = ("pair", "side", "type", *_CANCEL_FILTER_OPTIONS)
    given = _name_given(context, filters)
    if values["cancel"] and (given or values["cancel_all"]):
        raise click.UsageError(f"--cancel names its orders: leave {given or '--cancel-all'} out")
    queries = _build_cancel_queries(given, values) if values["cancel_all"] else []
    texts = [_name_value(name, values[name]) for name in filters if _name_given(context, [name])]
    return CancelOptions(
        url=values["url"],
        key=values["key"],
        ids=[str(each) for each in values["cancel"]],
        queries=queries,
        filter_text=", ".join(filter(None, texts)),
        is_confirmed=values["yes"],
        out=values["out"],
        concurrency=values["concurrency"],
        timeout=values["timeout"],
        as_json=values["as_json"],
    )


def _name_value(name: str, value: object) -> str:
    """A filter in words: ``pair SOL/USDC``; nothing for what is no filter."""
    words = value if isinstance(value, tuple) else (value,)
    return "" if value is True else f"{name.replace('_', ' ')} {' or '.join(map(str, words))}"


def _build_cancel_queries(given: str, values: dict[str, Any]) -> list[Query]:
    names = given.split(", ")
    token_in, token_out = values["token_in"], values["token_out"]
    tokens = {"tokenIn": token_in, "tokenOut": token_out}
    swaps: list[Query] = [{key: name for key, name in tokens.items() if name}]
    if "--pair" in names:
        if token_in or token_out:
            raise click.UsageError("--pair names both tokens: leave --token-in and --token-out out")
        swaps = [swap for pair in values["pair"] for swap in build_swaps(pair, values["side"])]
    elif "--side" in names:
        raise click.UsageError("--side needs a --pair")
    types = values["type"] if "--type" in names else ()
    return build_queries(values["batch"], swaps, types, values["status"])


def _choose_key(key: str | None, key_file: TextIO | None) -> str | None:
    source = click.get_current_context().get_parameter_source("key")
    if source is ParameterSource.COMMANDLINE:
        click.echo("the list of processes shows --key: use --key-file or a variable", err=True)
    if key_file is None or source is ParameterSource.COMMANDLINE:
        return key
    if text := key_file.read().strip():
        return text
    raise click.UsageError("the key file is empty")


@click.command(
    epilog=_EPILOG,
    context_settings={
        "show_default": True,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.option("--url", default="http://127.0.0.1:3000", help="The API.")
@click.option(
    "--key",
    envvar=["ORDER_ENGINE_API_KEY", "ORDER_ENGINE_KEY"],
    help="The API key, if the server asks for one. Better by the variable ORDER_ENGINE_API_KEY or"
    " by --key-file: the list of processes shows options to everybody on this machine.",
)
@click.option("--key-file", type=click.File(), help="File that holds the API key; - is stdin.")
@click.option("--file", help="Orders as CSV or JSON lines, see below; - is stdin.")
@click.option("--check", is_flag=True, help="Check the orders' form, without a server.")
@click.option(
    "--skip-faulty",
    is_flag=True,
    help="Place the others when values of some orders are wrong; else nothing is sent.",
)
@click.option("--dry-run", is_flag=True, help="Quote the orders, and place none.")
@click.option("--out", metavar="FILE", help="A row for each order: FILE.csv or FILE.jsonl.")
@click.option("--again", is_flag=True, help="Place all orders anew, though they were placed.")
@click.option(
    "--run",
    default="",
    show_default=False,
    callback=_check_run_name,
    help="Name of a run; another one places anew.",
)
@click.option("--count", default=100, type=click.IntRange(1), help="How many orders to draw.")
@click.option("--pair", multiple=True, default=["SOL/USDC"], help="BASE/QUOTE[:WEIGHT]")
@click.option("--type", multiple=True, default=["market"], help="TYPE[:WEIGHT]")
@click.option("--side", default="mixed", type=click.Choice(["mixed", "buy", "sell"]))
@click.option("--amount", default="0.5..25", help="Of the token that is sold: one, or a range.")
@click.option("--slippage-bps", type=int, help="The server has a default.")
@click.option("--max-price-impact-bps", type=int, help="The server has a default.")
@click.option("--min-amount-out", help="For each order.")
@click.option("--seed", default=42, help="Same seed, same orders, placed once.")
@click.option(
    "--cancel",
    multiple=True,
    type=click.UUID,
    metavar="ID",
    help="Cancel this order, and place none.",
)
@click.option(
    "--cancel-all",
    is_flag=True,
    help="Cancel all open orders: with --pair, --side, --type, and those below, only these.",
)
@click.option("--batch", multiple=True, metavar="ID", help="Of this batch.")
@click.option("--token-in", metavar="TOKEN", help="That sell this token.")
@click.option("--token-out", metavar="TOKEN", help="That buy this token.")
@click.option("--status", multiple=True, help="In this status.", type=click.Choice(OPEN_STATUSES))
@click.option("--yes", is_flag=True, help="Cancel without a question.")
@click.option("--concurrency", default=32, type=click.IntRange(1, 1_000), help="Requests at once.")
@click.option("--batch-size", default=0, type=click.IntRange(0, 1_000), help="0: single orders.")
@click.option("--timeout", default=300, type=click.IntRange(1), help="Give up after, in seconds.")
@click.option("--expect", default="confirmed", type=click.Choice(["confirmed", "ended"]))
@click.option("--watch", is_flag=True, help="Follow what waits for a price to its end, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def main(context: click.Context, /, **values: object) -> None:
    """Submit many orders, follow each to its end, and sum up; or cancel open ones."""
    key = _choose_key(
        cast("str | None", values["key"]), cast("TextIO | None", values.pop("key_file"))
    )
    values["key"] = key
    try:
        code = (
            _cancel(context, values)
            if values["cancel"] or values["cancel_all"]
            else _place(context, values)
        )
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        code = 130
    sys.exit(code)


def _cancel(context: click.Context, values: dict[str, Any]) -> int:
    return CancelCommand(_build_cancel_options(context, values)).run()


def _place(context: click.Context, values: dict[str, Any]) -> int:
    names = {each.name for each in fields(Options)}
    options = Options(**{name: value for name, value in values.items() if name in names})
    _check_combination(context, options)
    command = BatchCommand(options)
    if options.check:
        return command.check()
    return asyncio.run(command.quote() if options.dry_run else command.place())


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Submits many orders, follows each to its end, and prints a summary: ``--help`` has examples."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TextIO, cast

try:
    import click
    from batch.command import BatchCommand, Options
    from batch.fields import FIELDS
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
_COLUMN_HELP = "\n".join(f"  {name:<19}{meaning}" for name, meaning in FIELDS.items())
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
  cat orders.jsonl | submit_batch.py --file - --json

\b
Exit code:
  0    every order ended as expected (--expect)
  1    one did not, or was refused
  2    the input is invalid, or no engine answers: nothing was sent
  124  --timeout was over first
  130  Ctrl-C (143: SIGTERM)

The same command again places nothing twice: it follows what it placed, and places what is missing.
"""


def _check_run_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not re.fullmatch(rf"[\w.-]{{0,{RUN_NAME_CHARACTERS_MAX}}}", name, re.ASCII):
        limit = RUN_NAME_CHARACTERS_MAX
        raise click.BadParameter(f"write at most {limit} letters, digits, '.', '_' and '-'")
    return name


def _check_combination(context: click.Context, options: Options) -> None:
    if options.again and options.run:
        raise click.UsageError("--again names a new run itself: leave --run out")
    given = [
        f"--{name.replace('_', '-')}"
        for name in _GENERATOR_OPTIONS
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if options.file is not None and given:
        raise click.UsageError(f"{', '.join(given)}: of drawn orders, and --file has its own")


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
@click.option("--concurrency", default=32, type=click.IntRange(1, 1_000), help="Requests at once.")
@click.option("--batch-size", default=0, type=click.IntRange(0, 1_000), help="0: single orders.")
@click.option("--timeout", default=300, type=click.IntRange(1), help="Give up after, in seconds.")
@click.option("--expect", default="confirmed", type=click.Choice(["confirmed", "ended"]))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def main(context: click.Context, /, **values: object) -> None:
    """Submit many orders, follow each to its end, and sum up."""
    key = _choose_key(
        cast("str | None", values["key"]), cast("TextIO | None", values.pop("key_file"))
    )
    options = Options(**{**values, "key": key})  # type: ignore[arg-type]
    _check_combination(context, options)
    try:
        command = BatchCommand(options)
        if options.check:
            code = command.check()
        else:
            code = asyncio.run(command.quote() if options.dry_run else command.place())
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()

"""``order-engine bench``: the command line of the benchmark."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

import click
from rich.console import Console

from backend.domain.errors import EngineError
from backend.runtime import observe
from backend.simulator.options import POOL_SETS
from backend.store.errors import DATABASE_ERRORS
from backend.trials.bench.benchmark import BenchRequest, ResultPrinter, ServerOptions, run_benchmark
from backend.trials.bench.load_parameters import (
    DEFAULT_LOAD,
    QUICK_LOAD,
    LoadParameters,
    Mode,
)

ALL_MODES: Final = "all"
MODE_CHOICE: Final = click.Choice([*(mode.value for mode in Mode), ALL_MODES])


def _parse_numbers(
    _context: object, _parameter: object, value: str | None
) -> tuple[int, ...] | None:
    """Parse comma-separated numbers."""
    if value is None:
        return None
    try:
        return tuple(int(each) for each in value.split(",") if each)
    except ValueError:
        raise click.BadParameter("must be comma-separated numbers") from None


@click.command()
@click.argument("modes", nargs=-1, required=True, type=MODE_CHOICE)
@click.option("--orders", type=click.IntRange(min=1), help="Orders per run.")
@click.option(
    "--rate", type=click.FloatRange(min=1), help="Orders per second; runs `single` as `rate`."
)
@click.option("--connections", type=click.IntRange(1, 1_000), help="HTTP connections of `single`.")
@click.option("--concurrency", type=click.IntRange(1, 100), help="Batches in flight.")
@click.option(
    "--sockets", callback=_parse_numbers, help="`stream`: numbers of one-order sockets, e.g. 1,100."
)
@click.option(
    "--streams", callback=_parse_numbers, help="`stream`: numbers of all-order sockets, e.g. 1,100."
)
@click.option(
    "--history-orders", type=click.IntRange(min=1), help="Past orders in the tables for `history`."
)
@click.option(
    "--api-counts", callback=_parse_numbers, help="`apis`: numbers of API processes, e.g. 1,8."
)
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True)
@click.option("--apis", type=click.IntRange(1, 16), default=1, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and prices.")
@click.option(
    "--pools",
    type=click.Choice(POOL_SETS),
    default=POOL_SETS[0],
    help="Two pools of each pair, or fifteen of some pairs.",
)
@click.option("--signer", is_flag=True, help="A signer of its own process signs for the workers.")
@click.option("--keys", is_flag=True, help="Requests need a stored API key, and have one.")
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option("--quick", is_flag=True, help="Run very few orders, as a functional check.")
@click.option("--database-url", envvar="DATABASE_URL", help="PostgreSQL; default: embedded.")
@click.option("--redis-url", envvar="REDIS_URL", help="Redis or Valkey; default: embedded.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Data folder of the embedded servers."
)
@click.option(
    "--json", "json_file", type=click.File("w"), help="Write the report as JSON; - for stdout."
)
def bench(modes: tuple[str, ...], quick: bool, json_file: TextIO | None, **options: Any) -> None:
    """Benchmark the engine as real processes with durable transitions; verify no order is lost.

    \b
    single   POSTs of one order over keep-alive connections, as fast as responses arrive
    rate     the same at a fixed rate, with end-to-end latency (same as: single --rate 200)
    trace    orders one at a time: a waterfall of every exchange and wait of one
    batch    POSTs of 1,000 orders
    demo     all orders at once, with the delays of a real chain
    stream   delay from the database to sockets: of single orders, and of all orders
    apis     100 orders/s to 50 streams, served by 1, 2, 4 and 8 API processes
    history  batch and single, on empty tables and on tables with a million orders
    reads    feed, lists, counts and sweep beside a million orders and beside 10,000
    archive  a million past orders are moved to files beside 100 orders/s
    fairness single orders of one owner, alone and behind 100,000 orders of another
    waiting  100,000 orders that wait for a price: what they cost, and how soon they are met
    pgbench  the journal's SQL statement without the engine: the limit set by PostgreSQL
    all      all of the above
    """
    observe.configure_logging("error", "console")
    printer = ResultPrinter(Console(stderr=json_file is not None and json_file.name == "<stdout>"))
    request = BenchRequest(
        _select_modes(modes, options["rate"]),
        _build_load(quick, options),
        repeats=options["repeat"],
        workers=options["workers"],
        apis=options["apis"],
        seed=options["seed"],
        pools=options["pools"],
        has_signer=options["signer"],
        has_keys=options["keys"],
    )
    server_options = ServerOptions(
        options["database_url"], options["redis_url"], options["data_dir"]
    )
    try:
        report = asyncio.run(run_benchmark(request, server_options, printer))
    except EngineError as error:
        raise click.ClickException(error.reason) from None
    except DATABASE_ERRORS as error:
        raise click.ClickException(f"a required server is not responding: {error}") from None
    if json_file is not None:
        json_file.write(json.dumps(report, indent=2) + "\n")
    if not report["isGood"]:
        sys.exit(1)


def _select_modes(names: tuple[str, ...], rate: float | None) -> list[Mode]:
    if ALL_MODES in names:
        return list(Mode)
    modes = [Mode(name) for name in names]
    if rate is not None:
        return [Mode.RATE if mode is Mode.SINGLE else mode for mode in modes]
    return modes


def _build_load(quick: bool, options: Mapping[str, Any]) -> LoadParameters:
    load = QUICK_LOAD if quick else DEFAULT_LOAD
    changes = {
        "connections": options["connections"],
        "batches_at_once": options["concurrency"],
        "single_rate": options["rate"],
        "stream_rate": options["rate"],
        "api_rate": options["rate"],
        "order_socket_counts": options["sockets"],
        "stream_counts": options["streams"],
        "api_counts": options["api_counts"],
        "history_orders": options["history_orders"],
        "orders": options["orders"] and dict.fromkeys(Mode, options["orders"]),
    }
    return replace(load, **{name: value for name, value in changes.items() if value is not None})

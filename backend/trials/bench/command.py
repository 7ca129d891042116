"""``order-engine bench``: its arguments."""

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
from backend.store.database import GONE
from backend.trials.bench.modes import QUICK, USUAL, Load, Mode
from backend.trials.bench.report import Screen
from backend.trials.bench.run import Asked, Given, run

ALL: Final = "all"
MODES: Final = click.Choice([*(mode.value for mode in Mode), ALL])


def _numbers(_context: object, _parameter: object, value: str | None) -> tuple[int, ...] | None:
    """Numbers with commas between them."""
    if value is None:
        return None
    try:
        return tuple(int(each) for each in value.split(",") if each)
    except ValueError:
        raise click.BadParameter("must be numbers with commas between them") from None


@click.command()
@click.argument("modes", nargs=-1, required=True, type=MODES)
@click.option("--orders", type=click.IntRange(min=1), help="Orders of a run.")
@click.option("--rate", type=click.FloatRange(min=1), help="Orders a second; `single` waits then.")
@click.option("--connections", type=click.IntRange(1, 1_000), help="Connections of `single`.")
@click.option("--concurrency", type=click.IntRange(1, 100), help="Batches in flight.")
@click.option("--sockets", callback=_numbers, help="`stream`: sockets of single orders: 1,100.")
@click.option("--streams", callback=_numbers, help="`stream`: sockets that get everything: 1,100.")
@click.option("--history-orders", type=click.IntRange(min=1), help="Orders of `history`'s past.")
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True)
@click.option("--apis", type=click.IntRange(1, 16), default=1, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders and prices.")
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option("--quick", is_flag=True, help="So few orders that it only shows that it works.")
@click.option("--database-url", envvar="DATABASE_URL", help="PostgreSQL; else an embedded one.")
@click.option("--redis-url", envvar="REDIS_URL", help="Redis or Valkey; else an embedded one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where embedded servers write.")
@click.option("--json", "json_file", type=click.File("w"), help="Write figures there; - for here.")
def bench(modes: tuple[str, ...], quick: bool, json_file: TextIO | None, **given: Any) -> None:
    """Measure the engine: real processes, every transition durable, and nothing lost.

    \b
    single   POSTs of one order over keep-alive connections, as fast as they are answered
    rate     the same at a fixed rate, and each order's way to the stream (or: single --rate 200)
    batch    POSTs of 1,000 orders
    demo     the delays of a real chain, all orders at once
    stream   from the database to sockets: of single orders, and of everything
    history  batch and single, beside the same with a million orders in the tables
    pgbench  the journal's own statement without the engine: PostgreSQL's ceiling
    all      each of these
    """
    observe.configure("error", "console")
    screen = Screen(Console(stderr=json_file is not None and json_file.name == "<stdout>"))
    asked = Asked(
        _modes(modes, given["rate"]),
        _load(quick, given),
        repeats=given["repeat"],
        workers=given["workers"],
        apis=given["apis"],
        seed=given["seed"],
    )
    servers = Given(given["database_url"], given["redis_url"], given["data_dir"])
    try:
        report = asyncio.run(run(asked, servers, screen))
    except EngineError as error:
        raise click.ClickException(error.reason) from None
    except GONE as error:
        raise click.ClickException(f"a server that is needed does not answer: {error}") from None
    if json_file is not None:
        json_file.write(json.dumps(report, indent=2) + "\n")
    if not report["isGood"]:
        sys.exit(1)


def _modes(names: tuple[str, ...], rate: float | None) -> list[Mode]:
    if ALL in names:
        return list(Mode)
    modes = [Mode(name) for name in names]
    if rate is not None:
        return [Mode.RATE if mode is Mode.SINGLE else mode for mode in modes]
    return modes


def _load(quick: bool, given: Mapping[str, Any]) -> Load:
    load = QUICK if quick else USUAL
    changes = {
        "connections": given["connections"],
        "batches_at_once": given["concurrency"],
        "single_rate": given["rate"],
        "stream_rate": given["rate"],
        "order_sockets": given["sockets"],
        "streams": given["streams"],
        "history_orders": given["history_orders"],
        "orders": given["orders"] and dict.fromkeys(Mode, given["orders"]),
    }
    return replace(load, **{name: value for name, value in changes.items() if value is not None})

"""The command line: ``order-engine up | api | worker | chain | migrate | doctor | tui |
chaos | bench``.

Each process prints ``ready …`` on standard output once it can be used, logs to standard error,
and stops on SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import uvloop
from prometheus_client import start_http_server

from backend import embedded, engine
from backend.api.server.process import serve as serve_api
from backend.config import ConfigurationError, Profile, Settings
from backend.domain.errors import EngineError
from backend.embedded.launcher import Companion, dashboard, launch
from backend.runtime import observe
from backend.runtime.gc_tuning import seek_rarely
from backend.simulator.options import SimulatedOptions
from backend.simulator.server import serve as serve_chain
from backend.store.database import GONE
from backend.store.migrations import MigrationError, migrate
from backend.trials.bench.command import bench
from backend.trials.chaos.report import Screen
from backend.trials.chaos.run import run as run_chaos
from backend.trials.chaos.scenarios import SCENARIOS
from backend.trials.chaos.schedule import plan
from backend.trials.chaos.timing import MACHINE_S
from backend.trials.smoke import run as smoke_test
from tui.cli import main as tui

Serve = Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]
PROFILES = click.Choice([profile.value for profile in Profile])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="order-engine")
def main() -> None:
    """Executes orders for Solana DEX swaps, each at most once."""


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--fd", type=int, help="A listening socket that is already open.")
def api(host: str | None, port: int | None, fd: int | None) -> None:
    """Serve the HTTP and WebSocket API."""
    settings = _settings(host=host, port=port)
    listening = None if fd is None else socket.socket(fileno=fd)

    async def run(stop: asyncio.Event, hurry: asyncio.Event) -> None:
        await serve_api(settings, ready=_ready, stop=stop, listening=listening)

    _run("api", run, uvloop.new_event_loop)


@main.command()
@click.option("--metrics-port", type=int, help="Port of /metrics; 0 takes a free one.")
def worker(metrics_port: int | None) -> None:
    """Drive orders."""
    settings = _settings(metrics_port=metrics_port)

    async def run(stop: asyncio.Event, hurry: asyncio.Event) -> None:
        server, thread = start_http_server(settings.metrics_port, addr=settings.host)
        url = f"http://{settings.host}:{server.server_port}/metrics"
        try:
            await engine.work(settings, ready=lambda: _ready(url), stop=stop)
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()

    _run("worker", run, uvloop.new_event_loop)


@main.command()
@click.option("--port", "chain_port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--host", help="Address to listen on.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the ledger is kept.")
@click.option("--profile", type=PROFILES, help="As slow as a real node, or as fast as it can.")
@click.option("--seed", type=int, help="Seed of prices and faults.")
def chain(
    chain_port: int | None,
    host: str | None,
    data_dir: Path | None,
    profile: str | None,
    seed: int | None,
) -> None:
    """Simulate a Solana node."""
    settings = _settings(
        chain_port=chain_port, host=host, data_dir=data_dir, profile=profile, seed=seed
    )
    options = SimulatedOptions(
        profile=settings.profile, seed=settings.seed, sol_price=settings.sol_price
    )
    folder = (settings.data_dir or embedded.default_data_dir()) / "chain"

    async def run(stop: asyncio.Event, hurry: asyncio.Event) -> None:
        await serve_chain(
            options,
            host=settings.host,
            port=settings.chain_port,
            data_dir=folder,
            ready=lambda port: _ready(f"http://{settings.host}:{port}"),
            stop=stop,
        )

    _run("chain", run, uvloop.new_event_loop)


@main.command("migrate")
def migrate_command() -> None:
    """Bring the database up to date."""
    settings = _settings()
    if settings.database_url is None:
        raise click.ClickException("DATABASE_URL must be set (`up` migrates its own database)")
    url = settings.database_url
    with _plain_errors():
        applied = asyncio.run(migrate(url))
    click.echo(f"applied {', '.join(applied)}" if applied else "the database is up to date")


@main.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder to look at.")
def doctor(data_dir: Path | None) -> None:
    """Show what the embedded servers would use, and what is wrong."""
    settings = _settings(data_dir=data_dir)
    with _plain_errors():
        for name, value in embedded.doctor(settings.data_dir or embedded.default_data_dir()):
            click.echo(f"{name:<28}{value}")


@main.command()
@click.option("--port", type=int, help="Port of the API; 0 takes a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept.")
@click.option("--profile", type=PROFILES, help="As slow as a real node, or as fast as it can.")
@click.option("--workers", type=int, help="Worker processes.")
@click.option("--seed", type=int, help="Seed of the simulated node.")
@click.option("--headless", is_flag=True, help="Keep serving without a dashboard.")
@click.option("--smoke", is_flag=True, help="Run 20 orders to their end, show them, and stop.")
def up(
    port: int | None,
    data_dir: Path | None,
    profile: str | None,
    workers: int | None,
    seed: int | None,
    headless: bool,
    smoke: bool,
) -> None:
    """Start everything, with embedded servers for what is not configured."""
    settings = _settings(port=port, data_dir=data_dir, profile=profile, workers=workers, seed=seed)
    companion: Companion | None = smoke_test if smoke else None
    if companion is None and not headless and sys.stdin.isatty() and sys.stdout.isatty():
        companion = dashboard

    def tell(notice: embedded.Notice) -> None:
        if companion is not dashboard:  # which has the screen for itself
            click.echo(str(notice), err=True)

    async def run(stop: asyncio.Event, hurry: asyncio.Event) -> None:
        await launch(settings, stop=stop, hurry=hurry, companion=companion, tell=tell)

    _run("up", run)


@main.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the schedule.")
@click.option("--orders", type=int, help="Orders of the whole run, shared out evenly.")
@click.option("--minutes", type=float, help="How long to go on; without it, each scenario once.")
@click.option(
    "--scenario", "names", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only these."
)
@click.option(
    "--machine-s",
    type=click.FloatRange(min=0),
    default=MACHINE_S,
    show_default=True,
    help="Seconds that a busy machine may add to a recovery.",
)
@click.option("--list", "is_list", is_flag=True, help="Show the scenarios.")
@click.option("--show-schedule", is_flag=True, help="Show what would be broken when.")
def chaos(
    seed: int,
    orders: int | None,
    minutes: float | None,
    names: tuple[str, ...],
    machine_s: float,
    is_list: bool,
    show_schedule: bool,
) -> None:
    """Break everything while orders run, and audit what became of each."""
    screen = Screen(machine_s)
    turns = plan(seed, names or tuple(SCENARIOS), orders=orders, minutes=minutes)
    if is_list:
        screen.scenarios()
    elif show_schedule:
        screen.schedule(turns)
    else:
        observe.configure("error", "console")
        with _plain_errors():
            if not asyncio.run(run_chaos(seed, turns, screen, machine_s)):
                sys.exit(1)


main.add_command(bench)
main.add_command(tui, "tui")


def _settings(**given: object) -> Settings:
    try:
        settings = Settings.load(**given)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    observe.configure(settings.log_level, settings.log_format)
    return settings


def _ready(url: str) -> None:
    seek_rarely()
    click.echo(f"ready {url}")
    sys.stdout.flush()


def _run(
    process: str, serve: Serve, new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> None:
    """Run a process until it ends or is asked to stop; asked again, it hurries.

    Those that serve run on uvloop. The one that starts them does not: uvloop starts no process
    in a group of its own.
    """

    async def main_task() -> None:
        stop, hurry = asyncio.Event(), asyncio.Event()

        def ask() -> None:
            (hurry if stop.is_set() else stop).set()
            observe.stopping(process)

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ask)
        await serve(stop, hurry)

    with _plain_errors(), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main_task())


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What the user can mend is told in a sentence."""
    try:
        yield
    except (ConfigurationError, MigrationError) as error:
        raise click.ClickException(str(error)) from None
    except EngineError as error:
        raise click.ClickException(error.reason) from None
    except GONE as error:
        raise click.ClickException(f"a server that is needed does not answer: {error}") from None


if __name__ == "__main__":
    main(prog_name=os.environ.get("ORDER_ENGINE_PROG", "order-engine"))

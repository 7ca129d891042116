"""The command line: ``order-engine up | api | worker | chain | migrate | doctor | dashboard |
attack | chaos | bench | deployments``; ``tui`` is another name of ``dashboard``.

Each process prints ``ready …`` on standard output once it accepts work, logs to standard error,
and shuts down gracefully on SIGTERM, on Ctrl-C, and when its terminal is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import uvloop

from backend import embedded, engine
from backend.api.server.listener import format_url, open_listeners
from backend.api.server.process import build_metrics_access, build_public_address, serve_api
from backend.config import ConfigurationError, Profile, Settings, get_variable_name
from backend.domain.errors import EngineError
from backend.embedded.launcher import ForegroundTask, launch_engine
from backend.embedded.ready_message import build_ready_message
from backend.embedded.start_terminal import StartTerminal
from backend.engine.metrics_server import serve_metrics
from backend.runtime import observe, trace
from backend.runtime.descriptors import raise_descriptor_limit
from backend.runtime.memory import tune_gc
from backend.runtime.startup import StartInterrupted
from backend.simulator.options import SimulatorOptions
from backend.simulator.server import serve as serve_chain
from backend.store.connection import Pooling
from backend.store.errors import DATABASE_ERRORS
from backend.store.migrations import MigrationError, migrate
from backend.trials.attack.command import attack
from backend.trials.bench.command import bench
from backend.trials.chaos.command import chaos
from backend.trials.deployments.command import deployments
from backend.trials.smoke import run_smoke_test
from tui.cli import main as dashboard

ProcessMain = Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]
DRAIN_S = 5.0
"""How long ``api`` still takes orders when it is to stop, unless a setting says otherwise."""
PROFILE_CHOICE = click.Choice([profile.value for profile in Profile])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="order-engine")
def main() -> None:
    """Executes orders for Solana DEX swaps, each at most once."""


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 picks a free one.")
@click.option(
    "--fd", "fds", type=int, multiple=True, help="File descriptor of an open listening socket."
)
def api(host: str | None, port: int | None, fds: tuple[int, ...]) -> None:
    """Serve the HTTP and WebSocket API."""
    settings = _load_settings(host=host, port=port)
    _start_trace("api", settings)
    if settings.drain_s is None and not fds:  # else the socket outlives this process
        settings = settings.model_copy(update={"drain_s": DRAIN_S})
    listeners = [socket.socket(fileno=fd) for fd in fds]

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        await serve_api(
            settings,
            on_ready=_report_api_ready,
            stop=stop,
            force_stop=force_stop,
            listeners=listeners,
        )

    _run_process("api", run, uvloop.new_event_loop)


@main.command()
@click.option("--metrics-port", type=int, help="Port of /metrics; 0 picks a free one.")
def worker(metrics_port: int | None) -> None:
    """Execute orders from the queue."""
    settings = _load_settings(metrics_port=metrics_port)
    _start_trace("worker", settings)

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        listeners = open_listeners(settings.host, settings.metrics_port)
        url = f"{format_url(listeners[0])}/metrics"
        find_refusal = build_metrics_access(settings, build_public_address(settings)).find_refusal
        with serve_metrics(listeners, find_refusal), suppress(StartInterrupted):
            await engine.run_worker(settings, on_ready=lambda: _report_ready(url), stop=stop)

    _run_process("worker", run, uvloop.new_event_loop)


@main.command()
@click.option("--port", "chain_port", type=int, help="Port to listen on; 0 picks a free one.")
@click.option("--host", help="Address to listen on.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data folder of the ledger.")
@click.option("--profile", type=PROFILE_CHOICE, help="Timing of a real node, or no delays.")
@click.option("--seed", type=int, help="Seed of prices and faults.")
def chain(
    chain_port: int | None,
    host: str | None,
    data_dir: Path | None,
    profile: str | None,
    seed: int | None,
) -> None:
    """Simulate a Solana node."""
    settings = _load_settings(
        chain_port=chain_port, host=host, data_dir=data_dir, profile=profile, seed=seed
    )
    options = SimulatorOptions(
        profile=settings.profile, seed=settings.seed, sol_price=settings.sol_price
    )
    folder = (settings.data_dir or embedded.default_data_dir()) / "chain"

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        listeners = open_listeners(settings.host, settings.chain_port)
        url = format_url(listeners[0])
        await serve_chain(
            options,
            listeners=listeners,
            port=settings.chain_port,
            data_dir=folder,
            ready=lambda _: _report_ready(url),
            stop=stop,
        )

    _run_process("chain", run, uvloop.new_event_loop)


@main.command("migrate")
def migrate_command() -> None:
    """Apply all pending database migrations."""
    settings = _load_settings()
    if settings.database_url is None:
        raise click.ClickException("DATABASE_URL must be set (`up` migrates its own database)")
    url, pooling = settings.database_url, Pooling(settings.database_pooler)
    with _report_user_errors():
        applied = asyncio.run(migrate(url, pooling))
    click.echo(f"applied {', '.join(applied)}" if applied else "the database is up to date")


@main.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="The data folder to inspect.")
def doctor(data_dir: Path | None) -> None:
    """Show what the embedded servers use, and why they do not start."""
    settings = _load_settings(data_dir=data_dir)
    with _report_user_errors():
        for name, value in embedded.diagnose(settings.data_dir or embedded.default_data_dir()):
            click.echo(f"{name:<28}{value}")


@main.command()
@click.option("--port", type=int, help="Port of the API; 0 picks a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Data folder of all processes.")
@click.option("--profile", type=PROFILE_CHOICE, help="Timing of a real node, or no delays.")
@click.option("--workers", type=int, help="Number of worker processes.")
@click.option("--seed", type=int, help="Seed of the simulated node.")
@click.option("--headless", is_flag=True, help="Run without the dashboard.")
@click.option("--smoke", is_flag=True, help="Execute 20 orders, show their results, and stop.")
def up(
    port: int | None,
    data_dir: Path | None,
    profile: str | None,
    workers: int | None,
    seed: int | None,
    headless: bool,
    smoke: bool,
) -> None:
    """Start all processes, with embedded servers where no URL is configured."""
    settings = _load_settings(
        port=port, data_dir=data_dir, profile=profile, workers=workers, seed=seed
    )
    terminal = StartTerminal()
    foreground: ForegroundTask | None = run_smoke_test if smoke else None
    if foreground is None and not headless and sys.stdin.isatty() and sys.stdout.isatty():
        foreground = terminal.show_dashboard
    terminal.say_begins((settings.data_dir or embedded.default_data_dir()).absolute())

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        with suppress(StartInterrupted):
            await launch_engine(
                settings,
                stop=stop,
                force_stop=force_stop,
                foreground=foreground,
                on_notice=terminal.show_notice,
            )

    _run_process("up", run)


main.add_command(attack)
main.add_command(bench)
main.add_command(chaos)
main.add_command(deployments)
main.add_command(dashboard, "dashboard")
main.add_command(dashboard, "tui")


def _load_settings(**options: object) -> Settings:
    try:
        settings = Settings.load(**options)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    observe.configure_logging(settings.log_level, settings.log_format)
    return settings


def _start_trace(process: str, settings: Settings) -> None:
    try:
        trace.start_trace(process, settings.trace_dir)
    except OSError as error:
        name = get_variable_name("trace_dir")
        raise click.ClickException(f"{name}: no trace can be written: {error}") from None


def _report_api_ready(url: str) -> None:
    tune_gc()
    click.echo(build_ready_message(url))
    sys.stdout.flush()


def _report_ready(url: str) -> None:
    tune_gc()
    click.echo(f"ready {url}")
    sys.stdout.flush()


def _run_process(
    process: str,
    serve: ProcessMain,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run a process until it ends or gets a stop signal; a second signal forces a fast stop.

    Serving processes run on uvloop. ``up`` does not: uvloop cannot start a child in its own
    process group.
    """

    async def main_task() -> None:
        stop, force_stop = asyncio.Event(), asyncio.Event()

        def request_stop() -> None:
            (force_stop if stop.is_set() else stop).set()
            observe.process_stopping(process)

        def request_stop_without_terminal() -> None:
            _leave_terminal()
            request_stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, request_stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it ignored
            loop.add_signal_handler(signal.SIGHUP, request_stop_without_terminal)
        await serve(stop, force_stop)

    raise_descriptor_limit()
    with _report_user_errors(), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main_task())


def _leave_terminal() -> None:
    """Write nothing more to a terminal that is closed: each write to it would be an error."""
    with Path(os.devnull).open("w", encoding="ascii") as nowhere:
        for descriptor in (1, 2):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere.fileno(), descriptor)


@contextmanager
def _report_user_errors() -> Iterator[None]:
    """Report errors that the user can fix as a sentence without a traceback."""
    try:
        yield
    except (ConfigurationError, MigrationError) as error:
        raise click.ClickException(str(error)) from None
    except EngineError as error:
        raise click.ClickException(error.reason) from None
    except DATABASE_ERRORS as error:
        raise click.ClickException(f"a required server is not responding: {error}") from None


if __name__ == "__main__":
    main(prog_name=os.environ.get("ORDER_ENGINE_PROG", "order-engine"))

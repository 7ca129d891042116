"""What the commands share: settings, the run of a process, and errors as sentences."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from backend.config import (
    ConfigurationError,
    Profile,
    Settings,
    find_unknown_variables,
    get_variable_name,
)
from backend.domain.errors import EngineError
from backend.runtime import observe, order_traces, trace
from backend.runtime.resources.descriptors import raise_descriptor_limit
from backend.runtime.resources.memory import tune_gc

ProcessMain = Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]
"""Runs until the first event is set; the second asks it to stop at once."""

PROFILE_CHOICE = click.Choice([profile.value for profile in Profile])


def load_settings(**options: object) -> Settings:
    """Read the settings, of which ``options`` replace some, and configure the log by them."""
    try:
        settings = Settings.load(**options)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    for sentence in find_unknown_variables(os.environ):
        click.echo(f"Warning: {sentence}", err=True)
    observe.configure_logging(settings.log_level, settings.log_format)
    return settings


def load_report_settings(**options: object) -> Settings:
    """Read the settings of a command that prints a report: its log has errors only.

    A level that the environment sets is that of the log in any case.
    """
    if get_variable_name("log_level") in os.environ:
        return load_settings(**options)
    return load_settings(log_level="error", **options)


def start_trace(process: str, settings: Settings) -> None:
    """Write a trace, and send those of orders, if the settings ask for them."""
    try:
        trace.start_trace(process, settings.trace_dir)
    except OSError as error:
        name = get_variable_name("trace_dir")
        raise click.ClickException(f"{name}: no trace can be written: {error}") from None
    try:
        order_traces.start_order_traces(process, settings.otlp_url, settings.traces_share)
    except order_traces.TracesUnavailable as error:
        raise click.ClickException(f"{get_variable_name('otlp_url')}: {error}") from None


def report_ready(message: str) -> None:
    """Print the line that says that the process accepts work."""
    tune_gc()
    click.echo(message)
    sys.stdout.flush()


def run_process(
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
    try:
        with report_user_errors(), asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main_task())
    finally:
        order_traces.stop_order_traces()


def _leave_terminal() -> None:
    """Write nothing more to a terminal that is closed: each write to it would be an error."""
    with Path(os.devnull).open("w", encoding="ascii") as nowhere:
        for descriptor in (1, 2):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere.fileno(), descriptor)


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Report errors that the user can fix as a sentence without a traceback."""
    try:
        yield
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    except EngineError as error:
        raise click.ClickException(error.reason) from None


@contextmanager
def report_system_errors(process: str) -> Iterator[None]:
    """Report errors of the operating system, as of a folder, as a sentence without a traceback."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{process}: {error}") from None

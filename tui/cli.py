"""The ``dashboard`` command: builds the session from its options and runs the dashboard."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from time import monotonic, time_ns
from uuid import UUID

import click

from tui import terminal
from tui.app import Dashboard
from tui.connection.client import ApiClient
from tui.connection.feed import Feed
from tui.connection.recording import InvalidRecording, Recorder, Replay
from tui.console import ConsoleOutput, RefusedByServer
from tui.model.model import ORDERS_MAX
from tui.session import Session
from tui.settings import Settings, default_path
from tui.text.symbols import ASCII, UNICODE, needs_ascii

DEFAULT_URL = "http://127.0.0.1:3000"
_GC_THRESHOLDS = (20_000, 20, 1_000)
"""Thresholds of the garbage collector. Orders are in no reference cycles, and scanning tens of
thousands of them takes long enough to delay a frame; the dashboard collects while it is idle."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one run; ``replay`` takes precedence over ``url``."""

    url: str = DEFAULT_URL
    key: str | None = field(default=None, repr=False)
    is_plain: bool = False
    is_ascii: bool = False
    record: Path | None = None
    replay: Path | None = None
    speed: float = 1


@click.command()
@click.option(
    "--url",
    envvar="ORDER_ENGINE_URL",
    default=DEFAULT_URL,
    show_default=True,
    help="Address of the API.",
)
@click.option(
    "--key",
    envvar="ORDER_ENGINE_API_KEY",
    show_envvar=True,
    help="The API key, if the API requires one. Better by the variable or by --key-file: the list"
    " of processes shows options to everybody on this machine.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="ORDER_ENGINE_API_KEY_FILE",
    show_envvar=True,
    help="File that holds the API key.",
)
@click.option(
    "--plain", "is_plain", is_flag=True, help="Write lines to standard output, for pipes."
)
@click.option("--ascii", "is_ascii", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--record", type=click.Path(path_type=Path), help="Record every message to a file.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Show a recording instead of a server.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Replay speed as a multiple of real time; 0 is as fast as possible.",
)
def main(
    *,
    url: str,
    key: str | None,
    key_file: Path | None,
    is_plain: bool,
    is_ascii: bool,
    record: Path | None,
    replay: Path | None,
    speed: float,
) -> None:
    """Follow the orders of an engine in the terminal."""
    key = _choose_key(key, key_file)
    sys.exit(run(Options(url, key, is_plain, is_ascii, record, replay, speed)))


def _choose_key(key: str | None, key_file: Path | None) -> str | None:
    """The API key: of an option before that of a variable."""
    context = click.get_current_context()
    is_option = {
        name: context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        for name in ("key", "key_file")
    }
    if is_option["key"]:
        if is_option["key_file"]:
            raise click.UsageError("give --key or --key-file, not both")
        text = "the list of processes shows --key: set ORDER_ENGINE_API_KEY, or use --key-file"
        click.echo(f"order-engine tui: {text}", err=True)
        return key
    if key_file is None or (key and not is_option["key_file"]):
        return key
    return _read_key(key_file)


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"the key file {path} cannot be read: {error}") from None
    if not key:
        raise click.UsageError(f"the key file {path} is empty")
    return key


def run(options: Options) -> int:
    """Run the dashboard until the user quits; returns the exit status."""
    try:
        return _run_plain(options) if options.is_plain else _run_dashboard(options)
    except (InvalidRecording, RefusedByServer, OSError) as error:
        click.echo(f"order-engine dashboard: {error}", err=True)
        return 1


def _run_dashboard(options: Options) -> int:
    standard_input = terminal.find_terminal()
    if standard_input is None:
        text = "this is no terminal; --plain writes lines instead"
        click.echo(f"order-engine dashboard: {text}", err=True)
        return 2
    path = default_path()
    session = _create_session(options, Settings.load(path))

    def connect(url: str) -> Session:
        return _create_session(replace(options, url=url, record=None), session.settings)

    def save_state() -> None:
        if session.recorder is not None:
            session.recorder.close()
        with suppress(OSError):  # losing the settings is no reason to fail
            session.settings.save(path)

    gc.set_threshold(*_GC_THRESHOLDS)
    app = Dashboard(session, connect=connect if options.replay is None else None)
    terminal.watch_terminal(standard_input, save_state)
    app.run()
    save_state()
    return app.return_code or 0


def _run_plain(options: Options) -> int:
    session = _create_session(options, Settings())
    try:
        asyncio.run(ConsoleOutput(session, click.echo).run())
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
    return 0


def _create_session(options: Options, settings: Settings) -> Session:
    client, recording = None, ""
    if options.replay is not None:
        source: Feed | Replay = Replay(options.replay, speed=options.speed, time_s=monotonic)
        recording = f"recording {options.replay.name} at {options.speed:g}x"
    else:
        client = ApiClient(options.url, key=options.key)
        source = Feed(client, now_ms=_now_ms, random=SystemRandom(), orders_max=ORDERS_MAX)
    is_ascii = options.is_ascii or needs_ascii(sys.stdout.encoding or "ascii")
    return Session(
        source=source,
        client=client,
        symbols=ASCII if is_ascii else UNICODE,
        timezone=datetime.fromtimestamp(_now_ms() / 1_000, tz=UTC).astimezone().tzinfo or UTC,
        settings=settings,
        new_id=_new_id,
        recording=recording,
        recorder=None if options.record is None else Recorder(options.record),
    )


def _now_ms() -> int:
    return time_ns() // 1_000_000


def _new_id() -> str:
    return str(UUID(int=SystemRandom().getrandbits(128), version=4))

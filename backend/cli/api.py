"""``order-engine api``: a process that serves the API."""

from __future__ import annotations

import asyncio
import socket

import click
import uvloop

from backend.api.server.process import serve_api
from backend.cli.database_errors import report_database_errors
from backend.cli.process import load_settings, report_ready, run_process, start_trace
from backend.embedded.ready_message import build_ready_message

DRAIN_S = 5.0
"""How long ``api`` still takes orders when it is to stop, unless a setting says otherwise."""


@click.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 picks a free one.")
@click.option(
    "--fd", "fds", type=int, multiple=True, help="File descriptor of an open listening socket."
)
def api(host: str | None, port: int | None, fds: tuple[int, ...]) -> None:
    """Serve the HTTP and WebSocket API."""
    settings = load_settings(host=host, port=port)
    start_trace("api", settings)
    if settings.drain_s is None and not fds:  # else the socket outlives this process
        settings = settings.model_copy(update={"drain_s": DRAIN_S})
    listeners = [socket.socket(fileno=fd) for fd in fds]

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        await serve_api(
            settings,
            on_ready=lambda url: report_ready(build_ready_message(url)),
            stop=stop,
            force_stop=force_stop,
            listeners=listeners,
        )

    with report_database_errors():
        run_process("api", run, uvloop.new_event_loop)

"""``order-engine worker``: a process that executes orders."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import click
import uvloop

from backend.api.server.exposure import build_metrics_access, build_public_address
from backend.api.server.listener import format_url, open_listeners
from backend.cli.database_errors import report_database_errors
from backend.cli.process import load_settings, report_ready, run_process, start_trace
from backend.engine.metrics_server import Readiness, serve_metrics
from backend.engine.worker import run_worker
from backend.runtime.startup import StartInterrupted


@click.command()
@click.option("--metrics-port", type=int, help="Port of /metrics and /readyz; 0 picks a free one.")
def worker(metrics_port: int | None) -> None:
    """Execute orders from the queue."""
    settings = load_settings(metrics_port=metrics_port)
    start_trace("worker", settings)

    async def run(stop: asyncio.Event, force_stop: asyncio.Event) -> None:
        listeners = open_listeners(settings.host, settings.metrics_port)
        url = f"{format_url(listeners[0])}/metrics"
        find_refusal = build_metrics_access(settings, build_public_address(settings)).find_refusal
        readiness = Readiness()

        def report_start() -> None:
            readiness.start()
            report_ready(f"ready {url}")

        with serve_metrics(listeners, find_refusal, readiness), suppress(StartInterrupted):
            await run_worker(settings, on_ready=report_start, stop=stop, tell=readiness.tell)

    with report_database_errors():
        run_process("worker", run, uvloop.new_event_loop)

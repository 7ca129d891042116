"""How long an archive of past orders takes, beside orders at a fixed rate, and what remains."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp

from backend.domain.errors import Rejected
from backend.trials import process_usage as usage
from backend.trials.bench.bench_run import BenchRun
from backend.trials.bench.figures import Figures, summarize_delays
from backend.trials.bench.past_orders import HISTORY_OWNER

POLL_S: Final = 0.2
_COUNT: Final = "SELECT count(*) FROM orders WHERE owner = $1"
_SIZES: Final = """
SELECT pg_total_relation_size('orders') + pg_total_relation_size('order_events') AS tables,
       pg_total_relation_size('archived_orders') AS kept
"""
_COMMAND: Final = (sys.executable, "-m", "backend.cli", "archive", "--older-than", "1d", "--to")


async def measure_archive(run: BenchRun, folder: Path, orders: int, rate: float) -> Figures:
    """Archive all past orders while ``orders`` others are posted at ``rate`` per second.

    Raises ``Rejected`` if the command fails or leaves a past order.
    """
    loop = asyncio.get_running_loop()
    past = await run.connection.fetchval(_COUNT, HISTORY_OWNER)
    before = await run.connection.fetchrow(_SIZES)
    async with aiohttp.ClientSession() as session:
        alone, _, _ = await run.post_with_streams(session, 1, orders, rate)
        environment = {**os.environ, "DATABASE_URL": run.system.database_url}
        started_s = loop.time()
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, str(folder), env=environment, stdout=DEVNULL
        )
        async with asyncio.TaskGroup() as group:
            peak = group.create_task(_watch_memory(process))
            beside, _, _ = await run.post_with_streams(session, 1, orders, rate)
        took_s = loop.time() - started_s
    left = await run.connection.fetchval(_COUNT, HISTORY_OWNER)
    if process.returncode or left:
        raise Rejected("archive_failed", f"the archive left {left} orders: {process.returncode}")
    sizes = await run.connection.fetchrow(_SIZES)
    assert before is not None
    assert sizes is not None
    written = await asyncio.to_thread(_sum_sizes, folder)
    return {
        "archived_orders_per_s": past / took_s,
        "archive_seconds": took_s,
        "archive_peak_mib": peak.result() / 2**20,
        "table_bytes_per_order": before["tables"] / past,
        "kept_bytes_per_order": sizes["kept"] / past,
        "file_bytes_per_order": written / past,
        **summarize_delays("event_to_socket_alone", alone.delays_s),
        **summarize_delays("event_to_socket_beside", beside.delays_s),
    }


def _sum_sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


async def _watch_memory(process: Process) -> int:
    """The most memory that a process has had, once it has ended."""
    peak = 0
    while process.returncode is None:
        peak = max(peak, usage.read_memory_bytes([process.pid], "VmHWM"))
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await process.wait()
    return peak

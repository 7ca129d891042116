"""A run of the trace: orders one at a time, and the waterfall of what happens in each."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from backend.runtime.trace import TraceEntry, read_traces
from backend.trials.bench.bench_run import BenchRun
from backend.trials.bench.figures import drop_memory_figures, summarize_delays
from backend.trials.bench.listeners import RECEIVE_TIMEOUT_S, STREAM_PATH
from backend.trials.bench.tracing.trace_client import TraceClient
from backend.trials.bench.tracing.waterfall import WaterfallStep, build_waterfall


async def trace_orders(
    run: BenchRun, trace_dir: Path, count: int
) -> tuple[dict[str, float], list[WaterfallStep]]:
    """Post ``count`` orders one at a time; the figures, and the waterfall of an order."""
    url = run.system.api_url + STREAM_PATH
    requests = run.build_requests(count)
    async with (
        aiohttp.ClientSession(headers=run.system.headers) as session,
        session.ws_connect(url) as stream,
    ):
        await stream.receive_json(timeout=RECEIVE_TIMEOUT_S)  # the hello message
        client = TraceClient(run.client, stream)
        _, figures = await run.measure(lambda: client.post_each(requests))
    times_s = [window.confirmed_s - window.posted_s for window in client.windows]
    entries = sorted([*read_traces(trace_dir), *client.entries], key=_get_start)
    return (
        {**summarize_delays("end_to_end", times_s), **drop_memory_figures(figures)},
        build_waterfall(entries, client.windows),
    )


def _get_start(entry: TraceEntry) -> float:
    return entry.started_s

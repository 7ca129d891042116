"""How long an owner's single orders take while another owner has a backlog, and without one.

The workers are paused while the backlog is stored, so that all of it waits when they go on: the
first orders of the other owner come right then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from backend.trials.bench import verification
from backend.trials.bench.bench_run import BenchRun
from backend.trials.bench.figures import Figures, summarize_delays
from backend.trials.bench.load_client import PostResults
from backend.trials.bench.verification import Connection

OWNER_KEYS: Final = {"few": "few-orders-000000", "many": "many-orders-00000"}
"""Two owners and their API keys."""

_SELECT_CONFIRMATIONS: Final = """
SELECT order_id::text, extract(epoch FROM at)::float8 AS at_s FROM order_events
WHERE order_id = ANY($1::uuid[]) AND status = 'confirmed'
"""
_SELECT_STEPS: Final = """
SELECT status::text, percentile_cont(0.5) WITHIN GROUP (ORDER BY took_s)::float8 AS p50_s
FROM (
    SELECT status, extract(epoch FROM at - lag(at) OVER (PARTITION BY order_id ORDER BY seq))
        AS took_s
    FROM order_events WHERE order_id = ANY($1::uuid[])
) steps
WHERE took_s IS NOT NULL GROUP BY status ORDER BY status
"""


@dataclass(frozen=True, slots=True)
class FairnessLoad:
    """Orders of the two owners; the single ones come at ``rate`` per second."""

    singles: int
    rate: float
    backlog: int
    batch_orders: int


async def measure_fairness(run: BenchRun, load: FairnessLoad) -> Figures:
    """Measure single orders on the idle engine, then behind the other owner's backlog."""
    figures: dict[str, float] = {}
    _, idle = await run.measure(lambda: _post_singles(run, load, "idle", figures))
    batches = run.build_requests(load.backlog, batch=load.batch_orders, key=OWNER_KEYS["many"])

    async def post_behind_backlog() -> PostResults:
        with _pause_processes(run.system.pids["worker"]):
            many = await run.client.post(batches)
        results = await _post_singles(run, load, "behind_backlog", figures)
        figures["backlog_left"] = float(await verification.count_open_orders(run.connection))
        results.due_at_s.update(many.due_at_s)
        return results

    _, loaded = await run.measure(post_behind_backlog)
    figures["orders_per_s"] = loaded["orders_per_s"]
    async with aiohttp.ClientSession() as session:
        figures["leases_lost"] = await run.system.sum_worker_metric(session, "leases_lost_total")
    figures["calibration_ms"] = (idle["calibration_ms"] + loaded["calibration_ms"]) / 2
    return figures


async def _post_singles(
    run: BenchRun, load: FairnessLoad, name: str, figures: dict[str, float]
) -> PostResults:
    requests = run.build_requests(load.singles, key=OWNER_KEYS["few"])
    results = await run.client.post(requests, load.rate)
    await verification.wait_until_ended(run.connection, list(results.due_at_s))
    delays_s = await _read_end_to_end_s(run.connection, results, run.clock_offset_s)
    figures[f"{name}_first_ms"] = delays_s[0] * 1_000
    figures |= summarize_delays(f"{name}_end_to_end", delays_s)
    for row in await run.connection.fetch(_SELECT_STEPS, list(results.due_at_s)):
        figures[f"{name}_to_{row['status']}_p50_ms"] = row["p50_s"] * 1_000
    return results


async def _read_end_to_end_s(
    connection: Connection, results: PostResults, clock_offset_s: float
) -> Sequence[float]:
    rows = await connection.fetch(_SELECT_CONFIRMATIONS, list(results.due_at_s))
    at_s = {row["order_id"]: row["at_s"] - clock_offset_s for row in rows}
    return [at_s[each] - due_s for each, due_s in results.due_at_s.items() if each in at_s]


@contextmanager
def _pause_processes(pids: Sequence[int]) -> Iterator[None]:
    _send_signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _send_signal(pids, signal.SIGCONT)


def _send_signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)

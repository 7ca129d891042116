"""What further API processes cost: the same orders and sockets, served by more processes."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from backend.trials.bench.bench_run import BenchRun
from backend.trials.bench.figures import Figures, summarize_delays
from backend.trials.bench.listeners import open_unlimited_session

_COSTS: Final = ("cpu_us_per_order_api", "cpu_us_per_order_postgres", "cpu_us_per_order_worker")
_OTHERS: Final = ("post_p99_ms", "cpu_us_per_order_redis", "calibration_ms")
_COUNT_CONNECTIONS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'order-engine%'
"""


async def measure_api_processes(
    opening: AbstractAsyncContextManager[BenchRun],
    processes: int,
    *,
    sockets: int,
    orders: int,
    rate: float,
) -> tuple[Figures, list[str]]:
    """Post orders while ``sockets`` streams receive all; figures that begin with the number.

    The processes accept from one listening socket, so that they have the streams about evenly.
    """
    async with opening as run, open_unlimited_session(run.system.headers) as session:
        received, results, measured = await run.post_with_streams(session, sockets, orders, rate)
        connections = await run.connection.fetchval(_COUNT_CONNECTIONS)
        figures = summarize_delays("event_to_socket", received.delays_s)
        figures |= {name: measured[name] for name in (*_COSTS, *_OTHERS) if name in measured}
        figures["postgres_connections"] = float(connections)
        missing = len(results.due_at_s.keys() - received.confirmed_at_s.keys())
        violations = await run.find_violations()
    if missing:
        violations.append(f"{missing} confirmations were not received on a stream")
    return {f"{processes}_apis_{name}": value for name, value in figures.items()}, violations

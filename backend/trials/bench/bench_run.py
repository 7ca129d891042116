"""One benchmark run: a running engine over its own database, a load client, and the measurements
taken around the client's load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

import aiohttp

from backend.domain.errors import Transient
from backend.embedded import ServerUrls
from backend.trials import process_usage as usage
from backend.trials.bench import order_bodies, verification
from backend.trials.bench.figures import (
    measure_after_rest_factor,
    measure_calibration_ms,
    summarize_delays,
)
from backend.trials.bench.listeners import ReceivedEvents, open_streams, wait_for_confirmations
from backend.trials.bench.load_client import LoadClient, PostResults, open_load_client
from backend.trials.bench.servers import connect, create_run_database, reserve_redis_database
from backend.trials.bench.system import EngineLayout, RunningEngine, start_engine
from backend.trials.bench.verification import Connection

POLL_INTERVAL_S: Final = 0.25
STALL_TIMEOUT_S: Final = 60.0
"""A run is aborted if no order ends for this long. Longer than a lease and its sweep."""


class _UsageSample(NamedTuple):
    at_s: float
    cpu_s: Mapping[str, float]
    wal_bytes: float
    worker_bytes: int


@dataclass(slots=True)
class BenchRun:
    """The parts of one run. Event loop time plus ``clock_offset_s`` is database time."""

    system: RunningEngine
    client: LoadClient
    connection: Connection
    random: Random
    clock_offset_s: float
    accepted: set[str] = field(default_factory=set)

    def build_requests(self, count: int, *, batch: int = 0, key: str = "") -> list[bytes]:
        """Build requests for ``count`` orders: one order each, or batches of ``batch`` orders.

        ``key`` is their API key; without one it is the first that the engine has, if it has any.
        """
        key = key or next(iter(self.system.api_keys), "")
        bodies = order_bodies.build_bodies(self.random, count)
        if batch:
            return order_bodies.build_batch_requests(self.system.api_url, bodies, batch, key)
        return order_bodies.build_single_requests(self.system.api_url, bodies, key)

    async def warm_up(self, count: int) -> None:
        """Run ``count`` orders before the measurement, half of them in a batch."""
        if count:
            single_requests = self.build_requests(count - count // 2)
            self.record_accepted(await self.client.post(single_requests))
            batch_requests = self.build_requests(count // 2 or 1, batch=count)
            self.record_accepted(await self.client.post(batch_requests))
        await self.wait_until_drained()

    async def measure(
        self, post_orders: Callable[[], Awaitable[PostResults]]
    ) -> tuple[PostResults, dict[str, float]]:
        """Post orders, wait until all have ended, and return the results with the figures.

        Raises ``Transient`` if orders do not end, or if a process exits.
        """
        loop = asyncio.get_running_loop()
        calibration = [measure_calibration_ms(loop.time)]
        after_rest = [measure_after_rest_factor(loop.time)]
        usage.reset_memory_peaks(self.system.pids["worker"])
        before = await self._take_usage_sample()
        results = await post_orders()
        self.record_accepted(results)
        open_max = await self.wait_until_drained()
        after = await self._take_usage_sample()
        calibration.append(measure_calibration_ms(loop.time))
        after_rest.append(measure_after_rest_factor(loop.time))
        totals = await verification.read_totals(self.connection, before.at_s + self.clock_offset_s)
        order_count = totals.orders or 1
        took_s = totals.last_s - (results.started_s + self.clock_offset_s)
        growth = usage.read_memory_bytes(self.system.pids["worker"], "VmHWM") - before.worker_bytes
        figures = {
            "orders_per_s": totals.confirmed / took_s,
            "seconds_to_last_confirmed": took_s,
            "not_confirmed": float(totals.orders - totals.confirmed),
            **summarize_delays("post", results.delays_s),
            **{
                f"cpu_us_per_order_{name}": (used_s - before.cpu_s[name]) / order_count * 1e6
                for name, used_s in after.cpu_s.items()
            },
            "wal_bytes_per_order": (after.wal_bytes - before.wal_bytes) / order_count,
            "rows_per_order": (totals.orders + totals.events) / order_count,
            "open_orders_max": float(open_max),
            "worker_growth_kib": growth / 1_024,
            "calibration_ms": sum(calibration) / 2,
            "after_rest_factor": sum(after_rest) / 2,
        }
        return results, figures

    async def post_with_streams(
        self, session: aiohttp.ClientSession, sockets: int, count: int, rate: float
    ) -> tuple[ReceivedEvents, PostResults, dict[str, float]]:
        """Post ``count`` orders at ``rate`` per second while ``sockets`` streams receive all
        events. Raises as ``measure``.
        """
        received = ReceivedEvents(self.clock_offset_s)
        requests = self.build_requests(count)

        async def post_and_receive() -> PostResults:
            results = await self.client.post(requests, rate)
            await wait_for_confirmations(received, results)
            return results

        async with open_streams(session, self.system.api_url, sockets, received):
            results, figures = await self.measure(post_and_receive)
        return received, results, figures

    async def find_violations(self) -> list[str]:
        """Compare the accepted orders since engine start with the database and the ledger."""
        return verification.find_violations(
            self.accepted,
            await verification.read_orders(self.connection),
            await verification.read_swap_signatures(self.system.chain_url),
        )

    def record_accepted(self, results: PostResults) -> None:
        """Remember which orders were accepted, for ``find_violations``."""
        self.accepted |= results.due_at_s.keys()

    async def _take_usage_sample(self) -> _UsageSample:
        return _UsageSample(
            asyncio.get_running_loop().time(),
            usage.read_cpu_s(self.system.pids),
            await verification.read_wal_bytes(self.connection),
            usage.read_memory_bytes(self.system.pids["worker"], "VmRSS"),
        )

    async def wait_until_drained(self) -> int:
        """Wait until every order has ended; return the highest number of open orders."""
        loop = asyncio.get_running_loop()
        open_max = open_count = await verification.count_open_orders(self.connection)
        progress_at_s = loop.time()
        while open_count:
            await asyncio.sleep(POLL_INTERVAL_S)
            self.system.check_processes()
            new_count = await verification.count_open_orders(self.connection)
            if new_count != open_count:
                progress_at_s = loop.time()
            elif loop.time() - progress_at_s > STALL_TIMEOUT_S:
                reason = f"{new_count} orders have not ended in {STALL_TIMEOUT_S:g} s"
                raise Transient("stalled", reason)
            open_count, open_max = new_count, max(open_max, new_count)
        return open_max


@asynccontextmanager
async def open_bench_run(
    layout: EngineLayout,
    servers: ServerUrls,
    *,
    connections: int,
    warm_up: int,
    template_url: str | None = None,
) -> AsyncIterator[BenchRun]:
    """Start an engine over a new database, or a copy of ``template_url``, and warm it up."""
    loop = asyncio.get_running_loop()
    async with (
        create_run_database(servers.database_url, template_url) as database_url,
        reserve_redis_database(servers.redis_url) as redis_url,
        start_engine(layout, database_url, redis_url) as system,
        open_load_client(system.api_url, connections) as client,
    ):
        connection = await connect(database_url)
        try:
            clock_offset_s = await verification.measure_clock_offset_s(connection, loop.time)
            seed = f"{layout.seed} orders"
            random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
            bench_run = BenchRun(system, client, connection, random, clock_offset_s)
            await bench_run.warm_up(warm_up)
            yield bench_run
        finally:
            await connection.close()

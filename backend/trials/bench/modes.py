"""The benchmark's modes: each run starts from scratch and returns its figures and violations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from backend.config import Profile
from backend.embedded import ServerUrls
from backend.trials.bench import order_bodies
from backend.trials.bench.bench_run import BenchRun, open_bench_run
from backend.trials.bench.figures import (
    Figures,
    difference_percent,
    drop_memory_figures,
    select_stream_figures,
    summarize_delays,
)
from backend.trials.bench.listeners import (
    ReceivedEvents,
    open_unlimited_session,
    place_on_order_sockets,
)
from backend.trials.bench.load_parameters import LoadParameters, Mode
from backend.trials.bench.measurements.api_processes import measure_api_processes
from backend.trials.bench.measurements.archive import measure_archive
from backend.trials.bench.measurements.database_ceiling import measure_record_rates
from backend.trials.bench.measurements.fairness import OWNER_KEYS, FairnessLoad, measure_fairness
from backend.trials.bench.measurements.reads import measure_reads
from backend.trials.bench.measurements.waiting import measure_latency, measure_waiting
from backend.trials.bench.past_orders import insert_past_orders
from backend.trials.bench.servers import create_run_database
from backend.trials.bench.system import EngineLayout
from backend.trials.bench.tracing.trace_run import trace_orders
from backend.trials.bench.tracing.waterfall import WaterfallStep


class RunResult(NamedTuple):
    """The figures of a run and the violations found in it."""

    figures: Figures
    violations: list[str]
    waterfall: Sequence[WaterfallStep] = ()


@dataclass(frozen=True, slots=True)
class ModeRunner:
    """Runs any mode. ``open_history_database`` returns the URL of a database with past orders,
    ``open_shared_run`` the engine of runs that share one.
    """

    load: LoadParameters
    layout: EngineLayout
    servers: ServerUrls
    open_history_database: Callable[[], Awaitable[str]]
    open_shared_run: Callable[[], Awaitable[BenchRun]]

    async def run(self, mode: Mode, number: int) -> RunResult:
        """Execute one run of ``mode``. Raises ``EngineError`` if it cannot be completed."""
        posts = partial(self._run_posts, mode, self.load.orders[mode])
        runs: Mapping[Mode, Callable[[], Awaitable[RunResult]]] = {
            Mode.SINGLE: posts,
            Mode.BATCH: posts,
            Mode.RATE: self._run_rate,
            Mode.TRACE: self._run_trace,
            Mode.DEMO: self._run_demo,
            Mode.STREAM: self._run_stream,
            Mode.APIS: self._run_apis,
            Mode.HISTORY: partial(self._run_history, number),
            Mode.READS: self._run_reads,
            Mode.ARCHIVE: self._run_archive,
            Mode.FAIRNESS: self._run_fairness,
            Mode.WAITING: self._run_waiting,
            Mode.PGBENCH: self._run_pgbench,
        }
        return await runs[mode]()

    async def _run_posts(
        self, mode: Mode, count: int, template_url: str | None = None
    ) -> RunResult:
        is_batch = mode is Mode.BATCH
        connections = self.load.batches_at_once if is_batch else self.load.connections
        async with self._open_run(connections=connections, template_url=template_url) as run:
            requests = run.build_requests(count, batch=self.load.batch_orders if is_batch else 0)
            _, figures = await run.measure(lambda: run.client.post(requests))
            return RunResult(drop_memory_figures(figures), await run.find_violations())

    async def _run_rate(self) -> RunResult:
        count, rate = self.load.orders[Mode.RATE], self.load.single_rate
        async with self._open_run() as run, open_unlimited_session(run.system.headers) as session:
            received, results, figures = await run.post_with_streams(session, 1, count, rate)
            end_to_end_s = received.compute_end_to_end_s(results)
            return RunResult(
                {
                    **summarize_delays("end_to_end", end_to_end_s),
                    **summarize_delays("event_to_socket", received.delays_s),
                    **drop_memory_figures(figures),
                },
                await run.find_violations()
                + _describe_unreceived(len(results.due_at_s) - len(end_to_end_s)),
            )

    async def _run_trace(self) -> RunResult:
        trace_dir = self.layout.data_dir / "traces"
        trace_dir.mkdir(exist_ok=True)
        async with self._open_run(replace(self.layout, trace_dir=trace_dir)) as run:
            figures, steps = await trace_orders(run, trace_dir, self.load.orders[Mode.TRACE])
            return RunResult(figures, await run.find_violations(), steps)

    async def _run_demo(self) -> RunResult:
        count = self.load.orders[Mode.DEMO]
        size = self.load.batch_orders
        layout = replace(self.layout, profile=Profile.DEMO)
        async with self._open_run(layout, connections=ceil(count / size)) as run:
            requests = run.build_requests(count, batch=size)
            _, figures = await run.measure(lambda: run.client.post(requests))
            per_order = figures["worker_growth_kib"] / figures["open_orders_max"]
            memory = {"worker_kib_per_order_in_flight": per_order}
            return RunResult(memory | figures, await run.find_violations())

    async def _run_stream(self) -> RunResult:
        figures: dict[str, float] = {}
        async with self._open_run() as run, open_unlimited_session(run.system.headers) as session:
            for count in self.load.order_socket_counts:
                stream_figures = await self._measure_order_sockets(run, session, count)
                figures |= select_stream_figures(f"{count}_order_sockets", stream_figures)
            violations: list[str] = []
            for count in self.load.stream_counts:
                received, results, stream_figures = await run.post_with_streams(
                    session, count, self.load.orders[Mode.STREAM], self.load.stream_rate
                )
                stream_figures |= summarize_delays("event_to_socket", received.delays_s)
                figures |= select_stream_figures(f"{count}_streams_of_all", stream_figures)
                violations += _describe_unreceived(
                    len(results.due_at_s.keys() - received.confirmed_at_s.keys())
                )
            return RunResult(figures, await run.find_violations() + violations)

    async def _measure_order_sockets(
        self, run: BenchRun, session: aiohttp.ClientSession, count: int
    ) -> Figures:
        received = ReceivedEvents(run.clock_offset_s)
        bodies = order_bodies.build_bodies(run.random, self.load.orders[Mode.STREAM])
        _, figures = await run.measure(
            lambda: place_on_order_sockets(
                session,
                run.system.api_url,
                bodies,
                count=count,
                rate=self.load.stream_rate,
                received=received,
            )
        )
        figures.pop("orders_per_s")  # meaningless: sockets are opened between the rounds
        return {**summarize_delays("event_to_socket", received.delays_s), **figures}

    async def _run_history(self, number: int) -> RunResult:
        history_url = await self.open_history_database()
        count = self.load.orders[Mode.HISTORY]
        urls = {"empty": None, "with_history": history_url}
        figures: dict[str, float] = {}
        violations: list[str] = []
        for mode in self.load.history_modes:
            # The order alternates: neither always runs right after the database was copied.
            names = sorted(urls, reverse=number % 2 == 0)
            results = {name: await self._run_posts(mode, count, urls[name]) for name in names}
            rate, base = (results[key].figures["orders_per_s"] for key in ("with_history", "empty"))
            figures[f"{mode}_difference_percent"] = difference_percent(rate, base)
            for name, result in results.items():
                figures |= {
                    f"{mode}_{name}_{key}": result.figures[key] for key in _COMPARED_FIGURES
                }
                violations += result.violations
        return RunResult(figures, violations)

    async def _run_apis(self) -> RunResult:
        load, figures, violations = self.load, dict[str, float](), list[str]()
        for count in load.api_counts:
            measured, found = await measure_api_processes(
                self._open_run(replace(self.layout, apis=count)),
                count,
                sockets=load.api_streams,
                orders=load.orders[Mode.APIS],
                rate=load.api_rate,
            )
            figures |= measured
            violations += found
        return RunResult(figures, violations)

    async def _run_reads(self) -> RunResult:
        past_url = await self.open_history_database()
        few = self.load.orders[Mode.READS]
        async with create_run_database(self.servers.database_url) as few_url:
            await insert_past_orders(few_url, few, lambda _: None)
            return RunResult(await measure_reads(few_url, past_url, self.load.read_repeats), [])

    async def _run_archive(self) -> RunResult:
        past_url = await self.open_history_database()
        orders, rate = self.load.orders[Mode.ARCHIVE], self.load.api_rate
        async with self._open_run(template_url=past_url) as run:
            name = Path(run.system.database_url.partition("?")[0]).name
            folder = self.layout.data_dir / "archives" / name
            figures = await measure_archive(run, folder, orders, rate)
            return RunResult(figures, await run.find_violations())

    async def _run_fairness(self) -> RunResult:
        backlog, size = self.load.orders[Mode.FAIRNESS], self.load.batch_orders
        load = FairnessLoad(self.load.fairness_singles, self.load.fairness_rate, backlog, size)
        layout = replace(self.layout, owner_keys=OWNER_KEYS)
        async with self._open_run(layout, connections=4) as run:
            figures = await measure_fairness(run, load)
            return RunResult(figures, await run.find_violations())

    async def _run_waiting(self) -> RunResult:
        load = self.load.waiting
        count, size = self.load.orders[Mode.WAITING], self.load.batch_orders
        # An engine of its own: what waits would wait in those of other modes, too.
        async with self._open_run(self.layout, connections=2) as run:
            figures = await measure_waiting(run, load, count, size)
            violations = await run.find_violations()
        if load.ladder:
            layout = replace(self.layout, profile=Profile.DEMO)
            async with self._open_run(layout, connections=2) as run:
                figures = {**figures, **await measure_latency(run, load, size)}
                violations += await run.find_violations()
        return RunResult(figures, violations)

    async def _run_pgbench(self) -> RunResult:
        orders, rows = self.load.orders[Mode.PGBENCH], self.load.ceiling_rows
        connections = self.load.ceiling_connections
        figures = await measure_record_rates(self.servers, orders, rows, connections)
        return RunResult(figures, [])

    @asynccontextmanager
    async def _open_run(
        self,
        layout: EngineLayout | None = None,
        *,
        connections: int | None = None,
        template_url: str | None = None,
    ) -> AsyncIterator[BenchRun]:
        if self.load.is_shared and layout is None and template_url is None:
            yield await self.open_shared_run()
            return
        new_run = open_bench_run(
            layout or self.layout,
            self.servers,
            connections=connections or self.load.connections,
            warm_up=self.load.warm_up,
            template_url=template_url,
        )
        async with new_run as run:
            yield run


_COMPARED_FIGURES: Final = (
    "orders_per_s",
    "post_p99_ms",
    "cpu_us_per_order_worker",
    "cpu_us_per_order_postgres",
    "wal_bytes_per_order",
    "calibration_ms",
)


def _describe_unreceived(count: int) -> list[str]:
    return [f"{count} confirmations were not received on the stream"] if count else []

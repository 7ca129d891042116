"""A whole benchmark: runs each requested mode a number of times and reports the results."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from os import cpu_count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from backend import embedded
from backend.trials.bench import past_orders
from backend.trials.bench.bench_run import BenchRun, open_bench_run
from backend.trials.bench.figures import Figures, format_row, summarize_runs
from backend.trials.bench.load_parameters import LoadParameters, Mode
from backend.trials.bench.modes import ModeRunner
from backend.trials.bench.servers import REDIS_DATABASES, connect, create_run_database
from backend.trials.bench.system import EngineLayout
from backend.trials.bench.tracing.waterfall import BAR_WIDTH, CLIENT, WaterfallStep, draw_bar
from backend.trials.data_dir import create_trial_directory

CONNECTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Servers and folder from the command line; without them, embedded servers, a temporary one."""

    database_url: str | None = None
    redis_url: str | None = None
    data_dir: Path | None = None


@dataclass(slots=True)
class ModeResult:
    """The figures of all runs of a mode, and their violations."""

    mode: Mode
    runs: list[Figures] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    waterfall: Sequence[WaterfallStep] = ()

    def as_json(self) -> dict[str, object]:
        """Build this mode's part of the ``--json`` report."""
        return {
            "isGood": not self.violations,
            "wrong": self.violations,
            "figures": {
                name: spread._asdict() for name, spread in summarize_runs(self.runs).items()
            },
            "runs": self.runs,
            "waterfall": [step._asdict() for step in self.waterfall],
        }


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """The modes to run, how often, and under which load and engine layout."""

    modes: Sequence[Mode]
    load: LoadParameters
    repeats: int
    workers: int
    apis: int
    seed: int
    pools: str
    has_signer: bool = False
    has_keys: bool = False


class ResultPrinter:
    """Prints result tables to ``console``, and progress to standard error if it is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Console(stderr=True)
        if not console.is_terminal:
            console.width = 120

    def show_progress(self, activity: str) -> None:
        """Print the current activity."""
        if self._progress.is_terminal:
            self._progress.print(f"[dim]{activity} …[/dim]", highlight=False)

    def print_mode(self, name: str, runs: Sequence[Figures], violations: Sequence[str]) -> None:
        """Print the table of one mode's runs and their violations."""
        table = Table(
            title=f"{name}, {len(runs)} run{'s' if len(runs) > 1 else ''}",
            caption="VIOLATIONS FOUND" if violations else "no order lost, no order left open",
        )
        table.add_column("figure")
        table.add_column("median", justify="right")
        table.add_column("from … to" if len(runs) > 1 else "", justify="right")
        for figure, spread in summarize_runs(runs).items():
            table.add_row(*format_row(figure, spread, len(runs)))
        self._console.print(table)
        for violation in violations:
            self._console.print(f"  {violation}", highlight=False, markup=False)

    def print_waterfall(self, steps: Sequence[WaterfallStep]) -> None:
        """Print the waterfall of an order, if there is one."""
        if not steps:
            return
        total_ms = max(step.starts_ms for step in steps if step.process == CLIENT)
        table = Table(title="an order, from its POST to its last event (medians, ms)")
        table.add_column("process")
        table.add_column("what")
        table.add_column("starts", justify="right")
        table.add_column("takes", justify="right")
        table.add_column("", width=BAR_WIDTH)
        for step in steps:
            times = [f"{step.starts_ms:.2f}", f"{step.takes_ms:.2f}" if step.takes_ms else ""]
            table.add_row(step.process, step.what, *times, draw_bar(step, total_ms))
        self._console.print(table)


async def run_benchmark(
    request: BenchRequest, server_options: ServerOptions, printer: ResultPrinter
) -> dict[str, object]:
    """Run all modes, print their tables and return the report; ``isGood``: no violation found."""
    results = []
    async with _open_runner(request, server_options, printer) as (runner, postgres_version):
        for mode in request.modes:
            result = ModeResult(mode)
            for number in range(1, request.repeats + 1):
                printer.show_progress(f"{mode}, run {number} of {request.repeats}")
                run = await runner.run(mode, number)
                result.runs.append(run.figures)
                result.violations += run.violations
                result.waterfall = run.waterfall
            printer.print_mode(mode, result.runs, result.violations)
            printer.print_waterfall(result.waterfall)
            results.append(result)
    return {
        "isGood": not any(result.violations for result in results),
        "machine": {
            "cpus": cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "postgres": postgres_version,
        },
        "workers": request.workers,
        "apis": request.apis,
        "modes": {result.mode.value: result.as_json() for result in results},
    }


@asynccontextmanager
async def _open_runner(
    request: BenchRequest, server_options: ServerOptions, printer: ResultPrinter
) -> AsyncIterator[tuple[ModeRunner, str]]:
    async with AsyncExitStack() as stack:
        data_dir = server_options.data_dir
        if data_dir is None:
            directory = stack.enter_context(create_trial_directory("bench"))
            data_dir, directory.is_disposable = directory.path, True
        printer.show_progress("starting the servers")
        servers = await stack.enter_async_context(
            embedded.run_servers(
                data_dir,
                database_url=server_options.database_url,
                redis_url=server_options.redis_url,
                redis_databases=REDIS_DATABASES,
                connections_max=CONNECTIONS_MAX,
            )
        )
        connection = await connect(servers.database_url)
        version = await connection.fetchval("SHOW server_version")
        await connection.close()
        layout = EngineLayout(
            data_dir,
            workers=request.workers,
            apis=request.apis,
            seed=request.seed,
            pools=request.pools,
            has_signer=request.has_signer,
            has_keys=request.has_keys,
        )
        shared = _SharedResources(stack, request.load, layout, servers, printer)
        runner = ModeRunner(
            request.load, layout, servers, shared.open_history_database, shared.open_shared_run
        )
        yield runner, version


class _SharedResources:
    """Resources that several runs share, created on first use."""

    def __init__(
        self,
        stack: AsyncExitStack,
        load: LoadParameters,
        layout: EngineLayout,
        servers: embedded.ServerUrls,
        printer: ResultPrinter,
    ) -> None:
        self._stack = stack
        self._load = load
        self._layout = layout
        self._servers = servers
        self._printer = printer
        self._history_url: str | None = None
        self._shared_run: BenchRun | None = None

    async def open_history_database(self) -> str:
        if self._history_url is None:
            context = create_run_database(self._servers.database_url)
            self._history_url = await self._stack.enter_async_context(context)
            orders = self._load.history_orders
            await past_orders.insert_past_orders(
                self._history_url, orders, self._report_fill_progress
            )
        return self._history_url

    def _report_fill_progress(self, orders: int) -> None:
        self._printer.show_progress(f"history: {orders:,} of {self._load.history_orders:,}")

    async def open_shared_run(self) -> BenchRun:
        if self._shared_run is None:
            context = open_bench_run(
                self._layout,
                self._servers,
                connections=self._load.connections,
                warm_up=self._load.warm_up,
            )
            self._shared_run = await self._stack.enter_async_context(context)
        return self._shared_run

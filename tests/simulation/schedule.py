"""Runs the schedule of a seed: faults, healing, recovery, shutdown, and the audit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from uuid import UUID

import structlog

from backend.runtime.loop_load import loop_load
from tests.simulation.audit import audit, find_cancel_violations, order_bound_s
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.faults import set_outage
from tests.simulation.model.virtual_loop import VirtualLoop
from tests.simulation.plan import (
    Cancellation,
    ChainFork,
    ClockStep,
    Fault,
    Outage,
    OutageKind,
    Plan,
    WorkerFault,
    draw_plan,
)

STOP_TIMEOUT_S = 30.0
"""How long workers may take to stop without faults."""
FINAL_ADVANCE_S = 10_000.0
"""How long pending transactions have to land after all else has ended."""
CANCEL_ROUNDS_MAX = 20


@dataclass(frozen=True, slots=True)
class ScheduleResult:
    """The result of a schedule. Each violation begins with the name of its kind."""

    seed: int
    plan: Plan
    cluster: SimulatedCluster
    healed_at: float
    """When all faults had ended, by the database's clock."""
    recovery_s: float
    """The time from then until the last order ended."""
    violations: tuple[str, ...]

    def report(self) -> Iterator[str]:
        """Yield the violations, the parameters and the trace."""
        yield from self.violations
        yield f"{self.plan.settings}"
        yield f"{self.plan.rules}"
        yield from self.cluster.trace.lines()


def simulate(seed: int, plan: Plan | None = None) -> ScheduleResult:
    """Run one schedule and audit it; ``plan`` replaces the plan of the seed."""
    loop = VirtualLoop()
    try:
        share = Random(f"{seed} load").random()
        with _disable_logging(), loop_load.fix_share(share):
            return _ScheduleRun(plan or draw_plan(seed), seed, loop).run()
    finally:
        loop.close()


class _ScheduleRun:
    def __init__(self, plan: Plan, seed: int, loop: VirtualLoop) -> None:
        self._plan = plan
        self._seed = seed
        self._loop = loop
        self._cluster = SimulatedCluster(plan, seed, loop)
        self._ended = asyncio.Event()
        self._healed_at = 0.0
        self._healed_at_server = 0.0

    def run(self) -> ScheduleResult:
        loop, cluster = self._loop, self._cluster
        loop.set_exception_handler(self._handle_exception)
        cluster.server.on_statement = self._check_ended
        for slot in cluster.slots:
            cluster.start_worker(slot)
        ended_at = loop.run_until_complete(self._run_timeline())
        cluster.chain.advance(loop.time() + FINAL_ADVANCE_S)
        self._cancel_tasks()
        plan, healed_at = self._plan, self._healed_at_server
        audit_violations = audit(plan, cluster.database, cluster.chain, healed_at)
        violations = (
            *cluster.violations,
            *cluster.send_monitor.violations,
            *audit_violations,
            *find_cancel_violations(cluster.told_cancelled, cluster.database),
        )
        recovery_s = max(ended_at - self._healed_at, 0)
        return ScheduleResult(self._seed, plan, cluster, healed_at, recovery_s, violations)

    async def _run_timeline(self) -> float:
        """Run from the first order to the shutdown; returns when the last order ended."""
        cluster, loop = self._cluster, self._loop
        watch = cluster.watch if self._plan.has_waiting_orders else asyncio.Event().wait
        watcher = loop.create_task(watch())
        orders = [(at, UUID(int=(self._seed << 16) + n)) for n, at in enumerate(self._plan.orders)]
        actions: list[tuple[float, UUID | Fault | Cancellation]] = [*orders]
        actions += [(fault.at, fault) for fault in self._plan.faults]
        actions += [(each.at, each) for each in self._plan.cancellations]
        for at, action in sorted(actions, key=lambda timed: timed[0]):
            await asyncio.sleep(at - loop.time())
            if isinstance(action, UUID):
                await cluster.accept_order(action)
            elif isinstance(action, Cancellation):
                cluster.cancel_order(orders[action.order][1])
            else:
                self._start_fault(action)
        await asyncio.sleep(self._plan.heal_at - loop.time())
        self._heal()
        try:
            async with asyncio.timeout(order_bound_s(self._plan)):
                await self._ended.wait()
        except TimeoutError:
            cluster.trace.add("cluster", "times out")
        ended_at = loop.time()
        watcher.cancel()
        await self._stop_workers()
        return ended_at

    def _start_fault(self, fault: Fault) -> None:
        match fault:
            case Outage():
                self._cluster.trace.add("cluster", "begins:", fault.kind, fault.strength)
                set_outage(self._cluster, fault.kind, fault.strength)
                self._loop.call_later(fault.duration_s, self._end_outage, fault)
            case WorkerFault():
                self._cluster.schedule_fault(fault)
            case ChainFork():
                self._cluster.chain.fork(self._loop.time(), fault.blocks)
            case ClockStep():
                self._cluster.trace.add("cluster", "sets the database's clock by", fault.by_s)
                self._cluster.server.clock_step_s += fault.by_s

    def _end_outage(self, outage: Outage) -> None:
        self._cluster.trace.add("cluster", "ends:", outage.kind)
        set_outage(self._cluster, outage.kind, 0)

    def _heal(self) -> None:
        cluster = self._cluster
        cluster.trace.add("cluster", "heals")
        for kind in OutageKind:
            set_outage(cluster, kind, 0)
        self._healed_at = self._loop.time()
        self._healed_at_server = cluster.server.now()
        cluster.heal()
        self._check_ended()

    def _check_ended(self) -> None:
        """Signal the end of recovery: no faults, and every order has ended.

        One with a bracket has not before its amount is known.
        """
        rows = self._cluster.database.rows.values()
        is_open = any(row.open or (row.amount_pending and row.bracket) for row in rows)
        if self._cluster.is_healthy and not is_open:
            self._ended.set()

    async def _stop_workers(self) -> None:
        """Shut all workers down gracefully."""
        cluster = self._cluster
        cluster.is_closing = True
        for slot in cluster.slots:
            if slot.worker is not None:
                slot.worker.stop()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                while any(slot.worker is not None for slot in cluster.slots):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            names = [slot.process.name for slot in cluster.slots if slot.worker is not None]
            cluster.violations.append(f"broken: {', '.join(names)} did not stop")

    def _cancel_tasks(self) -> None:
        """Cancel all remaining tasks, so that nothing of this schedule runs later."""
        cluster, loop = self._cluster, self._loop
        cluster.close()
        for process in cluster.processes:
            process.resume(loop)
        for _ in range(CANCEL_ROUNDS_MAX):
            remaining = [
                task for each in cluster.processes for task in each.tasks if not task.done()
            ]
            if not remaining:
                return
            for task in remaining:
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        raise AssertionError(f"tasks that do not end: {remaining}")

    def _handle_exception(
        self, loop: asyncio.AbstractEventLoop, context: dict[str, object]
    ) -> None:
        if not self._cluster.is_closed:
            error = context.get("exception")
            self._cluster.violations.append(f"broken: {context['message']}: {error!r}")


@contextmanager
def _disable_logging() -> Iterator[None]:
    """Disable the engines' logs, which would cost most of the time."""
    config = structlog.get_config()
    taskiq = logging.getLogger("taskiq")
    level = taskiq.level
    taskiq.setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**config)
        taskiq.setLevel(level)

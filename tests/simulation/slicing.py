"""The processes that place the slices of TWAP orders: killed, paused, and more than one at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, cast

import asyncpg

from backend.domain.conditions import INITIAL_STATE
from backend.domain.lifecycle import Status
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue
from backend.runtime.commit_notifications import Commit
from backend.store.waiting.sliced_orders import SlicedOrders
from backend.store.waiting.waiting_orders import WaitingRecord
from backend.triggers.slices.placer import SlicePlacer
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.job_queue import BrokerModel
from tests.simulation.model.rows import OrderRow
from tests.simulation.model.slice_statements import LIST_SLICED
from tests.simulation.model.slices import list_slices
from tests.simulation.model.stored_terms import TOKENS
from tests.simulation.model.virtual_loop import CURRENT_PROCESS, SimulatedProcess
from tests.simulation.plan import WorkerFaultKind

if TYPE_CHECKING:
    from tests.simulation.cluster import SimulatedCluster

LIST_S = 0.4
RESTART_S = 0.5


class PlacerFleet:
    """The processes that place slices; each believes that it holds all shards."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self._cluster = cluster
        self._generations = 0

    def start(self) -> None:
        """Start as many as the plan has, the first with the faults of the plan."""
        plan = self._cluster.plan
        for number in range(plan.placers):
            process = self._start_process()
            fault = plan.placer_fault
            if number == 0 and fault is not None:
                kind, steps, duration_s = fault
                process.call_after_steps(steps, partial(self._inject, process, kind, duration_s))

    def _inject(self, process: SimulatedProcess, kind: WorkerFaultKind, duration_s: float) -> None:
        loop = self._cluster.loop
        if self._cluster.is_closed:
            return
        self._cluster.trace.add(process.name, f"fault: {kind}")
        if kind is WorkerFaultKind.PAUSE:
            process.pause()
            loop.call_later(duration_s, process.resume, loop)
        else:
            process.kill()
            loop.call_later(RESTART_S, self._start_process)

    def _start_process(self) -> SimulatedProcess:
        cluster = self._cluster
        self._generations += 1
        process = SimulatedProcess(f"P{self._generations}")
        cluster.processes.append(process)
        context = copy_context()
        context.run(CURRENT_PROCESS.set, process)
        cluster.loop.create_task(self._run(process), context=context)
        return process

    async def _run(self, process: SimulatedProcess) -> None:
        cluster = self._cluster
        pool = cluster.server.open_pool(process.name, Random(f"{process.name} network"))
        orders = SlicedOrders(
            pool,
            tokens=TOKENS,
            rekick_after=timedelta(seconds=cluster.plan.settings.rekick_s),
            on_commit=_ignore_commit,
        )
        broker = BrokerModel(cluster.queue, process)
        placer = SlicePlacer(orders, JobQueue(cast(StreamBroker, broker)))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(placer.run())
            while True:
                try:
                    rows = await pool.fetch(LIST_SLICED)
                except (asyncpg.PostgresError, OSError):
                    rows = []
                for row in rows:
                    placer.add(_build_record(row["row"]), 0, cluster.loop.time())
                await asyncio.sleep(LIST_S)


def _build_record(row: OrderRow) -> WaitingRecord:
    assert row.terms.condition is not None
    return WaitingRecord(
        id=row.id,
        owner=row.owner,
        terms=row.terms,
        condition=row.terms.condition,
        state=INITIAL_STATE,
        is_triggered=False,
        seq=row.seq,
        expires_at=None,
        cool_down_s=0,
        high_water_slot=None,
    )


def _ignore_commit(commit: Commit) -> None:
    """The simulation has no subscribers of the feed."""


def find_slice_violations(parent: OrderRow, database: DatabaseModel) -> Iterator[str]:
    """Yield the violations of an order and its slices."""
    slices = list_slices(database, parent.id)
    placings = [entry for entry in parent.events if '"slice"' in entry.data]
    told = [row.id for entry in placings for row in slices if str(row.id) in entry.data]
    if sorted(told) != sorted(row.id for row in slices) or len(placings) != len(slices):
        yield f"doubled or lost slices: {len(placings)} were told, {len(slices)} are there"
    filled = sum(row.terms.amount_in for row in slices if row.status is Status.CONFIRMED)
    under_way = sum(row.terms.amount_in for row in slices if row.open)
    if filled + under_way > parent.terms.amount_in:
        yield f"slices of {filled + under_way}"
    if parent.open:
        yield "stuck"
    is_filled = filled == parent.terms.amount_in
    if parent.status in {Status.CONFIRMED, Status.FAILED} and (
        under_way or is_filled != (parent.status is Status.CONFIRMED)
    ):
        yield f"wrong end: {filled} are filled, and {under_way} under way"

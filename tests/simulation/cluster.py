"""The cluster of one schedule: modelled servers, and workers that are killed and replaced."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import cast
from uuid import UUID

from backend.domain.groups.children import derive_child_ids
from backend.domain.lifecycle import Status
from backend.execution.context import Checkpoint
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue
from backend.store.journal import LEASE_MAX
from tests.simulation.audit import SendMonitor
from tests.simulation.model.chain import ChainModel, SubmittedTransaction
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.job_queue import BrokerModel, JobQueueModel
from tests.simulation.model.network import NetworkFaults, NetworkPath
from tests.simulation.model.node import NodeFaults, NodeModel
from tests.simulation.model.notifications import NotificationsModel
from tests.simulation.model.postgres import PostgresServer
from tests.simulation.model.trace import Trace
from tests.simulation.model.venues import (
    RouterModel,
    VenueFaults,
    build_terms,
    make_venue_timeout,
)
from tests.simulation.model.virtual_loop import CURRENT_PROCESS, SimulatedProcess, VirtualLoop
from tests.simulation.plan import OrderValidity, Plan, WorkerFault, WorkerFaultKind
from tests.simulation.worker import SimulatedWorker, WorkerServices

VENUES_TIMEOUT_MAX_S = 0.5
WATCH_S = 0.6
"""How long the watcher takes at most until it looks at what waits again."""
UNBOUNDED_ATTEMPTS = 200
"""More than any order without a bound has in a schedule."""


@dataclass(slots=True)
class WorkerSlot:
    """A slot for one worker, and its current worker."""

    number: int
    process: SimulatedProcess
    worker: SimulatedWorker | None = None
    generation: int = 0
    pending_fault: WorkerFault | None = None
    """The fault that waits for its checkpoint."""


class SimulatedCluster:
    """All servers and workers of one schedule."""

    def __init__(self, plan: Plan, seed: int, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.violations: list[str] = []
        self.trace = Trace(loop.time)
        self.database = DatabaseModel()
        self.server = PostgresServer(
            self.database, plan.clock, self._make_random(seed, "server"), self.trace
        )
        self.chain = ChainModel(plan.rules, self._make_random(seed, "chain"))
        self.chain.on_event = self._handle_chain_event
        self.chain.faults.reject_chance = plan.reject_chance
        self.chain.faults.landing_max_s = plan.landing_max_s
        self.node_network = NetworkFaults(latency_max_s=0.03)
        self.node_faults = NodeFaults()
        self.venues_network = NetworkFaults(latency_max_s=0.2)
        self.venue_faults = VenueFaults(reject_chance=plan.reject_chance)
        self.server.on_placed = partial(self.chain.register_order, attempts_max=UNBOUNDED_ATTEMPTS)
        self.queue = JobQueueModel(self._make_random(seed, "queue"), self.trace)
        self.send_monitor = SendMonitor(self.chain, self.database, loop.time)
        self.slots = [WorkerSlot(n, SimulatedProcess("nobody")) for n in range(plan.workers)]
        self.processes: list[SimulatedProcess] = []
        self.told_cancelled: set[UUID] = set()
        """The orders whose client was told that they are cancelled."""
        self.is_healthy = False
        self.is_closing = False
        """Workers that stop are not replaced."""
        self.is_closed = False
        self._seed = seed
        self._client = BrokerModel(self.queue, SimulatedProcess("client"))

    def start_worker(self, slot: WorkerSlot) -> None:
        """Start a new worker in a slot."""
        slot.generation += 1
        name = f"{'ABC'[slot.number]}{slot.generation}"
        process = slot.process = SimulatedProcess(name)
        self.processes.append(process)
        random = self._make_random(self._seed, name)
        worker = slot.worker = SimulatedWorker(
            self.plan.settings, self._build_services(slot, process, random)
        )
        context = copy_context()
        context.run(CURRENT_PROCESS.set, process)
        self.trace.add(name, "starts")
        task = self.loop.create_task(worker.run(), context=context)
        task.add_done_callback(partial(self._handle_exit, slot, process))

    def schedule_fault(self, fault: WorkerFault) -> None:
        """Schedule a fault after its steps, or once its checkpoint is reached."""
        slot = self.slots[fault.worker]
        if fault.checkpoint is None:
            slot.process.call_after_steps(fault.steps, partial(self._inject, slot, fault))
        else:
            slot.pending_fault = fault

    async def accept_order(self, order_id: UUID) -> None:
        """Accept an order as the API does: store it, and send its job.

        The other order of its group is stored with it.
        """
        index = order_id.int & 0xFFFF
        pair = next((pair for pair in self.plan.pairs if index in pair), (index,))
        for each in sorted(pair):
            other_id = UUID(int=order_id.int - index + each)
            if other_id not in self.database.rows:
                group = UUID(int=order_id.int - index + 0xFFFF - min(pair))
                await self._accept(other_id, group if len(pair) > 1 else None)

    async def _accept(self, order_id: UUID, oco_group: UUID | None) -> None:
        plan = self.plan
        condition = plan.conditions.get(order_id.int & 0xFFFF)
        bracket = plan.brackets.get(order_id.int & 0xFFFF)
        for child_id in () if bracket is None else derive_child_ids(order_id, bracket):
            self.chain.register_order(child_id, UNBOUNDED_ATTEMPTS)
        unbounded = condition is not None
        self.chain.register_order(
            order_id, UNBOUNDED_ATTEMPTS if unbounded else plan.settings.attempts_max
        )
        now, rekick_s = self.server.now(), plan.settings.rekick_s
        validity = plan.validities.get(order_id.int & 0xFFFF, OrderValidity())
        after_s = validity.expires_after_s
        self.database.accept(
            now,
            order_id,
            build_terms(condition),
            rekick_s,
            time_in_force=validity.time_in_force,
            expires_at=None if after_s is None else now + after_s,
            oco_group=oco_group,
            bracket=bracket,
        )
        self.trace.add("client", "posts", order_id)
        row, jobs = self.database.rows[order_id], JobQueue(cast(StreamBroker, self._client))
        if row.status is Status.WAITING:
            return
        if (self._seed + order_id.int) % 2:
            await jobs.send("local", [order_id])
        else:  # its job tells its terms
            await jobs.send_order(row.to_new_order())

    async def watch(self) -> None:
        """Release what waits, now and then, as a watcher does when the market meets it."""
        random = self._make_random(self._seed, "watcher")
        settings = self.plan.settings
        ahead_s = LEASE_MAX.total_seconds()
        while True:
            await asyncio.sleep(random.uniform(0.1, WATCH_S))
            for row in [each for each in self.database.rows.values() if each.open]:
                now = self.server.now()
                is_released = self.database.release_waiting(
                    now, row.id, row.seq, settings.rekick_s, ahead_s
                )
                if is_released:
                    self.trace.add("watcher", "releases", row.id)
                    await JobQueue(cast(StreamBroker, self._client)).send("local", [row.id])

    def cancel_order(self, order_id: UUID) -> None:
        """Cancel an order as the API does; the answer is that it is cancelled, or too late."""
        is_cancelled = self.database.cancel(self.server.now(), order_id)
        if is_cancelled:
            self.told_cancelled.add(order_id)
        self.trace.add("client", "cancels" if is_cancelled else "is too late for", order_id)
        self.server.on_statement()

    def heal(self) -> None:
        """Cancel pending faults, and have a running worker in every slot."""
        self.is_healthy = True
        for slot in self.slots:
            slot.pending_fault = None
            slot.process.call_after_steps(-1, lambda: None)
            if slot.process.is_killed:
                self.start_worker(slot)
            else:
                slot.process.resume(self.loop)

    def close(self) -> None:
        """Close all connections."""
        self.is_closed = True
        self.queue.is_closed = True
        for network in (self.server.network, self.node_network, self.venues_network):
            network.is_closed = True

    def _build_services(
        self, slot: WorkerSlot, process: SimulatedProcess, random: Random
    ) -> WorkerServices:
        now = self.loop.time
        venues = NetworkPath(
            self.venues_network, random, make_venue_timeout, timeout_max_s=VENUES_TIMEOUT_MAX_S
        )
        return WorkerServices(
            pool=self.server.open_pool(process.name, random),
            node=NodeModel(self.chain, self.node_network, self.node_faults, random, now),
            notifications=self._build_notifications(process),
            router=RouterModel(venues, self.venue_faults, random),
            broker=BrokerModel(self.queue, process),
            random=random,
            on_checkpoint=partial(self._handle_checkpoint, slot, process),
            on_unexpected_error=partial(self._report_job_failure, process),
        )

    def _build_notifications(self, process: SimulatedProcess) -> NotificationsModel | None:
        """A third of the schedules have a node with a WebSocket: the others show the polls."""
        if self._seed % 3:
            return None
        random = self._make_random(self._seed, f"{process} notifications")
        node = self.chain, self.node_network, self.node_faults
        return NotificationsModel(*node, random, self.loop.time)

    def _report_job_failure(self, process: SimulatedProcess, error: Exception) -> None:
        self.violations.append(f"broken: a job of {process} failed with {error!r}")

    def _handle_checkpoint(
        self, slot: WorkerSlot, process: SimulatedProcess, checkpoint: Checkpoint
    ) -> None:
        fault = slot.pending_fault
        if fault is not None and fault.checkpoint is checkpoint and slot.process is process:
            slot.pending_fault = None
            process.call_after_steps(fault.steps, partial(self._inject, slot, fault))

    def _inject(self, slot: WorkerSlot, fault: WorkerFault) -> None:
        process = slot.process
        if self.is_healthy or process.is_killed:
            return
        self.trace.add(process.name, f"fault: {fault.kind}")
        match fault.kind:
            case WorkerFaultKind.KILL:
                self._remove_worker(slot, process)
                self._call_later(fault.duration_s, partial(self._replace_worker, slot, process))
            case WorkerFaultKind.PAUSE:
                process.pause()
                self._call_later(fault.duration_s, partial(self._resume_process, process))
            case WorkerFaultKind.STOP:
                if slot.worker is not None:
                    slot.worker.stop()

    def _handle_exit(
        self, slot: WorkerSlot, process: SimulatedProcess, task: asyncio.Task[None]
    ) -> None:
        if process.is_killed or self.is_closed:
            return
        error = None if task.cancelled() else task.exception()
        self.trace.add(process.name, "ends", error or "")
        if error is not None:
            self.violations.append(f"broken: worker {process.name} ended with {error!r}")
        elif self.plan.is_database_available and (
            remaining := self.database.find_leased_by(process.name)
        ):
            self.violations.append(
                f"unreleased: {process.name} has stopped and still leases {remaining}"
            )
        self._remove_worker(slot, process)
        if not self.is_closing:
            self._call_later(
                0 if self.is_healthy else 1, partial(self._replace_worker, slot, process)
            )

    def _remove_worker(self, slot: WorkerSlot, process: SimulatedProcess) -> None:
        process.kill()
        self.queue.remove_receiver(process)
        slot.worker = None

    def _replace_worker(self, slot: WorkerSlot, process: SimulatedProcess) -> None:
        if slot.process is process:
            self.start_worker(slot)

    def _resume_process(self, process: SimulatedProcess) -> None:
        if not process.is_killed:
            self.trace.add(process.name, "resumes")
            process.resume(self.loop)

    def _call_later(self, seconds: float, callback: partial[None]) -> None:
        self.loop.call_later(seconds, callback)

    def _handle_chain_event(self, event: str, transaction: SubmittedTransaction) -> None:
        description = f"{transaction.signature[:6]} of attempt {transaction.attempt} {event}"
        self.trace.add("chain", transaction.order_id, description)
        if event in ("arrives", "arrives again"):
            self.send_monitor.check(transaction)

    def _make_random(self, seed: int, name: str) -> Random:
        return Random(f"{seed} {name}")

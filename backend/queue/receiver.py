"""The job receiver: taskiq's receiver, which starts the jobs of many owners by turns.

Taskiq's own receiver creates two tasks and waits twice for each message before its job starts, so
that it can be stopped in between, and it starts messages in the order of the queue. Here one task
reads messages and never waits for a job; one starts jobs, owner by owner, as there is room; one
claims orders from their rows for owners that have a backlog there. All are cancelled at shutdown.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from taskiq import TaskiqMessage
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver
from taskiq.utils import maybe_awaitable

from backend.queue.broker import StreamBroker
from backend.queue.messages import JobMessage, build_job
from backend.queue.pacing import StartPacing
from backend.queue.turns import Allotment, OwnerTurns
from backend.runtime import observe, observe_queue
from backend.runtime.background import run_in_background

CLAIM_MAX: Final = 200
"""Most orders of one claim from the rows."""
CLAIM_SHARE: Final = 10
"""A claim from the rows waits until this fraction of all places is free: it costs about the same
for one order as for a hundred."""
RESERVED_PLACES: Final = 200
"""Places beyond the limits, for owners of whom nothing runs: each may start one order there."""
CLAIM_RETRY_S: Final = 1.0


class StartCapacity(Protocol):
    """How many more orders may start now."""

    @property
    def orders_max(self) -> int:
        """How many may start when none runs."""
        ...

    @property
    def free(self) -> int:
        """How many more may start; negative if there are too many."""
        ...

    @property
    def paused(self) -> int:
        """How many that have started wait for the end of an outage, and use nothing meanwhile."""
        ...

    def call_when_freed(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever another order may start."""
        ...


class WaitingOrders(Protocol):
    """The orders that wait in their rows."""

    async def claim_waiting(self, places: Mapping[str, int]) -> Sequence[tuple[str, UUID]] | None:
        """Claim up to so many of the oldest orders of each owner; returns owners and ids.

        The jobs of these orders must be started at once. ``None`` if the store is unavailable.
        """
        ...


class JobReceiver(Receiver):
    """Runs at most ``jobs_max`` jobs at once, as ``capacity`` permits, and ``RESERVED_PLACES``."""

    def __init__(
        self,
        broker: StreamBroker,
        *,
        turns: OwnerTurns[JobMessage],
        waiting_orders: WaitingOrders,
        capacity: StartCapacity,
        jobs_max: int,
        shutdown_s: float,
    ) -> None:
        super().__init__(
            broker,
            validate_params=False,
            run_startup=False,
            max_async_tasks=jobs_max,
            # The message has served its purpose: the lease decides which worker executes it.
            ack_type=AcknowledgeType.WHEN_RECEIVED,
        )
        self._stream = broker
        self._turns = turns
        self._waiting_orders = waiting_orders
        self._capacity = capacity
        self._jobs_max = jobs_max
        self._shutdown_s = shutdown_s
        self._jobs: set[asyncio.Task[None]] = set()
        self._running: Counter[str] = Counter()
        self._claims: dict[str, int] = {}
        self._claim_wanted = asyncio.Event()
        self._pacing = StartPacing(jobs_max)
        capacity.call_when_freed(turns.changed.set)

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Run jobs until ``finish_event``.

        Returns when all jobs have ended, or ``shutdown_s`` later with some still running. A message
        that was read but not started is handed to other workers.
        """
        async with run_in_background(self._read_jobs, self._start_jobs, self._claim_backlogs):
            await finish_event.wait()
        await self._stream.leave()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=self._shutdown_s)

    async def _read_jobs(self) -> None:
        async with aclosing(self.broker.listen()) as messages:
            async for message in messages:
                assert isinstance(message, JobMessage)
                if not message.data:
                    self._turns.mark_backlog(message.owner)
                elif self._turns.add(message.owner, message):
                    continue
                else:
                    observe_queue.job_left_in_row()
                await maybe_awaitable(message.ack())

    async def _start_jobs(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._turns.changed.wait()
            self._turns.changed.clear()
            if self._turns.are_empty:
                continue
            self._start_by_turns(self._pacing.count_places(loop.time()))
            await asyncio.sleep(0)  # each job takes its place in its first step

    def _start_by_turns(self, places: int) -> None:
        """Start what there is room for, and one order of each owner of whom nothing runs."""
        room = min(self._jobs_max - len(self._jobs), self._capacity.free)
        active = len(self._jobs) - self._capacity.paused
        free = min(room, places - active) - sum(self._claims.values())
        claim_min = max(1, min(CLAIM_MAX, places, self._capacity.orders_max) // CLAIM_SHARE)
        may_claim = not self._claims and free >= claim_min
        self._start_allotment(self._turns.allot(free, claims_max=CLAIM_MAX if may_claim else 0))
        started: set[str] = set()

        def is_idle(owner: str) -> bool:
            if self._running[owner] or owner in started:
                return False
            started.add(owner)
            return True

        beyond = self._turns.allot(
            RESERVED_PLACES + min(room, 0),
            claims_max=0 if self._claims else CLAIM_MAX,
            is_admitted=is_idle,
        )
        self._start_allotment(beyond)

    def _start_allotment(self, allotment: Allotment[JobMessage]) -> None:
        for owner, message in allotment.jobs:
            self._start_job(owner, message)
        if allotment.claims:
            self._claims = allotment.claims
            self._claim_wanted.set()

    async def _claim_backlogs(self) -> None:
        while True:
            await self._claim_wanted.wait()
            self._claim_wanted.clear()
            claimed = await self._waiting_orders.claim_waiting(self._claims)
            if claimed is None:
                await asyncio.sleep(CLAIM_RETRY_S)
            else:
                for owner, order_id in claimed:
                    self._start_job(owner, build_job(self.broker, order_id, owner))
                self._turns.settle_claims(self._claims, Counter(owner for owner, _ in claimed))
            self._claims = {}
            self._turns.changed.set()

    def _start_job(self, owner: str, message: JobMessage | bytes) -> None:
        now, others = asyncio.get_running_loop().time(), len(self._jobs)
        self._pacing.note_start(owner, now)
        # In no task group: a job may outlive the receiver, until its lease is released.
        job = asyncio.create_task(self.callback(message))  # noqa: TID251
        self._jobs.add(job)
        self._running[owner] += 1
        job.add_done_callback(partial(self._finish_job, owner, now, others))

    def _get_ack_time(self, message: TaskiqMessage) -> AcknowledgeType:
        """The receiver's own: a label of a foreign message must not keep it on the queue."""
        return self.ack_time

    def _finish_job(
        self, owner: str, started_at: float, others: int, job: asyncio.Task[None]
    ) -> None:
        now = asyncio.get_running_loop().time()
        self._pacing.note_end(now - started_at, others, now)
        self._jobs.discard(job)
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        self._turns.changed.set()
        error = None if job.cancelled() else job.exception()
        if error is not None:
            observe.job_failed(error)

"""The job receiver: taskiq's receiver with a shorter path from a message to its job.

Taskiq's own receiver creates two tasks and waits twice for each message before its job starts, so
that it can be stopped in between. Here one task reads messages, which is cancelled at shutdown,
and each message becomes a job in one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from taskiq import TaskiqMessage
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from backend.queue.broker import StreamBroker
from backend.runtime import observe
from backend.runtime.background import run_in_background


class JobReceiver(Receiver):
    """Runs at most ``jobs_max`` jobs at once, each after ``wait_for_capacity``."""

    def __init__(
        self,
        broker: StreamBroker,
        *,
        jobs_max: int,
        wait_for_capacity: Callable[[], Awaitable[None]],
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
        self._slots = asyncio.Semaphore(jobs_max)
        self._wait_for_capacity = wait_for_capacity
        self._shutdown_s = shutdown_s
        self._jobs: set[asyncio.Task[None]] = set()

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Run received jobs until ``finish_event``.

        Returns when all jobs have ended, or ``shutdown_s`` later with some still running. A message
        that was read but not started is handed to other workers.
        """
        async with run_in_background(self._start_jobs):
            await finish_event.wait()
        await self._stream.leave()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=self._shutdown_s)

    async def _start_jobs(self) -> None:
        async with aclosing(self.broker.listen()) as messages:
            async for message in messages:
                await self._slots.acquire()
                await self._wait_for_capacity()
                # In no task group: a job may outlive the receiver, until its lease is released.
                job = asyncio.create_task(self.callback(message))  # noqa: TID251
                self._jobs.add(job)
                job.add_done_callback(self._finish_job)

    def _get_ack_time(self, message: TaskiqMessage) -> AcknowledgeType:
        """The receiver's own: a label of a foreign message must not keep it on the queue."""
        return self.ack_time

    def _finish_job(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._slots.release()
        error = None if job.cancelled() else job.exception()
        if error is not None:
            observe.job_failed(error)

"""The receiver: taskiq's, with a shorter way in for messages.

Taskiq's own makes two tasks and waits twice for each message before its job begins, so that it
can be stopped in between. Here the reading of messages is one task, which is cancelled when it is
time to stop, and a message becomes a job in one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from backend.queue.broker import StreamBroker
from backend.runtime import observe
from backend.runtime.background import running


class JobReceiver(Receiver):
    """Runs up to ``jobs_max`` jobs at once; waits for ``room`` before it takes another."""

    def __init__(
        self,
        broker: StreamBroker,
        *,
        jobs_max: int,
        room: Callable[[], Awaitable[None]],
        shutdown_s: float,
    ) -> None:
        super().__init__(
            broker,
            validate_params=False,
            run_startup=False,
            max_async_tasks=jobs_max,
            # The message has told what it had to: from here on the lease says who drives the order.
            ack_type=AcknowledgeType.WHEN_RECEIVED,
        )
        self._free = asyncio.Semaphore(jobs_max)
        self._room = room
        self._shutdown_s = shutdown_s
        self._jobs: set[asyncio.Task[None]] = set()

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Run jobs as they come until ``finish_event``.

        Returns when all have ended, or ``shutdown_s`` later with some still running. A message
        that was read and not begun stays unacknowledged, for another worker.
        """
        async with running(self._begin_all):
            await finish_event.wait()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=self._shutdown_s)

    async def _begin_all(self) -> None:
        async with aclosing(self.broker.listen()) as messages:
            async for message in messages:
                await self._free.acquire()
                await self._room()
                # In no group: a job may run on after this, until its order is handed back.
                job = asyncio.create_task(self.callback(message))  # noqa: TID251
                self._jobs.add(job)
                job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._free.release()
        error = None if job.cancelled() else job.exception()
        if error is not None:
            observe.job_failed(error)

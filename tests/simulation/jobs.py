"""A queue that loses, doubles and delays messages; the receiver and the retries are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import Context
from dataclasses import dataclass
from random import Random

from taskiq import AckableMessage, AsyncBroker
from taskiq.message import BrokerMessage

from backend.domain.errors import Transient
from tests.simulation.loop import Process
from tests.simulation.trace import Trace

RECLAIM_S = 10.0


@dataclass(slots=True)
class Moods:
    """What befalls messages, as parts of 1."""

    is_down: bool = False
    is_full: bool = False
    """No process takes jobs to send any more: too many wait in it."""
    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    late_s: float = 5.0
    unacknowledged: float = 0.0


class Queue:
    """The messages that wait, and those who wait for messages."""

    def __init__(self, random: Random, trace: Trace) -> None:
        self.moods = Moods()
        self._trace = trace
        self.is_closed = False
        self._random = random
        self._waiting: list[bytes] = []
        self._waiters: list[tuple[Process, asyncio.Future[bytes]]] = []

    def put(self, message: bytes) -> None:
        """Send a message: it comes once, twice, late, or not at all."""
        chance, moods = self._random.random(), self.moods
        if moods.is_down or chance < moods.lost:
            self._trace.note("queue", "loses a job of", message)
            return
        for _ in range(2 if chance < moods.lost + moods.doubled else 1):
            is_late = self._random.random() < moods.late
            self._in(self._random.uniform(0.0005, moods.late_s if is_late else 0.005), message)

    @property
    def waiting(self) -> int:
        """How many messages wait for a worker."""
        return len(self._waiting)

    def flush(self) -> None:
        """Lose what waits."""
        self._waiting.clear()

    def leave(self, process: Process) -> None:
        """A process that waited is gone."""
        self._waiters = [waiter for waiter in self._waiters if waiter[0] is not process]

    def match(self) -> None:
        """Give what waits to those who wait."""
        while self._waiting and self._waiters and not self.moods.is_down:
            process, hears = self._waiters.pop(self._random.randrange(len(self._waiters)))
            if not hears.done():
                message = self._waiting.pop(0)
                self._trace.note(process.name, "gets a job of", message)
                hears.set_result(message)

    async def next(self, process: Process) -> AckableMessage:
        """The next message for a process; one that is not acknowledged comes again."""
        if self.is_closed:
            raise asyncio.CancelledError
        hears: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiters.append((process, hears))
        self.match()
        message = await hears
        loop = asyncio.get_running_loop()
        again = loop.call_later(RECLAIM_S, self._arrive, message, context=Context())

        async def acknowledge() -> None:
            if self._random.random() >= self.moods.unacknowledged:
                again.cancel()

        return AckableMessage(data=message, ack=acknowledge)

    def _in(self, seconds: float, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._arrive, message, context=Context())

    def _arrive(self, message: bytes) -> None:
        if not self.moods.is_down:
            self._waiting.append(message)
            self.match()


class Broker(AsyncBroker):
    """What taskiq makes of the queue in one process."""

    def __init__(self, queue: Queue, process: Process) -> None:
        super().__init__()
        self._queue = queue
        self._process = process

    def until(self, stop: asyncio.Event) -> None:
        """Listening ends with its reader: nothing here comes between it and a cancellation."""

    async def depth(self) -> int:
        """How many jobs wait."""
        return self._queue.waiting

    async def kick(self, message: BrokerMessage) -> None:
        """Send a job."""
        if self._queue.moods.is_full:
            raise Transient("overloaded", "too much work is waiting in this process")
        self._queue.put(message.message)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Jobs, as they come."""
        while True:
            yield await self._queue.next(self._process)

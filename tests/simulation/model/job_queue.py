"""A queue that loses, duplicates and delays messages; the receiver and the retries are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import Context
from dataclasses import dataclass
from random import Random

from taskiq import AsyncBroker
from taskiq.message import BrokerMessage

from backend.domain.errors import Transient
from backend.queue.messages import JobMessage, QueueState
from tests.simulation.model.trace import Trace
from tests.simulation.model.virtual_loop import SimulatedProcess

RECLAIM_S = 10.0


@dataclass(slots=True)
class QueueFaults:
    """How messages are lost, duplicated and delayed."""

    is_down: bool = False
    is_full: bool = False
    """Back-pressure: every process refuses to send more jobs."""
    loss_chance: float = 0.0
    duplicate_chance: float = 0.0
    delay_chance: float = 0.0
    delay_max_s: float = 5.0
    unacked_chance: float = 0.0


class JobQueueModel:
    """The waiting messages, and the receivers that wait for messages."""

    def __init__(self, random: Random, trace: Trace) -> None:
        self.faults = QueueFaults()
        self._trace = trace
        self.is_closed = False
        self._random = random
        self._messages: list[tuple[float, bytes]] = []
        self._receivers: list[tuple[SimulatedProcess, asyncio.Future[bytes]]] = []

    def send(self, message: bytes) -> None:
        """Send a message, which is delivered once, twice, late, or not at all."""
        chance, faults = self._random.random(), self.faults
        if faults.is_down or chance < faults.loss_chance:
            self._trace.add("queue", "loses a job of", message)
            return
        for _ in range(2 if chance < faults.loss_chance + faults.duplicate_chance else 1):
            is_late = self._random.random() < faults.delay_chance
            self._send_after(
                self._random.uniform(0.0005, faults.delay_max_s if is_late else 0.005), message
            )

    def measure(self) -> QueueState:
        """The messages that wait for a worker."""
        now = asyncio.get_running_loop().time()
        age_s = now - self._messages[0][0] if self._messages else 0.0
        return QueueState(len(self._messages), age_s)

    def clear(self) -> None:
        """Drop the waiting messages."""
        self._messages.clear()

    def remove_receiver(self, process: SimulatedProcess) -> None:
        """Remove the receivers of a process that is gone."""
        self._receivers = [receiver for receiver in self._receivers if receiver[0] is not process]

    def deliver(self) -> None:
        """Deliver waiting messages to waiting receivers."""
        while self._messages and self._receivers and not self.faults.is_down:
            process, future = self._receivers.pop(self._random.randrange(len(self._receivers)))
            if not future.done():
                _, message = self._messages.pop(0)
                self._trace.add(process.name, "gets a job of", message)
                future.set_result(message)

    async def receive(self, process: SimulatedProcess) -> JobMessage:
        """Return the next message for a process; it is redelivered unless acknowledged in time."""
        if self.is_closed:
            raise asyncio.CancelledError
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._receivers.append((process, future))
        self.deliver()
        message = await future
        loop = asyncio.get_running_loop()
        redelivery = loop.call_later(RECLAIM_S, self._append, message, context=Context())

        async def acknowledge() -> None:
            if self._random.random() >= self.faults.unacked_chance:
                redelivery.cancel()

        return JobMessage(data=message, ack=acknowledge, owner="local")

    def _send_after(self, seconds: float, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._append, message, context=Context())

    def _append(self, message: bytes) -> None:
        if not self.faults.is_down:
            self._messages.append((asyncio.get_running_loop().time(), message))
            self.deliver()


class BrokerModel(AsyncBroker):
    """The taskiq broker of one process."""

    def __init__(self, queue: JobQueueModel, process: SimulatedProcess) -> None:
        super().__init__()
        self._queue = queue
        self._process = process

    def stop_on(self, stop: asyncio.Event) -> None:
        """Nothing to do: a cancellation of the reader ends listening at once."""

    async def measure(self) -> QueueState:
        """What waits on the queue."""
        return self._queue.measure()

    async def leave(self) -> None:
        """Nothing to do: what was received and not acknowledged is delivered again."""

    async def kick(self, message: BrokerMessage) -> None:
        """Send a job."""
        if self._queue.faults.is_full:
            raise Transient("overloaded", "too much work is waiting in this process")
        self._queue.send(message.message)

    async def listen(self) -> AsyncGenerator[JobMessage, None]:
        """Yield jobs as they arrive."""
        while True:
            yield await self._queue.receive(self._process)

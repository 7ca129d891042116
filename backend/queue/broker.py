"""The message broker: taskiq's Redis stream broker, with coalesced round trips.

Jobs are sent and acknowledged many in one round trip; acknowledged messages are deleted, so that
the stream holds what waits and nothing else. Messages of a dead worker are reclaimed at an
interval, then its consumer is removed. A dead connection, or a Redis that lost its data, is handled
by retries: a lost job delays its order until the sweep sends another one.

While Redis takes or gives no jobs, whatever the reason, a worker keeps those that it would send and
executes them itself: then the workers find the orders in their rows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq import AsyncBroker
from taskiq.message import BrokerMessage
from taskiq.serializers.orjson_serializer import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

from backend.config.redis.url import RedisAddress
from backend.queue import messages, scripts
from backend.queue.messages import OWNER_LABEL, JobMessage, QueueState, StreamEntry
from backend.queue.permissions import find_missing_permission
from backend.runtime import observe_queue, trace
from backend.runtime.coalescer import Coalescer
from backend.runtime.redis import keys
from backend.runtime.redis.client import build_client_options, choose_pool, report_or_refuse
from backend.runtime.redis.errors import drop_connections_if_moved

STREAM = keys.STREAM
GROUP = "workers"
BATCH_MAX = 1_000
READ_MAX = 200
DEEP_READ_MAX = 1_000
DEEP_READS = 5
"""After so many full reads in a row the stream is deep, and reads are larger; before, they are
small, so that the workers share what comes in at once."""
BLOCK_MS = 1_000
START_TURNS = 5  # of the loop: in the last of them a job that is alone has sent its first statement
RECLAIM_S = 5.0
RECLAIM_IDLE_MS = 10_000
CONSUMER_IDLE_MAX_S = 60.0
"""A consumer that has not read for so long, and has no jobs any more, is gone. Workers read every
second; one that was only paused becomes a consumer again by reading."""
RETRY_S = 0.5
LEAVE_TIMEOUT_S = 2.0
SEND_QUEUE_MAX = 200_000
KEPT_JOBS_MAX = 10_000
SEND_INTERVAL_S = 0.015
"""Least time between two sends in close succession under full load. Orders that reach a worker
together are claimed, quoted, sent, polled and committed together: every step shares one delay."""
ACK_LINGER_S = 0.2
"""How long an acknowledgement waits for others: nobody waits for it."""

_START_OF_STREAM = b"0-0"


class StreamBroker(RedisStreamBroker):
    """Sends and receives jobs; ``run`` must be running.

    ``take_message`` gives a channel and a message that is published by the call that sends jobs.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        consumer: str,
        consumer_idle_max_s: float = CONSUMER_IDLE_MAX_S,
        take_message: Callable[[], tuple[str, bytes]] = messages.take_no_message,
    ) -> None:
        super().__init__(
            address.direct_url,
            queue_name=STREAM,
            consumer_group_name=GROUP,
            consumer_name=consumer,
            consumer_id="0",  # a group that is made late reads what was sent before
            **build_client_options(address),
        )
        self.connection_pool = choose_pool(address, self.connection_pool)
        self.with_serializer(ORJSONSerializer())
        self._consumer_idle_max_ms = round(consumer_idle_max_s * 1000)
        self._redis: Redis = Redis(connection_pool=self.connection_pool)
        self._add = self._redis.register_script(scripts.ADD_JOBS)
        self._tidy = self._redis.register_script(scripts.TIDY)
        self._leave = self._redis.register_script(scripts.LEAVE)
        self._sends: Coalescer[tuple[bytes, str], None] = Coalescer(
            self._send_batch,
            name="send jobs",
            items_max=BATCH_MAX,
            waiting_max=SEND_QUEUE_MAX,
            min_interval_s=SEND_INTERVAL_S,
        )
        self._take_message = take_message
        self._stop = asyncio.Event()
        self._acks: Coalescer[bytes, None] = Coalescer(
            self._acknowledge_batch, name="acknowledge", items_max=BATCH_MAX, linger_s=ACK_LINGER_S
        )
        self._is_listening = False
        self._has_failed_to_read = False
        self._kept: deque[tuple[bytes, str]] = deque()
        self._full_reads = 0
        self._reclaim_at, self._reclaim_cursor = 0.0, _START_OF_STREAM

    async def run(self) -> None:
        """Send jobs and acknowledgements until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sends.run())
            tasks.create_task(self._acks.run())

    def stop_on(self, stop: asyncio.Event) -> None:
        """Make ``listen`` end when ``stop`` is set: a client whose own timeout expires at the
        same time turns a cancellation into that timeout.
        """
        self._stop = stop

    async def startup(self) -> None:
        """Declare the consumer group, if Redis is available.

        Raises ``Rejected`` (``redis_configuration``) if Redis refuses the user, or what it needs.
        """
        await AsyncBroker.startup(self)
        try:
            missing = await find_missing_permission(
                self._redis, stream=STREAM, group=GROUP, consumer=self.consumer_name
            )
            if missing is None:
                await self._add(keys=[STREAM], args=[GROUP, *messages.take_no_message()])
        except (RedisError, OSError) as error:
            report_or_refuse(error)
        else:
            if missing is not None:
                report_or_refuse(missing)

    async def kick(self, message: BrokerMessage) -> None:
        """Add a job to the send queue; returns before Redis has it.

        Raises ``Transient`` (``overloaded``) if the send queue is full.
        """
        job = (message.message, str(message.labels.get(OWNER_LABEL, "")))
        if self._has_failed_to_read:
            self._keep((job,))
        else:
            self._sends.submit_nowait(job)

    def announce_backlog(self, owner: str) -> None:
        """Tell a worker that an owner has orders in the rows, by an entry without a job.

        Raises ``Transient`` (``overloaded``) if the send queue is full.
        """
        self._sends.submit_nowait((b"", owner))

    async def wait_sent(self) -> None:
        """Return when the send queue is empty: its jobs were sent, or Redis did not accept them."""
        await self._sends.wait_idle()

    async def measure(self) -> QueueState:
        """What waits on the queue, after removing what does not.

        Removed are entries that no worker would ever read, and consumers that are gone.
        Raises ``RedisError`` or ``OSError``.
        """
        jobs, age_ms, consumers, entries = await self._tidy(
            keys=[STREAM], args=[GROUP, self._consumer_idle_max_ms]
        )
        if consumers or entries:
            observe_queue.queue_tidied(consumers, entries)
        return QueueState(jobs, age_ms / 1000)

    async def leave(self) -> None:
        """Hand the jobs that were received and not started to other workers, and end the consumer.

        To be called when no more jobs are read. Without Redis nothing happens: what is left is
        reclaimed by other workers later.
        """
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._acks.wait_idle()
                await self._leave(keys=[STREAM], args=[GROUP, self.consumer_name])
        except (RedisError, OSError) as error:  # OSError includes TimeoutError
            observe_queue.redis_unavailable("leave", error)

    async def _send_batch(self, jobs: Sequence[tuple[bytes, str]]) -> list[None]:
        try:
            fields = [field for job in jobs for field in job]
            started_s = monotonic()
            refusal = await self._add(keys=[STREAM], args=[GROUP, *self._take_message(), *fields])
            if refusal:
                observe_queue.redis_unavailable("publish", ResponseError(refusal.decode()))
            trace.mark_span("Redis: add jobs", started_s)
        except (RedisError, OSError) as error:
            observe_queue.jobs_not_sent(len(jobs), error)
            if self._is_listening:
                self._keep(jobs)
            await drop_connections_if_moved(self.connection_pool, error)
        return [None] * len(jobs)

    def _keep(self, jobs: Sequence[tuple[bytes, str]]) -> None:
        """Keep jobs for ``listen``; those that find no room are found again by the sweep."""
        kept = jobs[: KEPT_JOBS_MAX - len(self._kept)]
        self._kept.extend(kept)
        observe_queue.jobs_kept(len(kept))

    async def _acknowledge_batch(self, ids: Sequence[bytes]) -> list[None]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xack(STREAM, GROUP, *ids)
                pipe.xdel(STREAM, *ids)
                await pipe.execute()
        except (RedisError, OSError) as error:
            observe_queue.redis_unavailable("acknowledge", error)
        return [None] * len(ids)

    async def listen(self) -> AsyncGenerator[JobMessage, None]:
        """Receive jobs: new ones, those that a dead worker left, and those that were kept."""
        self._is_listening = True
        while not self._stop.is_set():
            for entry_id, fields in await self._receive():
                if fields is not None and b"data" in fields and entry_id is not None:
                    trace.mark_step("job received")
                    owner = fields.get(b"owner", b"").decode(errors="replace")
                    ack = partial(self._acknowledge, entry_id)
                    yield JobMessage(data=fields[b"data"], ack=ack, owner=owner)
                    continue
                observe_queue.unreadable_job_dropped(fields)
                if entry_id is not None:  # Redis 6.2 claims deleted entries, without their ids
                    self._acks.submit_nowait(entry_id)
            while self._kept and not self._stop.is_set():
                data, owner = self._kept.popleft()
                yield JobMessage(data=data, ack=messages.acknowledge_nothing, owner=owner)
            for _ in range(START_TURNS):  # the jobs start before the next read is sent
                await asyncio.sleep(0)

    async def _receive(self) -> list[StreamEntry]:
        """The next entries. Whatever Redis answers, it is reported and reading goes on."""
        try:
            entries = await self._reclaim() or await self._read_new()
        except Exception as error:  # noqa: BLE001 - a worker outlives everything that Redis says
            if isinstance(error, ResponseError) and str(error).startswith("NOGROUP"):
                await self._restore_group()
            else:
                await self._report_read_error(error)
            return []
        self._has_failed_to_read = False
        return entries

    async def _report_read_error(self, error: Exception) -> None:
        self._has_failed_to_read = True
        observe_queue.redis_unavailable("read", error)
        await drop_connections_if_moved(self.connection_pool, error)
        if not self._kept:
            await asyncio.sleep(RETRY_S)

    async def _read_new(self) -> list[StreamEntry]:
        count = DEEP_READ_MAX if self._full_reads >= DEEP_READS else READ_MAX
        response: Any = await self._redis.xreadgroup(
            GROUP, self.consumer_name, {STREAM: ">"}, block=BLOCK_MS, count=count
        )
        received = [entry for _, entries in response or () for entry in entries]
        self._full_reads = self._full_reads + 1 if len(received) == count else 0
        return received

    async def _reclaim(self) -> list[StreamEntry]:
        """Take over what another consumer has not acknowledged for long, at an interval."""
        now = asyncio.get_running_loop().time()
        if now < self._reclaim_at:
            return []
        claimed: Any = await self._redis.xautoclaim(
            STREAM,
            GROUP,
            self.consumer_name,
            RECLAIM_IDLE_MS,
            start_id=self._reclaim_cursor,
            count=READ_MAX,
        )
        self._reclaim_cursor = claimed[0]
        if self._reclaim_cursor == _START_OF_STREAM:
            self._reclaim_at = now + RECLAIM_S
        return list(claimed[1])

    async def _restore_group(self) -> None:
        """Make the group again, and the stream: Redis was flushed, or restarted without data."""
        try:
            await self._declare_consumer_group()
        except (RedisError, OSError) as error:
            await self._report_read_error(error)
        else:
            observe_queue.queue_restored()
            await asyncio.sleep(RETRY_S / 10)  # somebody may remove it again and again

    async def _acknowledge(self, entry_id: bytes) -> None:
        self._acks.submit_nowait(entry_id)

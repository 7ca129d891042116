"""The message broker: taskiq's Redis stream broker, with coalesced round trips.

Jobs are sent and acknowledged many in one round trip; acknowledged messages are deleted, so that
the length of the stream is the length of the queue. Messages of a dead worker are reclaimed at an
interval. A dead connection, or a Redis that lost its data, is handled by retries: a lost job
delays its order until the sweep sends another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq import AckableMessage
from taskiq.message import BrokerMessage
from taskiq.serializers.orjson_serializer import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

from backend.runtime import observe
from backend.runtime.coalescer import Coalescer

STREAM = "order-engine:jobs"
GROUP = "workers"
BATCH_MAX = 1_000
READ_MAX = 200
BLOCK_MS = 1_000
RECLAIM_S = 5.0
RECLAIM_IDLE_MS = 10_000
RETRY_S = 0.5
SEND_QUEUE_MAX = 200_000
SEND_INTERVAL_S = 0.015
"""Shortest time between two sends in close succession. Orders that reach a worker together are
claimed, quoted, sent, polled and committed together: one delay here is shared by every step."""
ACK_DELAY_S = 0.05

# One script call for all jobs: a pipeline of as many commands costs a client several times more.
_ADD_JOBS = "for i = 1, #ARGV do redis.call('XADD', KEYS[1], '*', 'data', ARGV[i]) end"

StreamEntry = tuple[bytes, dict[bytes, bytes] | None]


class StreamBroker(RedisStreamBroker):
    """Sends and receives jobs; ``run`` must be running."""

    def __init__(self, url: str, *, consumer: str) -> None:
        super().__init__(url, queue_name=STREAM, consumer_group_name=GROUP, consumer_name=consumer)
        self.with_serializer(ORJSONSerializer())
        self._redis: Redis = Redis(connection_pool=self.connection_pool)
        self._add = self._redis.register_script(_ADD_JOBS)
        self._sends: Coalescer[bytes, None] = Coalescer(
            self._send_batch,
            items_max=BATCH_MAX,
            waiting_max=SEND_QUEUE_MAX,
            min_interval_s=SEND_INTERVAL_S,
        )
        self._stop = asyncio.Event()
        self._acks: Coalescer[bytes, None] = Coalescer(
            self._acknowledge_batch, items_max=BATCH_MAX, max_delay_s=ACK_DELAY_S, busy_items=1
        )

    async def run(self) -> None:
        """Send jobs and acknowledgements until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sends.run())
            tasks.create_task(self._acks.run())

    def stop_on(self, stop: asyncio.Event) -> None:
        """Make ``listen`` end when ``stop`` is set.

        Cancelling it is not enough: a client whose own timeout expires at the same time turns
        the cancellation into that timeout.
        """
        self._stop = stop

    async def startup(self) -> None:
        """Declare the consumer group, if Redis is available."""
        try:
            await super().startup()
        except (RedisError, OSError) as error:
            observe.redis_unavailable("declare group", error)

    async def kick(self, message: BrokerMessage) -> None:
        """Add a job to the send queue; returns before Redis has it.

        Raises ``Transient`` (``overloaded``) if the send queue is full.
        """
        self._sends.submit_nowait(message.message)

    async def wait_sent(self) -> None:
        """Return when the send queue is empty: its jobs were sent, or Redis did not accept them."""
        await self._sends.wait_idle()

    async def count_jobs(self) -> int:
        """The number of jobs on the queue. Raises ``RedisError`` or ``OSError``."""
        return int(await self._redis.xlen(STREAM))

    async def _send_batch(self, messages: Sequence[bytes]) -> list[None]:
        try:
            await self._add(keys=[STREAM], args=messages)
        except (RedisError, OSError) as error:
            observe.jobs_not_sent(len(messages), error)
        return [None] * len(messages)

    async def _acknowledge_batch(self, ids: Sequence[bytes]) -> list[None]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xack(STREAM, GROUP, *ids)
                pipe.xdel(STREAM, *ids)
                await pipe.execute()
        except (RedisError, OSError) as error:
            observe.redis_unavailable("acknowledge", error)
        return [None] * len(ids)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Receive jobs: new ones, and those that a dead worker left unacknowledged."""
        loop = asyncio.get_running_loop()
        reclaim_at = loop.time()
        while not self._stop.is_set():
            entries: list[StreamEntry] = []
            try:
                if loop.time() >= reclaim_at:
                    reclaim_at = loop.time() + RECLAIM_S
                    entries = await self._reclaim()
                entries = entries or await self._read_new()
            except ResponseError as error:
                # Redis was restarted or flushed, and lost the consumer group with its data.
                observe.redis_unavailable("read", error)
                await self._recreate_group()
            except (RedisError, OSError) as error:
                observe.redis_unavailable("read", error)
                await asyncio.sleep(RETRY_S)
            for entry_id, fields in entries:
                if fields is None or b"data" not in fields:
                    observe.unreadable_job_dropped(fields)
                    self._acks.submit_nowait(entry_id)
                    continue
                yield AckableMessage(data=fields[b"data"], ack=self._build_ack(entry_id))

    async def _read_new(self) -> list[StreamEntry]:
        response: Any = await self._redis.xreadgroup(
            GROUP, self.consumer_name, {STREAM: ">"}, block=BLOCK_MS, count=READ_MAX
        )
        return [entry for _, entries in response or () for entry in entries]

    async def _reclaim(self) -> list[StreamEntry]:
        claimed: Any = await self._redis.xautoclaim(
            STREAM, GROUP, self.consumer_name, RECLAIM_IDLE_MS, count=READ_MAX
        )
        return list(claimed[1])

    async def _recreate_group(self) -> None:
        try:
            await self._declare_consumer_group()
        except (RedisError, OSError) as error:
            observe.redis_unavailable("declare group", error)
        await asyncio.sleep(RETRY_S / 10)

    def _build_ack(self, entry_id: bytes) -> Callable[[], Awaitable[None]]:
        async def ack() -> None:
            self._acks.submit_nowait(entry_id)

        return ack

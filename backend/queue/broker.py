"""The job queue: taskiq's Redis stream broker, with its round trips coalesced.

Jobs are sent, and acknowledged, many in one pipeline; what is acknowledged is deleted, so that
the stream's length is the queue's. Messages of a dead worker are reclaimed by a timer. A broken
connection, or a Redis that lost its data, is met by trying again: a job that is lost on the way
costs its order a moment, until the sweep sends another one.
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
OUTBOX_MAX = 200_000
SEND_APART_S = 0.015
"""How far sends that follow each other closely are kept apart. Orders that reach a worker together
are claimed, quoted, sent, watched and committed together: one wait here shares every step."""
ACK_LINGER_S = 0.05

# One command for all: a pipeline of as many costs a client several times as much.
_ADD = "for i = 1, #ARGV do redis.call('XADD', KEYS[1], '*', 'data', ARGV[i]) end"

Entry = tuple[bytes, dict[bytes, bytes] | None]


class StreamBroker(RedisStreamBroker):
    """Sends and receives jobs; ``run`` must be running."""

    def __init__(self, url: str, *, consumer: str) -> None:
        super().__init__(url, queue_name=STREAM, consumer_group_name=GROUP, consumer_name=consumer)
        self.with_serializer(ORJSONSerializer())
        self._redis: Redis = Redis(connection_pool=self.connection_pool)
        self._add = self._redis.register_script(_ADD)
        self._outbox: Coalescer[bytes, None] = Coalescer(
            self._send, items_max=BATCH_MAX, waiting_max=OUTBOX_MAX, apart_s=SEND_APART_S
        )
        self._stop = asyncio.Event()
        self._acks: Coalescer[bytes, None] = Coalescer(
            self._acknowledge, items_max=BATCH_MAX, linger_s=ACK_LINGER_S, busy=1
        )

    async def run(self) -> None:
        """Send jobs and acknowledgements until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outbox.run())
            tasks.create_task(self._acks.run())

    def until(self, stop: asyncio.Event) -> None:
        """Let ``listen`` end when ``stop`` is set.

        Cancelling it is not enough: a client whose own time-out comes at the same moment turns
        the cancellation into that time-out.
        """
        self._stop = stop

    async def startup(self) -> None:
        """Declare the consumer group, if Redis is there."""
        try:
            await super().startup()
        except (RedisError, OSError) as error:
            observe.redis_gone("declare", error)

    async def kick(self, message: BrokerMessage) -> None:
        """Put a job into the outbox; returns before Redis has it.

        Raises ``Transient`` (``overloaded``) if the outbox is full.
        """
        self._outbox.put(message.message)

    async def flushed(self) -> None:
        """Return when what is in the outbox now has been sent, or was lost to a dead Redis."""
        await self._outbox.idle()

    async def depth(self) -> int:
        """How many jobs wait. Raises what redis raises."""
        return int(await self._redis.xlen(STREAM))

    async def _send(self, messages: Sequence[bytes]) -> list[None]:
        try:
            await self._add(keys=[STREAM], args=messages)
        except (RedisError, OSError) as error:
            observe.jobs_not_sent(len(messages), error)
        return [None] * len(messages)

    async def _acknowledge(self, ids: Sequence[bytes]) -> list[None]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xack(STREAM, GROUP, *ids)
                pipe.xdel(STREAM, *ids)
                await pipe.execute()
        except (RedisError, OSError) as error:
            observe.redis_gone("acknowledge", error)
        return [None] * len(ids)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Jobs as they come: new ones, and those that a dead worker left."""
        loop = asyncio.get_running_loop()
        reclaim_at = loop.time()
        while not self._stop.is_set():
            entries: list[Entry] = []
            try:
                if loop.time() >= reclaim_at:
                    reclaim_at = loop.time() + RECLAIM_S
                    entries = await self._reclaim()
                entries = entries or await self._read()
            except ResponseError as error:
                # The group is gone with the data of a Redis that was restarted or flushed.
                observe.redis_gone("read", error)
                await self._restore()
            except (RedisError, OSError) as error:
                observe.redis_gone("read", error)
                await asyncio.sleep(RETRY_S)
            for entry_id, fields in entries:
                if fields is None or b"data" not in fields:
                    observe.job_unreadable(fields)
                    self._acks.put(entry_id)
                    continue
                yield AckableMessage(data=fields[b"data"], ack=self._ack(entry_id))

    async def _read(self) -> list[Entry]:
        fetched: Any = await self._redis.xreadgroup(
            GROUP, self.consumer_name, {STREAM: ">"}, block=BLOCK_MS, count=READ_MAX
        )
        return [entry for _, entries in fetched or () for entry in entries]

    async def _reclaim(self) -> list[Entry]:
        claimed: Any = await self._redis.xautoclaim(
            STREAM, GROUP, self.consumer_name, RECLAIM_IDLE_MS, count=READ_MAX
        )
        return list(claimed[1])

    async def _restore(self) -> None:
        try:
            await self._declare_consumer_group()
        except (RedisError, OSError) as error:
            observe.redis_gone("declare", error)
        await asyncio.sleep(RETRY_S / 10)

    def _ack(self, entry_id: bytes) -> Callable[[], Awaitable[None]]:
        async def ack() -> None:
            self._acks.put(entry_id)

        return ack

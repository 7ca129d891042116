"""The feed tail: reads new events from the feed once for all sockets of this process.

A commit notification wakes it; it also polls every quarter of a second, because notifications may
be lost. A notification names a transaction, whose events become readable only when all older
transactions have ended, so the tail rereads at short intervals until they have. Without a
subscriber it is idle.

An older transaction may be another program's and stay open for long. Whoever follows one order does
not wait for it: while it delays the feed, the new events of followed orders are read ahead of the
feed, and the subscriber skips by ``seq`` what the feed brings again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from backend.api.delivery.event_page import PAGE_EVENTS_MAX, EncodedEvent, EventPage
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.domain.errors import Transient
from backend.domain.orders import OrderEvent
from backend.runtime import observe, trace
from backend.store.feed import Feed, FeedPosition

BUSY_PAUSE_S = 0.01
"""Least time between two reads that find many events: a burst is sent in one frame."""
PAUSE_S = 0.002
BUSY_EVENTS_MIN = 8
REREAD_S = 0.005
REREAD_TIMEOUT_S = 1.0
POLL_S = 0.25
RETRY_S = 0.5
START_TIMEOUT_S = 5.0
READ_AHEAD_AFTER_S = 0.05
"""How long the feed must be delayed before the events of followed orders are read ahead of it."""
READ_AHEAD_PAUSE_S = 0.05
READ_AHEAD_ORDERS_MAX = 1_000
"""Most orders in one such read."""


class FeedTail:
    """Follows the feed and fans its events out to subscribers; ``run`` must be running."""

    def __init__(
        self,
        feed: Feed,
        format_cursor: Callable[[FeedPosition], str],
        *,
        is_feed_delayed: Callable[[], bool],
    ) -> None:
        self._feed = feed
        self._format_cursor = format_cursor
        self._is_feed_delayed = is_feed_delayed
        self._stream_queues: set[OutgoingQueue[EventPage]] = set()
        self._order_queues: dict[UUID, set[OutgoingQueue[EncodedEvent]]] = {}
        self._has_subscriber = asyncio.Event()
        self._is_following = asyncio.Event()
        self._is_notified = asyncio.Event()
        self._position: FeedPosition | None = None
        self._target_txid = 0
        self._delayed_since: float | None = None
        self._ahead_seqs: dict[UUID, int] = {}

    @property
    def position(self) -> FeedPosition:
        """The feed position up to which events were published; only valid while subscribed."""
        assert self._position is not None, "the tail follows the feed while there is a subscriber"
        return self._position

    def make_page(self, events: Sequence[OrderEvent]) -> EventPage:
        """A page of these events; there must be at least one."""
        return EventPage([EncodedEvent(event) for event in events], self._format_cursor)

    def notify_committed(self, txid: int) -> None:
        """Wake the tail: a transaction has committed events."""
        self._target_txid = max(self._target_txid, txid)
        self._is_notified.set()

    @asynccontextmanager
    async def subscribe(self, queue: OutgoingQueue[EventPage]) -> AsyncIterator[None]:
        """Put every event behind ``position`` into the outgoing queue while the block runs.

        Raises ``Transient`` if PostgreSQL does not answer.
        """
        self._stream_queues.add(queue)
        try:
            await self._await_following()
            yield
        finally:
            self._stream_queues.discard(queue)

    @asynccontextmanager
    async def subscribe_to_order(
        self, order_id: UUID, queue: OutgoingQueue[EncodedEvent]
    ) -> AsyncIterator[None]:
        """Put every new event of one order into the outgoing queue while the block runs.

        Events that were committed before the block began may be missing: read them inside it.
        Raises ``Transient`` if PostgreSQL does not answer.
        """
        queues = self._order_queues.setdefault(order_id, set())
        queues.add(queue)
        try:
            await self._await_following()
            yield
        finally:
            queues.discard(queue)
            if not queues:
                self._order_queues.pop(order_id, None)
                self._ahead_seqs.pop(order_id, None)

    async def _await_following(self) -> None:
        self._has_subscriber.set()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._is_following.wait()
        except TimeoutError:
            raise Transient("database_unavailable", "the feed cannot be read now") from None

    async def run(self) -> None:
        """Read and publish events until cancelled."""
        while True:
            if not self._stream_queues and not self._order_queues:
                self._position = None
                self._is_following.clear()
                self._has_subscriber.clear()
                await self._has_subscriber.wait()
            try:
                if self._position is None:
                    self._position = await self._feed.read_head()
                    self._is_following.set()
                count = await self._read_to_target()
                await asyncio.sleep(BUSY_PAUSE_S if count >= BUSY_EVENTS_MIN else PAUSE_S)
                await self._await_notification()
            except Transient:  # logged by the store
                await asyncio.sleep(RETRY_S)

    async def _await_notification(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._is_notified.wait()
        except TimeoutError:
            if self._is_feed_delayed():  # a notification may have been lost
                await self._read_ahead()

    async def _read_to_target(self) -> int:
        """Publish events until the newest notified transaction is among them, or a timeout.

        Returns the number of events.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + REREAD_TIMEOUT_S
        count = 0
        while True:
            self._is_notified.clear()
            target_txid = self._target_txid
            count += await self._read_available()
            if self.position.txid >= target_txid:
                self._delayed_since = None
                return count
            if loop.time() > give_up_at:
                return count
            # A transaction may have ended without an event: then the head has passed it.
            if (await self._feed.read_head()).txid > target_txid:
                self._delayed_since = None
                return count + await self._read_available()
            await self._wait_for_older(loop.time())

    async def _wait_for_older(self, now: float) -> None:
        """Wait a moment for older transactions to end; after a while read ahead of them."""
        if self._delayed_since is None:
            self._delayed_since = now
        if now - self._delayed_since < READ_AHEAD_AFTER_S:
            await asyncio.sleep(REREAD_S)
        else:
            await self._read_ahead()
            await asyncio.sleep(READ_AHEAD_PAUSE_S)

    async def _read_ahead(self) -> None:
        """Publish the committed events of followed orders that the feed cannot have yet."""
        order_ids = list(self._order_queues)
        for start in range(0, len(order_ids), READ_AHEAD_ORDERS_MAX):
            chunk = order_ids[start : start + READ_AHEAD_ORDERS_MAX]
            seen = [(order_id, self._ahead_seqs.get(order_id, 0)) for order_id in chunk]
            for event in await self._feed.read_newest_events(seen):
                if event.order_id in self._order_queues:
                    self._ahead_seqs[event.order_id] = event.seq
                    self._publish_to_order(EncodedEvent(event))

    async def _read_available(self) -> int:
        count = 0
        while True:
            events, end = await self._feed.read_events(self.position, PAGE_EVENTS_MAX)
            if events:
                self._publish(events)
                observe.feed_events_read(len(events))
                self._position = end
            count += len(events)
            if len(events) < PAGE_EVENTS_MAX:
                return count

    def _publish(self, events: Sequence[OrderEvent]) -> None:
        trace.mark_step("events published")
        page = self.make_page(events)
        for stream_buffer in self._stream_queues:
            stream_buffer.put(page, len(page))
        if not self._order_queues:
            return
        for encoded in page:
            self._publish_to_order(encoded)

    def _publish_to_order(self, encoded: EncodedEvent) -> None:
        for order_buffer in self._order_queues.get(encoded.event.order_id, ()):
            order_buffer.put(encoded)

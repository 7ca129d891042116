"""The feed tail: publishes new events of the feed once for all sockets of this process.

Commit notifications bring them. Those that are next in the total order are published at once
(``commit_buffer``); the events of a followed order also go to its own sockets as soon as they are
known, which need only that order's ``seq``. The journal is read to start, to close a gap, and every
quarter of a second without a notification, because notifications may be lost. What a transaction
wrote becomes readable only when all older ones have ended, so the tail rereads at short intervals
until they have. Without a subscriber it is idle.

An older transaction may be another program's and stay open for long. Whoever follows one order does
not wait for it: while it delays the feed, the new events of followed orders are read ahead of the
feed, and the subscriber skips by ``seq`` what the feed brings again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

from backend.api.delivery.commit_buffer import CommitBuffer
from backend.api.delivery.event_page import PAGE_EVENTS_MAX, EncodedEvent, EventPage
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.domain.errors import Transient
from backend.domain.orders import OrderEvent
from backend.runtime import observe, observe_queue, trace
from backend.runtime.commit_notifications import Commit
from backend.runtime.loop_load import loop_load
from backend.store.feed import Feed, FeedPosition

FRAME_INTERVAL_S = 0.01
"""Least time between two frames to a socket under full load: a burst is sent in one frame."""
GAP_WAIT_S = 0.003
"""How long a commit that is missing between others may still be told: two processes tell of theirs
in any order, and a transaction that is older may commit a little later."""
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


class PageQueue(Protocol):
    """The outgoing queue of a stream, as far as the tail knows it."""

    def put(self, item: EventPage, weight: int = ..., /) -> None:
        """Append a page of events."""


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
        self._stream_queues: set[PageQueue] = set()
        self._order_queues: dict[UUID, set[OutgoingQueue[EncodedEvent]]] = {}
        self._has_subscriber = asyncio.Event()
        self._is_following = asyncio.Event()
        self._is_notified = asyncio.Event()
        self._position: FeedPosition | None = None
        self._buffer = CommitBuffer()
        self._are_gaps_closed = True
        self._has_missed = False
        self.subscriptions = 0
        """How many subscriptions there were."""
        self._unknown_txid = 0
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

    def notify_committed(self, commit: Commit) -> None:
        """Take the events of a commit, and wake the tail."""
        self._target_txid = max(self._target_txid, commit.txid)
        if commit.events is not None and self._is_new(commit.txid):
            events = [EncodedEvent(event) for event in commit.events]
            self._buffer.add(commit.txid, events)
            if self._order_queues:
                for encoded in events:
                    self._publish_to_order(encoded)
        elif commit.events is None:
            self._unknown_txid = max(self._unknown_txid, commit.txid)
        self._is_notified.set()

    def notify_missed(self) -> None:
        """Read what was committed until now: its notifications did not come here."""
        self._has_missed = True
        self._is_notified.set()

    @property
    def is_followed(self) -> bool:
        """Whether there is a subscriber."""
        return bool(self._stream_queues or self._order_queues)

    async def wait_followed(self) -> None:
        """Wait for a subscriber."""
        await self._has_subscriber.wait()

    def _is_new(self, txid: int) -> bool:
        return self._position is not None and txid >= self._position.txid

    @asynccontextmanager
    async def subscribe(self, queue: PageQueue) -> AsyncIterator[None]:
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
        self.subscriptions += 1
        self._has_subscriber.set()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._is_following.wait()
        except TimeoutError:
            raise Transient("database_unavailable", "the feed cannot be read now") from None

    async def run(self) -> None:
        """Read and publish events until cancelled."""
        while True:
            if not self.is_followed:
                self._position = None
                self._buffer.clear()
                self._is_following.clear()
                self._has_subscriber.clear()
                await self._has_subscriber.wait()
            try:
                if self._position is None:
                    self._position = await self._feed.read_head()
                    self._is_following.set()
                await self._publish_to_target()
                await asyncio.sleep(loop_load.scale(FRAME_INTERVAL_S))
                if not await self._wait_next_notified():
                    self._has_missed = False
                    await self._read_available()
                    if self._is_feed_delayed():
                        await self._read_ahead()
            except Transient:  # logged by the store
                await asyncio.sleep(RETRY_S)

    async def _wait_next_notified(self) -> bool:
        """Wait until the next commit is told; whether none may have been missed."""
        return not self._has_missed and await self._wait_notified(POLL_S) and not self._has_missed

    async def _wait_notified(self, timeout_s: float) -> bool:
        """Wait for a notification; whether there was one in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_notified.wait()
        except TimeoutError:
            return False
        return True

    async def _publish_to_target(self) -> None:
        """Publish events until the newest notified transaction is among them, or a timeout."""
        loop = asyncio.get_running_loop()
        read_at = loop.time() + (GAP_WAIT_S if self._are_gaps_closed else 0)
        give_up_at = read_at + REREAD_TIMEOUT_S
        while True:
            self._is_notified.clear()
            target_txid = self._target_txid
            self._publish_notified()
            now = loop.time()
            has_gap = self.position.txid <= target_txid
            if has_gap and (now >= read_at or self.position.txid <= self._unknown_txid):
                self._unknown_txid = 0
                await self._read_gap()
                read_at = loop.time() + REREAD_S
            if self.position.txid > target_txid:
                self._delayed_since = None
                return
            if now > give_up_at:
                self._target_txid = 0  # until the next notification: the last one may be wrong
                return
            if self._is_long_delayed(now):
                await self._read_ahead()
                read_at = loop.time() + READ_AHEAD_PAUSE_S
            await self._wait_notified(read_at - loop.time())

    def _publish_notified(self) -> None:
        """Publish the notified events that are next in the total order."""
        events, position = self._buffer.take_from(self.position)
        self._publish(events)
        self._position = position
        observe_queue.events_notified(len(events))

    async def _read_gap(self) -> None:
        """Read from the journal, because a transaction is missing among the notified ones."""
        missing_txid = self.position.txid
        events = await self._read_available()
        if self.position.txid > missing_txid:
            # If it was none of ours, the next gap is hardly worth a wait.
            self._are_gaps_closed = any(each.event.txid == missing_txid for each in events)

    def _is_long_delayed(self, now: float) -> bool:
        """Whether older transactions have delayed the feed for a while."""
        if self._delayed_since is None:
            self._delayed_since = now
        return now - self._delayed_since >= READ_AHEAD_AFTER_S

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

    async def _read_available(self) -> list[EncodedEvent]:
        """Read and publish everything that can be read now."""
        published: list[EncodedEvent] = []
        while True:
            events, end = await self._feed.read_events(self.position, PAGE_EVENTS_MAX)
            encoded = [EncodedEvent(event) for event in events]
            self._publish(encoded)
            observe.feed_events_read(len(events))
            self._position = end
            published += encoded
            if len(events) < PAGE_EVENTS_MAX:
                self._buffer.drop_before(end)
                return published

    def _publish(self, events: Sequence[EncodedEvent]) -> None:
        if not events:
            return
        trace.mark_step("events published")
        page = EventPage(events, self._format_cursor)
        for stream_buffer in self._stream_queues:
            stream_buffer.put(page, len(page))
        if not self._order_queues:
            return
        for encoded in events:
            self._publish_to_order(encoded)

    def _publish_to_order(self, encoded: EncodedEvent) -> None:
        for order_buffer in self._order_queues.get(encoded.event.order_id, ()):
            order_buffer.put(encoded)

"""The tail of the feed: reads new events once for all sockets of this process.

It is woken by the doorbell, and looks by itself every quarter of a second in case a ring was
lost. A ring names a transaction: its events can be read only when all older transactions have
ended, so the tail looks again quickly until they have. While nobody listens it does nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from backend.api.delivery.send_buffer import Outbox
from backend.api.wire.json import array, event_text, with_cursor
from backend.domain.errors import Transient
from backend.domain.lifecycle import Status
from backend.domain.orders import Event
from backend.domain.quotes import Dex
from backend.runtime import observe
from backend.store.feed import Feed, Position

PAGE_EVENTS = 1_000
"""Most events in one frame."""
PAUSE_S = 0.01
"""Least time between two looks that find many events: what comes together is sent together."""
SHORT_PAUSE_S = 0.002
MANY_EVENTS = 8
CHASE_S = 0.005
CHASE_MAX_S = 1.0
IDLE_S = 0.25
RETRY_S = 0.5
AWAKE_TIMEOUT_S = 5.0

_ROUTED = frozenset({Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a stream wants: each part that is set narrows them."""

    owner: str
    batch_id: UUID | None = None
    order_ids: frozenset[UUID] = frozenset()
    statuses: frozenset[Status] = frozenset()
    dex: Dex | None = None

    def wants(self, event: Event) -> bool:
        """Whether the stream gets this event."""
        return (
            event.owner == self.owner
            and (self.batch_id is None or event.batch_id == self.batch_id)
            and (not self.order_ids or event.order_id in self.order_ids)
            and (not self.statuses or event.status in self.statuses)
            and (self.dex is None or (event.dex is self.dex and event.status in _ROUTED))
        )


class Told:
    """An event on its way to sockets; its text is made once, when the first one needs it."""

    __slots__ = ("_text", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._text: str | None = None

    @property
    def position(self) -> Position:
        """Its place in the feed."""
        return Position(self.event.txid, self.event.order_id, self.event.seq)

    @property
    def text(self) -> str:
        """What clients get."""
        if self._text is None:
            self._text = event_text(self.event)
        return self._text


class Page:
    """Events that follow each other in the feed; at least one."""

    def __init__(self, told: Sequence[Told], cursor: Callable[[Position], str]) -> None:
        self._told = told
        self._cursor = cursor
        self._frames: dict[Filter, str | None] = {}

    def __len__(self) -> int:
        return len(self._told)

    def __iter__(self) -> Iterator[Told]:
        return iter(self._told)

    @property
    def last(self) -> Position:
        """The place behind all of them."""
        return self._told[-1].position

    def frame(self, which: Filter) -> str | None:
        """What a stream with this filter is sent, made once for all that have it."""
        if which not in self._frames:
            texts = [told.text for told in self._told if which.wants(told.event)]
            if texts:
                # The filter is behind the whole page then, not only behind its own last event.
                texts[-1] = with_cursor(texts[-1], self._cursor(self.last))
            self._frames[which] = array(texts) if texts else None
        return self._frames[which]

    def after(self, place: Position) -> Page | None:
        """The part that lies behind a place."""
        if self.last <= place:
            return None
        if self._told[0].position > place:
            return self
        return Page([told for told in self._told if told.position > place], self._cursor)


class Tail:
    """Follows the feed for those who subscribe; ``run`` must be running."""

    def __init__(self, feed: Feed, cursor: Callable[[Position], str]) -> None:
        self._feed = feed
        self._cursor = cursor
        self._streams: set[Outbox[Page]] = set()
        self._orders: dict[UUID, set[Outbox[Told]]] = {}
        self._wanted = asyncio.Event()
        self._awake = asyncio.Event()
        self._rung = asyncio.Event()
        self._position: Position | None = None
        self._target = 0

    @property
    def position(self) -> Position:
        """How far subscribers have been told; only for those who subscribe now."""
        assert self._position is not None, "a subscriber keeps the tail awake"
        return self._position

    def page(self, events: Sequence[Event]) -> Page:
        """Events as a page; there must be one at least."""
        return Page([Told(event) for event in events], self._cursor)

    def heard(self, txid: int) -> None:
        """The doorbell rang for a transaction."""
        self._target = max(self._target, txid)
        self._rung.set()

    @asynccontextmanager
    async def stream(self, outbox: Outbox[Page]) -> AsyncIterator[None]:
        """Put every event behind ``position`` into the outbox while the block runs.

        Raises ``Transient`` if PostgreSQL does not answer.
        """
        self._streams.add(outbox)
        try:
            await self._wake()
            yield
        finally:
            self._streams.discard(outbox)

    @asynccontextmanager
    async def order(self, order_id: UUID, outbox: Outbox[Told]) -> AsyncIterator[None]:
        """Put every new event of one order into the outbox while the block runs.

        Whatever was committed before the block began may be missing: read it in the block.
        Raises ``Transient`` if PostgreSQL does not answer.
        """
        listeners = self._orders.setdefault(order_id, set())
        listeners.add(outbox)
        try:
            await self._wake()
            yield
        finally:
            listeners.discard(outbox)
            if not listeners:
                self._orders.pop(order_id, None)

    async def _wake(self) -> None:
        self._wanted.set()
        try:
            async with asyncio.timeout(AWAKE_TIMEOUT_S):
                await self._awake.wait()
        except TimeoutError:
            raise Transient("database_unavailable", "the feed cannot be read now") from None

    async def run(self) -> None:
        """Read and tell until cancelled."""
        while True:
            if not self._streams and not self._orders:
                self._position = None
                self._awake.clear()
                self._wanted.clear()
                await self._wanted.wait()
            try:
                if self._position is None:
                    self._position = await self._feed.head()
                    self._awake.set()
                found = await self._chase()
                await asyncio.sleep(PAUSE_S if found >= MANY_EVENTS else SHORT_PAUSE_S)
                await self._ring()
            except Transient as error:
                observe.database_gone(error)
                await asyncio.sleep(RETRY_S)

    async def _ring(self) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                await self._rung.wait()
        except TimeoutError:
            pass

    async def _chase(self) -> int:
        """Read until what was rung for has been told, or has been waited for long enough.

        Returns how many events that were.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + CHASE_MAX_S
        found = 0
        while True:
            self._rung.clear()
            target = self._target
            found += await self._read()
            if self.position.txid >= target or loop.time() > give_up_at:
                return found
            # A transaction may have ended without an event: then the head has passed it.
            if (await self._feed.head()).txid > target:
                return found + await self._read()
            await asyncio.sleep(CHASE_S)

    async def _read(self) -> int:
        found = 0
        while True:
            events, behind = await self._feed.read(self.position, PAGE_EVENTS)
            if events:
                self._tell(events)
                observe.events_read(len(events))
                self._position = behind
            found += len(events)
            if len(events) < PAGE_EVENTS:
                return found

    def _tell(self, events: Sequence[Event]) -> None:
        page = self.page(events)
        for stream in self._streams:
            stream.put(page, len(page))
        if not self._orders:
            return
        for told in page:
            for outbox in self._orders.get(told.event.order_id, ()):
                outbox.put(told)

"""Brings the events of the feed to the webhooks that want them, as deliveries that are stored.

Webhooks at the end of the feed follow the tail, which sockets follow too: one page of new events is
looked at once for all of them, and stored by one statement. A webhook that was behind, or whose
receiver is, reads the feed itself until it has come to the end. A process without webhooks does not
follow the tail.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from backend.api.delivery.event_page import PAGE_EVENTS_MAX, EventPage
from backend.api.delivery.feed_tail import FeedTail
from backend.api.delivery.open_sockets import CloseRequest
from backend.api.delivery.outgoing_queue import OutgoingQueue
from backend.api.webhooks import observe_webhooks
from backend.api.webhooks.deliverer import Deliverer
from backend.domain.errors import EngineError
from backend.domain.orders import OrderEvent
from backend.domain.webhooks.webhook import get_event_type
from backend.store.errors import DATABASE_ERRORS
from backend.store.feed import Feed, FeedPosition
from backend.store.webhooks.delivery_store import DeliveryStore
from backend.store.webhooks.lease_store import WebhookLeases

BUFFERED_EVENTS_MAX: Final = 20_000
"""Most events that wait to be looked at; beyond that webhooks read the feed themselves."""
STORE_POSITION_S: Final = 30.0
"""How often it is stored how far webhooks have come that no event has moved."""
STORE_POSITION_PAGES: Final = 20
READS_MAX: Final = 2
"""Most webhooks that read the feed at a time."""
_QUEUE_WAIT_S: Final = 1.0
_REREAD_S: Final = 0.02
_RETRY_S: Final = 0.5

Wanted = list[tuple[UUID, OrderEvent, str]]


class FanOut:
    """The fan-out of this process; ``run`` must be running. ``feed`` is for what is past in it."""

    def __init__(
        self, tail: FeedTail, feed: Feed, leases: WebhookLeases, store: DeliveryStore
    ) -> None:
        self._tail = tail
        self._feed = feed
        self._leases = leases
        self._store = store
        self._reads = asyncio.Semaphore(READS_MAX)
        self._deliverers: set[Deliverer] = set()
        self._has_deliverers = asyncio.Event()
        self._is_following = asyncio.Event()

    def add(self, deliverer: Deliverer) -> None:
        """Follow the feed for a webhook from now on."""
        self._deliverers.add(deliverer)
        self._has_deliverers.set()

    def remove(self, deliverer: Deliverer) -> None:
        """Follow the feed for a webhook no more."""
        self._deliverers.discard(deliverer)
        if not self._deliverers:
            self._has_deliverers.clear()

    async def run(self) -> None:
        """Follow the tail while there are webhooks, until cancelled."""
        while True:
            await self._has_deliverers.wait()
            try:
                await self._follow_tail()
            except (*DATABASE_ERRORS, EngineError) as error:
                observe_webhooks.store_failed(error)
                await asyncio.sleep(_RETRY_S)
            finally:
                self._is_following.clear()
                for deliverer in self._deliverers:
                    deliverer.leave_feed()

    async def _follow_tail(self) -> None:
        """Follow the tail until there is no webhook, or until this falls too far behind."""
        loop = asyncio.get_running_loop()
        overflow, position_at = CloseRequest(), loop.time() + STORE_POSITION_S
        queue: OutgoingQueue[EventPage] = OutgoingQueue(overflow, weight_max=BUFFERED_EVENTS_MAX)
        async with self._tail.subscribe(queue):
            self._is_following.set()
            while self._deliverers and not overflow.is_set:
                try:
                    async with asyncio.timeout(_QUEUE_WAIT_S):
                        page = await queue.get()
                except TimeoutError:
                    pass
                else:
                    await self._store_page(page)
                if loop.time() >= position_at:
                    position_at = loop.time() + STORE_POSITION_S
                    await self._store_positions()

    async def _store_page(self, page: EventPage) -> None:
        """Store what webhooks at the end of the feed want of a page."""
        following = [each for each in self._deliverers if each.is_following]
        by_deliverer = _find_wanted(page, following)
        for deliverer in [each for each, wanted in by_deliverer.items() if len(wanted) > each.room]:
            del by_deliverer[deliverer]
            deliverer.leave_feed()
        moved: set[UUID] = set()
        if by_deliverer:
            webhooks = [each.webhook for each in by_deliverer]
            wanted = [each for some in by_deliverer.values() for each in some]
            try:
                moved = await self._store.store(webhooks, page.last_position, wanted)
            except DATABASE_ERRORS as error:  # whether it was stored is read from the rows
                observe_webhooks.store_failed(error)
        for deliverer in following:
            if deliverer not in by_deliverer:
                deliverer.position = max(deliverer.position, page.last_position)
            elif deliverer.webhook.id in moved and deliverer.is_following:
                deliverer.position = max(deliverer.position, page.last_position)
                deliverer.pending += len(by_deliverer[deliverer])
                deliverer.wake()
            else:
                deliverer.leave_feed()

    async def _store_positions(self) -> None:
        following = [each for each in self._deliverers if each.is_following]
        if following:
            end = min(each.position for each in following)
            await self._store.store([each.webhook for each in following], end, [])

    async def catch_up(self, deliverer: Deliverer) -> None:
        """Store what a webhook wants from where it has come to on, as far as there is room.

        At the end of the feed it follows the tail. Raises ``DATABASE_ERRORS`` or ``Transient``.
        """
        found = await self._leases.read_position(deliverer.webhook)
        if found is None:
            return  # its lease is not renewed
        position, deliverer.pending = found
        pages = 0
        while deliverer.room > 0 and not deliverer.is_following:
            async with self._reads:
                events, end = await self._feed.read_events(position, PAGE_EVENTS_MAX)
            wanted: Wanted = [
                (deliverer.webhook.id, each, get_event_type(each.status))
                for each in events
                if each.owner == deliverer.webhook.owner and deliverer.wants(each)
            ]
            is_end = len(events) < PAGE_EVENTS_MAX
            if len(wanted) > deliverer.room:
                wanted, is_end = wanted[: deliverer.room], False
                end = _get_position(wanted[-1][1])
            pages += 1
            if wanted or pages % STORE_POSITION_PAGES == 0:
                if not await self._store.store([deliverer.webhook], end, wanted):
                    return  # it is renewed as it is by now
                deliverer.pending += len(wanted)
            position = end
            if wanted and not is_end:
                return  # deliver these first
            if is_end:
                await self._join_tail(deliverer, position)

    async def _join_tail(self, deliverer: Deliverer, position: FeedPosition) -> None:
        """Have a webhook follow the tail, if that has told nothing beyond its position yet."""
        await self._is_following.wait()
        if position >= self._tail.position:
            deliverer.position, deliverer.is_following = position, True
        else:
            await asyncio.sleep(_REREAD_S)


def _find_wanted(page: EventPage, following: Collection[Deliverer]) -> dict[Deliverer, Wanted]:
    """What some webhooks want of a page, of what is behind their positions."""
    by_owner: dict[str, list[Deliverer]] = defaultdict(list)
    for deliverer in following:
        by_owner[deliverer.webhook.owner].append(deliverer)
    wanted: dict[Deliverer, Wanted] = {}
    for event in _list_events(page, by_owner):
        kind, position = get_event_type(event.status), _get_position(event)
        for deliverer in by_owner[event.owner]:
            if position > deliverer.position and deliverer.wants(event):
                wanted.setdefault(deliverer, []).append((deliverer.webhook.id, event, kind))
    return wanted


def _list_events(page: EventPage, owners: Collection[str]) -> Iterable[OrderEvent]:
    return (each.event for each in page if each.event.owner in owners)


def _get_position(event: OrderEvent) -> FeedPosition:
    return FeedPosition(event.txid, event.order_id, event.seq)

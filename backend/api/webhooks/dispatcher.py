"""The webhooks that this process delivers: those whose lease it has.

Processes claim what nobody delivers, so that one of them delivers each, and another one takes over
when a process is gone. Where there is no webhook all this is one statement each two seconds, which
finds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

from backend.api.delivery.feed_tail import FeedTail
from backend.api.webhooks import observe_webhooks
from backend.api.webhooks.attempt_slots import AttemptSlots
from backend.api.webhooks.deliverer import Deliverer, DeliveryContext
from backend.api.webhooks.fan_out import FanOut
from backend.api.webhooks.sender import MessageSender
from backend.domain.errors import EngineError
from backend.runtime.coalescer import Coalescer
from backend.store.errors import DATABASE_ERRORS
from backend.store.feed import Feed
from backend.store.webhooks.delivery_store import DeliveryStore, SentDelivery
from backend.store.webhooks.lease_store import LeasedWebhook, WebhookLeases

CLAIM_INTERVAL_S: Final = 2.0
STATEMENTS_MAX: Final = 2
"""Most statements of webhooks that run at a time: orders are placed on the same connections."""
RELEASE_TIMEOUT_S: Final = 2.0


class _Running(NamedTuple):
    deliverer: Deliverer
    task: asyncio.Task[None]


class WebhookDispatcher:
    """Delivers webhooks while ``run`` is running. ``feed`` is for what is past in it."""

    def __init__(
        self,
        leases: WebhookLeases,
        store: DeliveryStore,
        sender: MessageSender,
        *,
        tail: FeedTail,
        feed: Feed,
        random: Random,
        backoff_ms: int,
    ) -> None:
        self._leases = leases
        self._sender = sender
        self._random = random
        self._recorder: Coalescer[SentDelivery, None] = Coalescer(
            store.record_delivered, name="record a webhook", items_max=500
        )
        self._context = DeliveryContext(
            leases,
            store,
            sender,
            AttemptSlots(),
            self._recorder,
            asyncio.Semaphore(STATEMENTS_MAX),
            random,
            backoff_ms,
        )
        self._fan_out = FanOut(tail, feed, leases, store)
        self._running: dict[UUID, _Running] = {}
        self._has_claimed = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for webhooks at once: one was made or changed."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; ``release`` has to follow."""
        lease_s = self._leases.duration.total_seconds()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._fan_out.run())
            while True:
                self._wake.clear()
                try:
                    await self._renew(tasks)
                except (*DATABASE_ERRORS, EngineError) as error:
                    observe_webhooks.store_failed(error)
                self._drop_expired()
                interval_s = min(CLAIM_INTERVAL_S, lease_s / 4) * self._random.uniform(0.9, 1.1)
                try:
                    async with asyncio.timeout(interval_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def _renew(self, tasks: asyncio.TaskGroup) -> None:
        valid_until_s = self._read_clock() + self._leases.duration.total_seconds()
        # One that was paused and started again within its lease is still this process's.
        renewed = await self._leases.renew() if self._has_claimed else []
        claimed = await self._leases.claim()
        self._has_claimed |= bool(claimed)
        current = {each.id: each for each in (*renewed, *claimed)}
        for id_, running in list(self._running.items()):
            webhook = current.get(id_)
            if webhook is not None and webhook.epoch == running.deliverer.webhook.epoch:
                running.deliverer.renew(webhook, valid_until_s)
            else:
                self._drop(id_)
        for webhook in current.values():
            if webhook.id not in self._running:
                self._start(tasks, webhook, valid_until_s)
        observe_webhooks.webhooks_held(len(self._running))

    def _start(
        self, tasks: asyncio.TaskGroup, webhook: LeasedWebhook, valid_until_s: float
    ) -> None:
        deliverer = Deliverer(webhook, valid_until_s, self._context, self._fan_out.catch_up)
        self._fan_out.add(deliverer)
        self._running[webhook.id] = _Running(deliverer, tasks.create_task(deliverer.run()))

    def _drop_expired(self) -> None:
        now_s = self._read_clock()
        for id_ in self._list_ended(now_s):
            self._drop(id_)

    def _list_ended(self, now_s: float) -> Iterable[UUID]:
        return [
            id_
            for id_, running in self._running.items()
            if running.deliverer.valid_until_s <= now_s or running.task.done()
        ]

    def _drop(self, id_: UUID) -> None:
        running = self._running.pop(id_)
        running.task.cancel()
        self._fan_out.remove(running.deliverer)

    @staticmethod
    def _read_clock() -> float:
        return asyncio.get_running_loop().time()

    async def release(self) -> None:
        """Let other processes deliver what this one has; call it when ``run`` has ended."""
        await self._sender.close()
        if self._has_claimed:
            self._running.clear()
            try:
                async with asyncio.timeout(RELEASE_TIMEOUT_S):
                    await self._leases.release()
            except (*DATABASE_ERRORS, EngineError, TimeoutError) as error:
                observe_webhooks.store_failed(error)

"""Delivers one webhook while this process has its lease: in order per order, at least once.

Orders go side by side; the next event of an order is sent when PostgreSQL has recorded that the one
before was taken. A receiver gets one attempt at a time at first, and one more with each message
that it takes, up to a few and as far as there are slots; after a failure it is one again. What
fails again and again is tried after pauses that grow; a single event that is refused holds up its
own order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final
from uuid import UUID

from backend.api.webhooks import observe_webhooks
from backend.api.webhooks.attempt_slots import AttemptSlots
from backend.api.webhooks.messages import build_message
from backend.api.webhooks.sender import Attempt, MessageSender
from backend.domain.backoff import backoff_ms
from backend.domain.errors import EngineError
from backend.domain.orders import OrderEvent
from backend.domain.webhooks.webhook import get_event_type
from backend.runtime.coalescer import Coalescer
from backend.store.errors import DATABASE_ERRORS
from backend.store.feed import FeedPosition
from backend.store.webhooks.delivery_store import (
    DeliveryStore,
    DueDelivery,
    FailedDelivery,
    SentDelivery,
)
from backend.store.webhooks.lease_store import LeasedWebhook, WebhookLeases

ATTEMPTS_MAX: Final = 8
"""Most attempts of one webhook at a time, once its receiver has taken as many messages."""
PENDING_MAX: Final = 200
"""So many deliveries of a webhook are stored ahead of its receiver; the rest stays in the feed."""
FAILURES_MIN: Final = 3
"""From so many failures in a row on the receiver is taken for away: it is tried after pauses."""
BACKOFF_MAX_MS: Final = 1_800_000
JITTER: Final = 0.2
_TAKEN_MAX: Final = 32
_IDLE_S: Final = 30.0
_RETRY_S: Final = 0.5
_PRUNE_AFTER: Final = 200
_STATEMENT_ERRORS: Final = (*DATABASE_ERRORS, EngineError)


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """What the deliverers of a process share. ``statements`` bounds what they ask at a time."""

    leases: WebhookLeases
    store: DeliveryStore
    sender: MessageSender
    slots: AttemptSlots
    recorder: Coalescer[SentDelivery, None]
    statements: asyncio.Semaphore
    random: Random
    backoff_ms: int


class Deliverer:
    """Delivers a webhook; ``catch_up`` is what brings it to the end of the feed.

    ``valid_until_s`` is the end of its lease, by the clock of the loop.
    """

    def __init__(
        self,
        webhook: LeasedWebhook,
        valid_until_s: float,
        context: DeliveryContext,
        catch_up: Callable[[Deliverer], Awaitable[None]],
    ) -> None:
        self.webhook = webhook
        self.valid_until_s = valid_until_s
        self.is_following = False
        self.position = FeedPosition(0)
        self.pending = 0
        """About so many deliveries are stored and not made: what bounds them, and no more."""
        self._context = context
        self._catch_up = catch_up
        self._ready: deque[DueDelivery] = deque()
        self._in_flight: set[UUID] = set()
        self._failures = webhook.failures
        self._attempts_max = 1
        self._delivered = 0
        self._has_ended = False
        self._wake = asyncio.Event()

    @property
    def room(self) -> int:
        """How many deliveries may still be stored ahead of the receiver."""
        return PENDING_MAX - self.pending

    def wants(self, event: OrderEvent) -> bool:
        """Whether the webhook is told of an event of its owner's orders."""
        types = self.webhook.event_types
        return not types or get_event_type(event.status) in types

    def wake(self) -> None:
        """Have it look what is to be done."""
        self._wake.set()

    def leave_feed(self) -> None:
        """Have it read the feed from where it has come to."""
        self.is_following = False
        self._wake.set()

    def renew(self, webhook: LeasedWebhook, valid_until_s: float) -> None:
        """Take a renewed lease, with what its owner may have changed."""
        self.valid_until_s = valid_until_s
        if webhook.revision != self.webhook.revision:
            self._ready.clear()
            self._failures = webhook.failures
            self.leave_feed()
        self.webhook = webhook

    async def run(self) -> None:
        """Deliver until cancelled, or until the webhook is disabled."""
        while not self._has_ended:
            try:
                async with asyncio.TaskGroup() as attempts:
                    await self._run_attempts(attempts)
            except* Exception as errors:  # noqa: BLE001 - others go on
                observe_webhooks.delivery_failed(self.webhook.id, errors.exceptions[0])
                self._in_flight.clear()
                self._ready.clear()
                await asyncio.sleep(_IDLE_S)

    async def _run_attempts(self, attempts: asyncio.TaskGroup) -> None:
        while not self._has_ended:
            self._wake.clear()
            try:
                wait_s = await self._start_attempts(attempts)
            except _STATEMENT_ERRORS as error:
                observe_webhooks.store_failed(error)
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _start_attempts(self, attempts: asyncio.TaskGroup) -> float:
        """Start what is due; returns after how many seconds there may be more, if nothing wakes."""
        if not self._is_leased():
            return _RETRY_S  # it is renewed, or another process has it
        wait_s = _IDLE_S
        if not self.is_following and self.room >= PENDING_MAX // 2:
            await self._catch_up(self)
            wait_s = _IDLE_S if self.is_following else _RETRY_S
        if not self._ready and len(self._in_flight) < self._attempts_max:
            wait_s = min(wait_s, await self._take())
        while self._ready and len(self._in_flight) < self._attempts_max:
            has_slot = bool(self._in_flight)
            if has_slot and not self._context.slots.take(self.webhook.owner):
                break
            due = self._ready.popleft()
            self._in_flight.add(due.event.order_id)
            task = attempts.create_task(self._attempt(due))
            task.add_done_callback(partial(self._end_attempt, due.event.order_id, has_slot))
        if self._delivered >= _PRUNE_AFTER:
            self._delivered = 0
            await self._context.store.prune(self.webhook)
        return wait_s

    async def _take(self) -> float:
        """Fill ``_ready``; returns the seconds until the first that is not due yet is."""
        async with self._context.statements:
            taken = await self._context.store.take(self.webhook, self._in_flight, _TAKEN_MAX)
        self._ready.extend(due for due in taken if due.wait_s <= 0)
        if not taken and not self._in_flight:
            self.pending = 0
        waits = [due.wait_s for due in taken if due.wait_s > 0]
        return min([*waits, _IDLE_S])

    async def _attempt(self, due: DueDelivery) -> None:
        left_s = self.valid_until_s - asyncio.get_running_loop().time()
        if left_s > 0:
            owner, message = self.webhook.owner, build_message(due.event)
            send = self._context.sender.send
            attempt = await send(due.url, message, due.secrets, owner=owner, within_s=left_s)
            await self._record(due, attempt)

    def _end_attempt(self, order_id: UUID, has_slot: bool, _: asyncio.Task[None]) -> None:
        self._in_flight.discard(order_id)
        if has_slot:
            self._context.slots.release(self.webhook.owner)
        self._wake.set()

    async def _record(self, due: DueDelivery, attempt: Attempt) -> None:
        """Record an attempt, however long PostgreSQL is away, unless the lease has ended."""
        outcome = "delivered" if attempt.is_delivered else attempt.error.partition(":")[0]
        observe_webhooks.attempt_made(outcome, attempt.duration_ms)
        record = self._record_delivered if attempt.is_delivered else self._record_failed
        while self._is_leased():
            try:
                await record(due, attempt)
            except _STATEMENT_ERRORS as error:
                observe_webhooks.store_failed(error)
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _record_delivered(self, due: DueDelivery, attempt: Attempt) -> None:
        event, status = due.event, attempt.status or 0
        sent = SentDelivery(self.webhook.id, event.order_id, event.seq, status, attempt.duration_ms)
        await self._context.recorder.submit(sent)
        self.pending = max(0, self.pending - 1)
        self._delivered += 1
        self._attempts_max = min(self._attempts_max + 1, ATTEMPTS_MAX)
        failures, self._failures = self._failures, 0
        if failures >= FAILURES_MIN:  # it is back: nothing waits for the end of its own pause
            await self._context.store.retry_all(self.webhook)

    async def _record_failed(self, due: DueDelivery, attempt: Attempt) -> None:
        self._attempts_max = 1
        pause_ms = self._draw_backoff_ms(self._failures + 2 - FAILURES_MIN)
        retry_ms = max(self._draw_backoff_ms(due.attempts + 1), attempt.retry_after_s * 1_000)
        failed = FailedDelivery(
            due.event.order_id,
            due.event.seq,
            attempt.status,
            attempt.error,
            attempt.duration_ms,
            timedelta(milliseconds=retry_ms),
            timedelta(milliseconds=pause_ms),
        )
        async with self._context.statements:
            count = await self._context.store.record_failed(self.webhook, failed)
        self._failures = count.failures
        if count.failures >= FAILURES_MIN:
            self._ready.clear()
        if attempt.is_gone:
            await self._disable("the receiver answered 410: it wants no more messages")
        elif count.has_ended:
            await self._disable(f"nothing could be delivered for too long; {attempt.error}")

    def _is_leased(self) -> bool:
        return asyncio.get_running_loop().time() < self.valid_until_s

    def _draw_backoff_ms(self, failures: int) -> int:
        """How long to wait after so many failures; nothing before the first."""
        if failures < 1:
            return 0
        return backoff_ms(
            failures,
            base_ms=self._context.backoff_ms,
            jitter=JITTER,
            chance=self._context.random.random(),
            longest_ms=BACKOFF_MAX_MS,
        )

    async def _disable(self, why: str) -> None:
        if await self._context.leases.disable(self.webhook, why):
            observe_webhooks.webhook_disabled(self.webhook.id, self.webhook.owner, why)
        self._has_ended = True
        self._wake.set()

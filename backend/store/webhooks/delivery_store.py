"""Deliveries of webhooks: stored from the feed, taken in order per order, recorded, and listed.

A webhook's position moves in the statement that stores the deliveries up to there. Of an order the
next delivery is taken once the one before is recorded, so that its events never overtake each
other. Every statement that stores names the epoch of the lease under which it was prepared.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.orders import OrderEvent
from backend.domain.webhooks.webhook import DeliveryState, SigningSecrets
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.feed import FeedPosition, parse_event
from backend.store.webhooks.lease_store import LeasedWebhook

KEPT_MAX: Final = 500
"""So many of the latest deliveries of a webhook are kept."""

_STORE: Final = """ -- store webhook deliveries
WITH webhook AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::integer[]) AS i(id, epoch, revision)
), moved AS (
    UPDATE webhooks w SET txid = $4, order_id = $5, seq = $6 FROM webhook i
    WHERE w.id = i.id AND w.epoch = i.epoch AND w.revision = i.revision AND w.state = 'active'
      AND (w.txid, w.order_id, w.seq) < ($4, $5, $6)
    RETURNING w.id
), stored AS (
    INSERT INTO webhook_deliveries (webhook_id, txid, order_id, seq, type)
    SELECT i.* FROM unnest($7::uuid[], $8::bigint[], $9::uuid[], $10::integer[], $11::text[])
        AS i(webhook_id, txid, order_id, seq, type)
    JOIN moved ON moved.id = i.webhook_id
    ON CONFLICT DO NOTHING
)
SELECT id FROM moved
"""
# The first that are due in the order of the feed, then those that are due next.
_TAKE: Final = """ -- take webhook deliveries
WITH heads AS (
    SELECT DISTINCT ON (order_id) txid, order_id, seq, attempts, next_at FROM webhook_deliveries
    WHERE webhook_id = $1 AND delivered_at IS NULL AND order_id <> ALL($3::uuid[])
    ORDER BY order_id, seq
)
SELECT w.url, w.secret, CASE WHEN w.earlier_until > now() THEN w.earlier_secret END AS earlier,
       h.attempts, h.order_id, h.seq, e.status::text, e.at, e.attempt, e.data, e.txid,
       w.owner, NULL::uuid AS batch_id, NULL::text AS dex,
       extract(epoch FROM greatest(h.next_at, w.next_at) - now())::float8 AS wait_s
FROM webhooks w CROSS JOIN heads h
JOIN order_events e ON e.order_id = h.order_id AND e.seq = h.seq
WHERE w.id = $1 AND w.epoch = $2 AND w.state = 'active'
ORDER BY greatest(h.next_at, w.next_at, now()), h.txid, h.order_id LIMIT $4
"""
_RECORD_DELIVERED: Final = """ -- record delivered webhooks
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::integer[])
        AS i(webhook_id, order_id, seq, status, duration_ms)
), done AS (
    UPDATE webhook_deliveries d SET delivered_at = now(), last_at = now(), last_error = NULL,
        attempts = d.attempts + 1, last_status = i.status, duration_ms = i.duration_ms
    FROM input i
    WHERE d.webhook_id = i.webhook_id AND d.order_id = i.order_id AND d.seq = i.seq
      AND d.delivered_at IS NULL
)
UPDATE webhooks SET failures = 0, failing_since = NULL, next_at = NULL
WHERE id IN (SELECT webhook_id FROM input) AND (failures > 0 OR failing_since IS NOT NULL)
"""
# Attempts that ran side by side are one round, which counts once.
_RECORD_FAILED: Final = """ -- record failed webhook
WITH failed AS (
    UPDATE webhook_deliveries SET attempts = attempts + 1, last_at = now(), last_status = $5,
        last_error = $6, duration_ms = $7, next_at = now() + $8::interval,
        first_failed_at = coalesce(first_failed_at, now())
    WHERE webhook_id = $1 AND order_id = $3 AND seq = $4 AND delivered_at IS NULL
    RETURNING first_failed_at
)
UPDATE webhooks w SET
    failures = w.failures + ((w.next_at > now()) IS NOT TRUE)::integer,
    next_at = CASE WHEN w.next_at > now() THEN w.next_at ELSE now() + $9::interval END,
    failing_since = coalesce(w.failing_since, now())
WHERE id = $1 AND epoch = $2
RETURNING failures, least(failing_since, (SELECT first_failed_at FROM failed))
    <= now() - $10::interval AS has_ended
"""
_RETRY_ALL: Final = """ -- retry webhook deliveries
UPDATE webhook_deliveries SET next_at = now()
WHERE webhook_id = $1 AND delivered_at IS NULL AND next_at > now()
"""
_PRUNE: Final = f""" -- prune webhook deliveries
DELETE FROM webhook_deliveries d USING (
    SELECT txid, order_id, seq FROM webhook_deliveries WHERE webhook_id = $1
    ORDER BY txid DESC, order_id DESC, seq DESC OFFSET {KEPT_MAX} LIMIT 1
) last
WHERE webhook_id = $1 AND delivered_at IS NOT NULL
  AND (d.txid, d.order_id, d.seq) <= (last.txid, last.order_id, last.seq)
"""  # noqa: S608 - constants only
_LIST: Final = """ -- list webhook deliveries
SELECT order_id, seq, type, created_at, attempts, CASE WHEN delivered_at IS NULL THEN next_at END
       AS next_at, last_at, last_status, last_error, duration_ms, delivered_at
FROM webhook_deliveries
WHERE webhook_id = $1 AND coalesce((delivered_at IS NULL) = $2::boolean, true)
ORDER BY txid DESC, order_id DESC, seq DESC LIMIT $3
"""


class DueDelivery(NamedTuple):
    """What is to be sent next of an order, in ``wait_s`` seconds: now if that is not above 0."""

    url: str
    secrets: SigningSecrets
    event: OrderEvent
    attempts: int
    wait_s: float


class SentDelivery(NamedTuple):
    """A delivery that the receiver has taken, with its status code."""

    webhook_id: UUID
    order_id: UUID
    seq: int
    status: int
    duration_ms: int


class FailedDelivery(NamedTuple):
    """A delivery that was not taken, and when it and its webhook are tried again."""

    order_id: UUID
    seq: int
    status: int | None
    error: str
    duration_ms: int
    retry_after: timedelta
    pause: timedelta


class FailureCount(NamedTuple):
    """Rounds in a row that have failed, and whether that has lasted for as long as it may."""

    failures: int
    has_ended: bool


class DeliveryRow(NamedTuple):
    """A delivery as owners see it."""

    order_id: UUID
    seq: int
    type: str
    created_at: datetime
    attempts: int
    next_at: datetime | None
    last_at: datetime | None
    last_status: int | None
    last_error: str | None
    duration_ms: int | None
    delivered_at: datetime | None


class DeliveryStore:
    """The deliveries of all webhooks. Methods raise ``DATABASE_ERRORS``, unless they say else."""

    def __init__(self, pool: DatabasePool, *, failing_max: timedelta) -> None:
        self._pool = pool
        self._failing_max = failing_max

    async def store(
        self,
        webhooks: Collection[LeasedWebhook],
        end: FeedPosition,
        wanted: Sequence[tuple[UUID, OrderEvent, str]],
    ) -> set[UUID]:
        """Move webhooks to a position, with a delivery for each wanted event up to there.

        ``wanted`` has the type of each event. Returns the webhooks that were moved: of the others
        another process has the lease, or their owner has changed them.
        """
        rows = await fetch_repeating(
            self._pool,
            _STORE,
            [each.id for each in webhooks],
            [each.epoch for each in webhooks],
            [each.revision for each in webhooks],
            *end,
            [each[0] for each in wanted],
            [each[1].txid for each in wanted],
            [each[1].order_id for each in wanted],
            [each[1].seq for each in wanted],
            [each[2] for each in wanted],
        )
        return {row["id"] for row in rows}

    async def take(
        self, webhook: LeasedWebhook, without: Collection[UUID], limit: int
    ) -> list[DueDelivery]:
        """The next delivery of each order, those that are due first, ``without`` some orders."""
        arguments = webhook.id, webhook.epoch, list(without), limit
        return [_parse_due(row) for row in await fetch_repeating(self._pool, _TAKE, *arguments)]

    async def record_delivered(self, sent: Sequence[SentDelivery]) -> list[None]:
        """Record what receivers have taken."""
        await fetch_repeating(self._pool, _RECORD_DELIVERED, *map(list, zip(*sent, strict=True)))
        return [None] * len(sent)

    async def record_failed(self, webhook: LeasedWebhook, failed: FailedDelivery) -> FailureCount:
        """Record what was not taken."""
        arguments = webhook.id, webhook.epoch, *failed, self._failing_max
        rows = await fetch_repeating(self._pool, _RECORD_FAILED, *arguments)
        return FailureCount(rows[0]["failures"], bool(rows[0]["has_ended"])) if rows else _UNKNOWN

    async def retry_all(self, webhook: LeasedWebhook) -> None:
        """Have everything that waits for its next attempt tried at once."""
        await fetch_repeating(self._pool, _RETRY_ALL, webhook.id)

    async def prune(self, webhook: LeasedWebhook) -> None:
        """Remove what was delivered and is not among the latest ``KEPT_MAX``."""
        await fetch_repeating(self._pool, _PRUNE, webhook.id)

    async def list_deliveries(
        self, webhook_id: UUID, limit: int, state: DeliveryState | None = None
    ) -> list[DeliveryRow]:
        """The latest deliveries of a webhook, the newest first. Raises ``Transient``."""
        is_pending = None if state is None else state is DeliveryState.PENDING
        rows = await self._pool.read(_LIST, webhook_id, is_pending, limit)
        return [DeliveryRow(**row) for row in rows]


_UNKNOWN: Final = FailureCount(0, has_ended=False)


def _parse_due(row: asyncpg.Record) -> DueDelivery:
    secrets = SigningSecrets(row["secret"], row["earlier"])
    return DueDelivery(row["url"], secrets, parse_event(row), row["attempts"], row["wait_s"])

"""The leases of webhooks: which process delivers each, for a time by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.store.audit_log.entries import ENGINE, append_entry
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.errors import repeat_conflicts
from backend.store.feed import FeedPosition
from backend.store.webhooks.webhook_store import COLUMNS, describe_webhook, parse_webhook

CLAIM_MAX: Final = 64
"""Most webhooks that are claimed at once: processes that start together share them."""

_LEASED: Final = "w.id, w.owner, w.event_types, w.revision, w.epoch, w.failures"
# A lease that ends later than any may was stored before the clock was set back: it is none.
_CLAIM: Final = f""" -- claim webhooks
WITH free AS (
    SELECT id FROM webhooks
    WHERE state = 'active'
      AND (lease_until > now() AND lease_until <= now() + $2::interval) IS NOT TRUE
    ORDER BY random() LIMIT {CLAIM_MAX} FOR UPDATE SKIP LOCKED
)
UPDATE webhooks w SET holder = $1, epoch = w.epoch + 1, lease_until = now() + $2::interval
FROM free WHERE w.id = free.id
RETURNING {_LEASED}
"""  # noqa: S608 - constants only
_RENEW: Final = f""" -- renew webhooks
UPDATE webhooks w SET lease_until = now() + $2::interval
WHERE holder = $1 AND state = 'active' RETURNING {_LEASED}
"""  # noqa: S608 - constants only
_RELEASE: Final = """ -- release webhooks
UPDATE webhooks SET holder = NULL, lease_until = NULL WHERE holder = $1
"""
_READ_POSITION: Final = """ -- read position of webhook
SELECT txid, order_id, seq,
    (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook_id = w.id AND d.delivered_at IS NULL)
        AS pending
FROM webhooks w WHERE id = $1 AND epoch = $2
"""
_DISABLE: Final = f""" -- disable webhook
UPDATE webhooks w SET state = 'disabled', disabled_at = now(), disabled_why = $3,
    holder = NULL, lease_until = NULL
WHERE id = $1 AND epoch = $2 AND state = 'active' RETURNING {COLUMNS}
"""  # noqa: S608 - constants only


class LeasedWebhook(NamedTuple):
    """A webhook that this process delivers; ``event_types`` is empty for all."""

    id: UUID
    owner: str
    event_types: frozenset[str]
    revision: int
    epoch: int
    failures: int


class WebhookPosition(NamedTuple):
    """How far a webhook has come in the feed, and how many deliveries are to be made."""

    position: FeedPosition
    pending: int


class WebhookLeases:
    """Claims, renews and releases webhooks for one process. Methods raise ``DATABASE_ERRORS``."""

    def __init__(self, pool: DatabasePool, holder: UUID, *, duration: timedelta) -> None:
        self._pool = pool
        self._holder = holder
        self.duration: Final = duration

    async def claim(self) -> list[LeasedWebhook]:
        """Claim webhooks that no process delivers."""
        rows = await fetch_repeating(self._pool, _CLAIM, self._holder, self.duration)
        return [_parse(row) for row in rows]

    async def renew(self) -> list[LeasedWebhook]:
        """Extend all leases of this process; returns what it still holds, as it is by now."""
        rows = await fetch_repeating(self._pool, _RENEW, self._holder, self.duration)
        return [_parse(row) for row in rows]

    async def release(self) -> None:
        """Release all of this process, so that another one may have them at once."""
        await fetch_repeating(self._pool, _RELEASE, self._holder)

    async def read_position(self, webhook: LeasedWebhook) -> WebhookPosition | None:
        """How far a webhook has come; ``None`` if another process has claimed it."""
        rows = await fetch_repeating(self._pool, _READ_POSITION, webhook.id, webhook.epoch)
        if not rows:
            return None
        txid, order_id, seq, pending = rows[0]
        return WebhookPosition(FeedPosition(txid, order_id, seq), pending)

    async def disable(self, webhook: LeasedWebhook, why: str) -> bool:
        """Stop a webhook until its owner starts it again; returns whether this process has."""

        async def write() -> Sequence[asyncpg.Record]:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_DISABLE, webhook.id, webhook.epoch, why)
                for row in rows:
                    entry = {**describe_webhook(parse_webhook(row)), "why": why}
                    await append_entry(connection, ENGINE, "webhook_disabled", entry)
                return rows

        return bool(await repeat_conflicts(write))


def _parse(row: asyncpg.Record) -> LeasedWebhook:
    id_, owner, event_types, revision, epoch, failures = row
    return LeasedWebhook(id_, owner, frozenset(event_types), revision, epoch, failures)

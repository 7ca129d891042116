"""The webhooks of owners: made, changed, listed and removed. The audit log tells every change.

It names the host of an address only: what follows is often a secret of the receiver's.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from backend.domain.errors import Rejected
from backend.domain.webhooks.webhook import SigningSecrets, Webhook, WebhookState
from backend.store.audit_log.entries import Actor, append_entry
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import translate_errors

WEBHOOKS_MAX: Final = 2_000
"""Most webhooks of all owners: processes have those that they deliver in memory."""
SECRET_BYTES: Final = 32
_LOCK_KEY: Final = 1_868_916_790

COLUMNS: Final = """
id, owner, url, description, event_types, state, created_at, disabled_at, disabled_why,
failing_since, next_at, (SELECT count(*) FROM webhook_deliveries d
    WHERE d.webhook_id = w.id AND d.delivered_at IS NULL) AS pending
"""
_COUNT: Final = """
SELECT count(*) AS webhooks, count(*) FILTER (WHERE owner = $1) AS own FROM webhooks
"""
_CREATE: Final = f"""
INSERT INTO webhooks AS w (id, owner, url, description, event_types, secret, txid)
VALUES ($1, $2, $3, $4, $5, $6, pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
RETURNING {COLUMNS}
"""  # noqa: S608 - constants only
_LIST: Final = f"""
SELECT {COLUMNS} FROM webhooks w WHERE owner = $1 AND ($2::uuid IS NULL OR id = $2)
ORDER BY created_at, id
"""  # noqa: S608 - constants only
# What is to be delivered again is tried at once, and has a day again.
_CHANGE: Final = f"""
UPDATE webhooks w SET
    url = coalesce($3, url),
    description = coalesce($4, description),
    event_types = coalesce($5::text[], event_types),
    state = coalesce($6, state),
    disabled_at = CASE WHEN $6 IS NULL THEN disabled_at END,
    disabled_why = CASE WHEN $6 IS NULL THEN disabled_why END,
    revision = revision + 1, failures = 0, failing_since = NULL, next_at = NULL
WHERE owner = $1 AND id = $2 RETURNING {COLUMNS}
"""  # noqa: S608 - constants only
_TRY_AGAIN: Final = """
UPDATE webhook_deliveries SET next_at = now(), first_failed_at = NULL
WHERE webhook_id = $1 AND delivered_at IS NULL
"""
_ROTATE: Final = f"""
UPDATE webhooks w SET secret = $3, revision = revision + 1,
    earlier_secret = CASE WHEN $4 > interval '0' THEN secret END,
    earlier_until = CASE WHEN $4 > interval '0' THEN now() + $4 END
WHERE owner = $1 AND id = $2 RETURNING {COLUMNS}
"""  # noqa: S608 - constants only
_DELETE: Final = f"""
DELETE FROM webhooks w WHERE owner = $1 AND id = $2 RETURNING {COLUMNS}
"""  # noqa: S608 - constants only
_DELETE_DELIVERIES: Final = "DELETE FROM webhook_deliveries WHERE webhook_id = $1"
_READ_SECRETS: Final = """
SELECT secret, CASE WHEN earlier_until > now() THEN earlier_secret END AS earlier
FROM webhooks WHERE owner = $1 AND id = $2
"""


class NewWebhook(NamedTuple):
    """What an owner asks for."""

    url: str
    event_types: Sequence[str] = ()
    description: str = ""


class WebhookChange(NamedTuple):
    """What an owner changes: that which is not ``None``."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    description: str | None = None
    state: WebhookState | None = None


class CreatedWebhook(NamedTuple):
    """A webhook with its new secret: the only moment at which that can be shown."""

    webhook: Webhook
    secret: bytes


class WebhookStore:
    """Webhooks by owner; each has ``own_max`` at most. Methods raise ``Transient``.

    Those that name a webhook return ``None`` if the owner has none with this id.
    """

    def __init__(self, pool: DatabasePool, *, own_max: int) -> None:
        self._pool = pool
        self._own_max = own_max

    async def create(self, actor: Actor, owner: str, id_: UUID, new: NewWebhook) -> CreatedWebhook:
        """A new webhook, told of what is committed from now on. Raises ``Rejected``: too many."""
        secret = secrets.token_bytes(SECRET_BYTES)

        async def insert(connection: DatabaseConnection) -> Sequence[asyncpg.Record]:
            await self._require_room(connection, owner)
            fields = new.url, new.description, list(new.event_types)
            return await connection.fetch(_CREATE, id_, owner, *fields, secret)

        webhook = await self._write(actor, "webhook_created", insert)
        assert webhook is not None
        return CreatedWebhook(webhook, secret)

    async def _require_room(self, connection: DatabaseConnection, owner: str) -> None:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
        counts = await connection.fetchrow(_COUNT, owner)
        assert counts is not None
        if counts["own"] >= self._own_max:
            reason = f"an owner has {self._own_max} webhooks at most: delete one that is not needed"
            raise Rejected("too_many_webhooks", reason)
        if counts["webhooks"] >= WEBHOOKS_MAX:
            reason = f"there are {WEBHOOKS_MAX} webhooks of all owners already"
            raise Rejected("too_many_webhooks", reason)

    async def list_webhooks(self, owner: str) -> list[Webhook]:
        """All of an owner, the oldest first."""
        return [parse_webhook(row) for row in await self._pool.read(_LIST, owner, None)]

    async def find(self, owner: str, id_: UUID) -> Webhook | None:
        """One webhook of an owner."""
        rows = await self._pool.read(_LIST, owner, id_)
        return parse_webhook(rows[0]) if rows else None

    async def change(
        self, actor: Actor, owner: str, id_: UUID, change: WebhookChange
    ) -> Webhook | None:
        """Change a webhook; what could not be delivered is tried again at once."""
        types = None if change.event_types is None else list(change.event_types)
        fields = change.url, change.description, types, change.state

        async def update(connection: DatabaseConnection) -> Sequence[asyncpg.Record]:
            rows = await connection.fetch(_CHANGE, owner, id_, *fields)
            if rows:
                await connection.execute(_TRY_AGAIN, id_)
            return rows

        return await self._write(actor, "webhook_changed", update)

    async def rotate(
        self, actor: Actor, owner: str, id_: UUID, overlap: timedelta
    ) -> CreatedWebhook | None:
        """A new secret; the one before signs as well until ``overlap`` has passed."""
        secret = secrets.token_bytes(SECRET_BYTES)

        async def update(connection: DatabaseConnection) -> Sequence[asyncpg.Record]:
            return await connection.fetch(_ROTATE, owner, id_, secret, overlap)

        webhook = await self._write(actor, "webhook_secret_rotated", update)
        return None if webhook is None else CreatedWebhook(webhook, secret)

    async def delete(self, actor: Actor, owner: str, id_: UUID) -> Webhook | None:
        """Remove a webhook, with what is still to be delivered."""

        async def delete(connection: DatabaseConnection) -> Sequence[asyncpg.Record]:
            rows = await connection.fetch(_DELETE, owner, id_)
            if rows:  # what was about to store more has waited for that, or finds no webhook
                await connection.execute(_DELETE_DELIVERIES, id_)
            return rows

        return await self._write(actor, "webhook_deleted", delete)

    async def read_secrets(self, owner: str, id_: UUID) -> SigningSecrets | None:
        """What a webhook is signed with."""
        rows = await self._pool.read(_READ_SECRETS, owner, id_)
        return SigningSecrets(rows[0]["secret"], rows[0]["earlier"]) if rows else None

    async def _write(self, actor: Actor, action: str, statement: Any) -> Webhook | None:
        async def write() -> Webhook | None:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await statement(connection)
                webhook = parse_webhook(rows[0]) if rows else None
                if webhook is not None:
                    await append_entry(connection, actor, action, describe_webhook(webhook))
                return webhook

        return await translate_errors(write)


def describe_webhook(webhook: Webhook) -> dict[str, object]:
    """What the audit log tells of a webhook."""
    return {
        "webhook": str(webhook.id),
        "owner": webhook.owner,
        "host": urlsplit(webhook.url).hostname,
        "state": webhook.state,
        "eventTypes": list(webhook.event_types),
    }


def parse_webhook(row: asyncpg.Record) -> Webhook:
    """The webhook of a row with ``COLUMNS``."""
    state, types = WebhookState(row["state"]), tuple(row["event_types"])
    return Webhook(**{**dict(row), "state": state, "event_types": types})

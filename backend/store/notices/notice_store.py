"""What operators must hear, read from the audit log, the wallets' differences and the journal.

One process tells them at a time, under a lease, and moves on when it has: so each notice is sent
once, and again only if that process dies between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from backend.domain.orders import OrderType
from backend.store.database import DatabasePool, fetch_repeating

LEASE: Final = timedelta(seconds=60)
"""It is extended with every look; another process tells once it has ended."""
LATE_MAX: Final = timedelta(hours=1)
"""What happened earlier than this before a process began to tell is not told any more."""
ROWS_MAX: Final = 200
TRANSACTIONS_MAX: Final = 50_000
"""So many transactions of the journal are looked through at once."""
STOPS_MAX: Final = 1_000
"""So many orders that fired in these are read: a message names fewer."""
ACTIONS: Final = (
    "trading_state_set",
    "trading_state_lifted",
    "breaker_fired",
    "webhook_disabled",
)
STOP_TYPES: Final = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)

_HEADS: Final = """
    (SELECT id FROM audit_head), (SELECT coalesce(max(id), 0) FROM wallet_differences),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""
# Where nobody has told anything for long, it begins anew.
_CLAIM: Final = f""" -- claim notices
UPDATE notice_positions SET holder = $1, lease_until = now() + $2::interval,
    (audit_id, difference_id, txid) = (
        SELECT CASE WHEN is_late THEN head.a ELSE audit_id END,
               CASE WHEN is_late THEN head.d ELSE difference_id END,
               CASE WHEN is_late THEN head.t ELSE txid END
        FROM (SELECT {_HEADS}) AS head(a, d, t),
             (SELECT txid IS NULL OR coalesce(lease_until, now()) < now() - $3::interval
                  AS is_late) late
    )
WHERE holder = $1 OR (lease_until > now() AND lease_until <= now() + $2::interval) IS NOT TRUE
RETURNING audit_id, difference_id, txid
"""  # noqa: S608 - constants only
_READ_AUDIT: Final = """ -- read notices of the audit log
SELECT id, who, action, data FROM audit_log WHERE id > $1 AND action = ANY($2::text[])
ORDER BY id LIMIT $3
"""
# Ids are given before they are committed: those of the last moment may have lower ones to come.
_READ_DIFFERENCES: Final = """ -- read notices of differences
SELECT id, wallet, token, amount::text FROM wallet_differences
WHERE id > $1 AND at < now() - interval '3 seconds' ORDER BY id LIMIT $2
"""
# Each LIMIT forces the index that is meant, whatever the statistics say.
_READ_STOPS: Final = f""" -- read notices of stops
SELECT h.end_txid, o.*, e.data->>'executablePrice' AS price, e.data->>'triggerPrice' AS trigger
FROM (
    SELECT least(pg_snapshot_xmin(pg_current_snapshot())::text::bigint, $1::bigint + $2::bigint)
        AS end_txid
) h
LEFT JOIN LATERAL (
    SELECT order_id, data FROM order_events
    WHERE txid >= $1 AND txid < h.end_txid AND status = 'routing' AND data ? 'triggerPrice'
    ORDER BY txid, order_id, seq LIMIT {STOPS_MAX}
) e ON true
LEFT JOIN LATERAL (
    SELECT owner, id, type::text, token_in, token_out FROM orders
    WHERE id = e.order_id AND type::text = ANY($3::text[]) LIMIT 1
) o ON true
"""  # noqa: S608 - constants only
_STORE: Final = """ -- store position of notices
UPDATE notice_positions SET audit_id = $2, difference_id = $3, txid = $4 WHERE holder = $1
"""


class NoticePosition(NamedTuple):
    """Up to where operators have been told: ids of rows, and the next transaction."""

    audit_id: int
    difference_id: int
    txid: int


class AuditNotice(NamedTuple):
    """An entry of the audit log that operators must hear of."""

    who: str
    action: str
    data: dict[str, Any]


class DifferenceNotice(NamedTuple):
    """A balance that changed by what no order explains; the amount is in base units."""

    wallet: str
    token: str
    amount: int


class StopNotice(NamedTuple):
    """A stop that was met, and at which prices."""

    owner: str
    order_id: UUID
    type: str
    token_in: str
    token_out: str
    price: str
    trigger: str


Occurrence = AuditNotice | DifferenceNotice | StopNotice


class NoticeStore:
    """What one process tells operators. Methods raise ``DATABASE_ERRORS``."""

    def __init__(self, pool: DatabasePool, holder: UUID) -> None:
        self._pool = pool
        self._holder = holder

    async def claim(self) -> NoticePosition | None:
        """Take or extend the lease; ``None`` while another process has it."""
        rows = await fetch_repeating(self._pool, _CLAIM, self._holder, LEASE, LATE_MAX)
        return NoticePosition(*rows[0]) if rows else None

    async def read(self, after: NoticePosition) -> tuple[list[Occurrence], NoticePosition]:
        """What has happened after a position, and the position behind it."""
        audit = await self._fetch(_READ_AUDIT, after.audit_id, list(ACTIONS), ROWS_MAX)
        differences = await self._fetch(_READ_DIFFERENCES, after.difference_id, ROWS_MAX)
        types = [each.value for each in STOP_TYPES]
        stops = await self._fetch(_READ_STOPS, after.txid, TRANSACTIONS_MAX, types)
        found: list[Occurrence] = [
            AuditNotice(row["who"], row["action"], orjson.loads(row["data"])) for row in audit
        ]
        found += [
            DifferenceNotice(row["wallet"], row["token"], int(row["amount"])) for row in differences
        ]
        found += [_parse_stop(row) for row in stops if row["id"] is not None]
        end = NoticePosition(
            audit[-1]["id"] if audit else after.audit_id,
            differences[-1]["id"] if differences else after.difference_id,
            max(after.txid, stops[0]["end_txid"]),
        )
        return found, end

    async def _fetch(self, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        return await fetch_repeating(self._pool, statement, *arguments)

    async def store(self, position: NoticePosition) -> None:
        """Note that everything up to a position was told."""
        await fetch_repeating(self._pool, _STORE, self._holder, *position)


def _parse_stop(row: asyncpg.Record) -> StopNotice:
    names = ("owner", "id", "type", "token_in", "token_out", "price", "trigger")
    return StopNotice(*(row[name] for name in names))

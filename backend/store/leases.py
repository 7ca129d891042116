"""Leases: who drives an order, for how long, and how an order that nobody drives is found.

A claim is one compare-and-set that takes the lease and raises the order's epoch. Everything here
takes the database's clock as the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Happening, Status, advance
from backend.domain.orders import Held, OrderType, Signed, Terms
from backend.domain.quotes import Dex
from backend.domain.tokens import Tokens
from backend.runtime.coalescer import Coalescer
from backend.store.database import Pool
from backend.store.journal import LINGER_S, LeaseTerms

ROWS_MAX = 500
_CLAIMED = advance(Status.PENDING, 1, Happening.CLAIMED)

_CLAIM = """
WITH free AS (
    SELECT id, status FROM orders
    WHERE id = ANY($1::uuid[]) AND open
      AND (lease_until IS NULL OR lease_until < now())
      AND (next_attempt_at IS NULL OR next_attempt_at <= now())
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE orders o SET
        epoch = o.epoch + 1,
        lease_until = now() + $3::interval,
        next_attempt_at = NULL,
        status = CASE free.status WHEN 'pending' THEN $2::text::order_status ELSE o.status END,
        seq = CASE free.status WHEN 'pending' THEN o.seq + 1 ELSE o.seq END,
        updated_at = now()
    FROM free WHERE o.id = free.id
    RETURNING o.id, o.type, o.token_in, o.token_out, o.amount_in, o.min_amount_out,
              o.slippage_bps, o.status, o.seq, o.attempts, o.epoch, o.dex, o.tx_hash, o.signed_tx,
              o.last_valid_height, free.status = 'pending' AS is_first
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, status, clock_timestamp(), attempts, '{}' FROM claimed WHERE is_first
)
SELECT *, pg_current_xact_id()::text::bigint AS txid FROM claimed
"""

# "Not false" for the reason that the journal has.
_RENEW = """
UPDATE orders o SET lease_until = now() + $3::interval
FROM unnest($1::uuid[], $2::int[]) AS i(id, epoch)
WHERE o.id = i.id AND o.epoch = i.epoch AND o.open IS NOT FALSE
    AND o.lease_until IS NOT NULL
RETURNING o.id
"""

_RELEASE = """
UPDATE orders o SET lease_until = NULL, kick_at = now()
FROM unnest($1::uuid[], $2::int[]) AS i(id, epoch)
WHERE o.id = i.id AND o.epoch = i.epoch AND o.open IS NOT FALSE
"""

_SWEEP = """
UPDATE orders SET kick_at = now() + $2::interval
WHERE id IN (
    SELECT id FROM orders
    WHERE open AND kick_at <= now() AND (lease_until IS NULL OR lease_until < now())
      AND (status <> 'pending' OR kick_at <= now() - $3::interval)
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING id
"""


class Leases:
    """Takes, keeps and returns leases; ``run`` must be running for ``claim``."""

    def __init__(
        self, pool: Pool, *, terms: LeaseTerms, tokens: Tokens, committed: Callable[[int], None]
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._tokens = tokens
        self._committed = committed
        self._claims: Coalescer[UUID, Held | None] = Coalescer(
            self._claim, items_max=ROWS_MAX, calls_max=2, company=200, linger_s=LINGER_S
        )
        self.run = self._claims.run

    async def claim(self, order_id: UUID) -> Held | None:
        """Take the order if it is open, due and nobody holds it; a pending one starts routing.

        ``None`` if it is not to be had, now or ever. Raises what asyncpg raises (``GONE``).
        """
        return await self._claims.ask(order_id)

    async def _claim(self, ids: Sequence[UUID]) -> list[Held | None]:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                _CLAIM, list(set(ids)), _CLAIMED.status.value, self._terms.lease
            )
        if rows:
            self._committed(rows[0]["txid"])
        held = {row["id"]: self._held(row) for row in rows}
        # Two jobs of one order may have come together: one of them drives it.
        return [held.pop(order_id, None) for order_id in ids]

    async def renew(self, orders: Sequence[Held]) -> set[UUID]:
        """Keep these for another lease; the ids of those that are still held."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_RENEW, *_keys(orders), self._terms.lease)
        return {row["id"] for row in rows}

    async def release(self, orders: Sequence[Held]) -> None:
        """Hand these back now, so that another worker takes them without waiting."""
        async with self._pool.acquire() as connection:
            await connection.execute(_RELEASE, *_keys(orders))

    async def overdue(self, limit: int, patience_s: float = 0) -> list[UUID]:
        """Orders that wait for nobody: open, due, not leased, and not kicked for a while.

        Those that nobody ever drove only ``patience_s`` later. Those returned count as kicked.
        """
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                _SWEEP, limit, self._terms.rekick, timedelta(seconds=patience_s)
            )
        return [row["id"] for row in rows]

    def _held(self, row: asyncpg.Record) -> Held:
        signed = None
        if row["signed_tx"] is not None:
            signed = Signed(row["tx_hash"], row["signed_tx"], row["last_valid_height"])
        min_amount_out = row["min_amount_out"]
        return Held(
            id=row["id"],
            terms=Terms(
                type=OrderType(row["type"]),
                token_in=self._tokens.find(row["token_in"], "token_in"),
                token_out=self._tokens.find(row["token_out"], "token_out"),
                amount_in=int(row["amount_in"]),
                min_amount_out=None if min_amount_out is None else int(min_amount_out),
                slippage_bps=row["slippage_bps"],
            ),
            status=Status(row["status"]),
            seq=row["seq"],
            attempt=row["attempts"],
            epoch=row["epoch"],
            dex=None if row["dex"] is None else Dex(row["dex"]),
            signed=signed,
        )


def _keys(orders: Sequence[Held]) -> tuple[list[UUID], list[int]]:
    return [order.id for order in orders], [order.epoch for order in orders]

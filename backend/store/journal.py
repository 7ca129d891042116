"""The journal: every transition of every order, in group commits, fenced by the lease's epoch.

The transitions of the many orders that one process drives go into one statement: it moves each
order that is still where its driver left it (same epoch, same seq), writes its event, and commits
once. Whoever recorded a transition resumes when its row is committed, or learns that the lease
was lost. Nothing is published before that.

Leases run on the database's clock, so that a worker whose own clock is wrong cannot hold an order
longer than it should, nor take one early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from time import perf_counter
from uuid import UUID

from backend.domain.lifecycle import Step
from backend.domain.orders import Held, Signed
from backend.domain.quotes import Dex
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.store.database import BUSY, GONE, Connection, Pool

ROWS_MAX = 500
RETRY_S = 0.1
LINGER_S = 0.003
"""A commit of many costs little more than one of few; each transition may wait this long for it."""

# The limit is the number of rows. PostgreSQL takes one that it does not know for a tenth of what it
# expects, so for one row: it looks each order up by its id, and plans that once for all times.
# "Not false", since no index is of that: where PostgreSQL last counted in a quiet hour it takes the
# index of open orders for empty, and would compare all that are open with every row.
_RECORD = """
WITH input AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::jsonb[],
        $7::text[], $8::int[], $9::jsonb[], $10::text[], $11::jsonb[], $12::text[], $13::bytea[],
        $14::bigint[], $15::numeric[], $16::numeric[], $17::text[], $18::int[], $19::bool[]
    ) AS i(id, epoch, seq, via, via_attempt, via_data,
           status, attempt, data, dex, route, tx_hash, signed_tx,
           last_valid_height, amount_out, executed_price, last_error, wait_ms, kept)
    LIMIT $22
), moved AS (
    UPDATE orders o SET
        status = i.status::order_status,
        seq = o.seq + CASE WHEN i.via IS NULL THEN 1 ELSE 2 END,
        attempts = i.attempt,
        dex = coalesce(i.dex, o.dex),
        route = coalesce(i.route, o.route),
        tx_hash = CASE i.status WHEN 'routing' THEN NULL ELSE coalesce(i.tx_hash, o.tx_hash) END,
        signed_tx = i.signed_tx,
        last_valid_height = i.last_valid_height,
        amount_out = i.amount_out,
        executed_price = i.executed_price,
        last_error = coalesce(i.last_error, o.last_error),
        lease_until = CASE WHEN i.kept THEN now() + $20::interval END,
        next_attempt_at = now() + make_interval(secs => i.wait_ms / 1000.0),
        kick_at = now() + make_interval(secs => coalesce(i.wait_ms, 0) / 1000.0) + $21::interval,
        updated_at = now()
    FROM input i
    WHERE o.id = i.id AND o.epoch = i.epoch AND o.seq = i.seq AND o.open IS NOT FALSE
    RETURNING o.id, o.epoch, o.seq, o.status, o.attempts, i.data, i.via, i.via_attempt, i.via_data
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq - 1, via::order_status, clock_timestamp(), via_attempt, via_data
    FROM moved WHERE via IS NOT NULL
    UNION ALL
    SELECT id, seq, status, clock_timestamp(), attempts, data FROM moved
)
SELECT id, epoch, pg_current_xact_id()::text::bigint AS txid FROM moved
"""

_RECORDED = """
SELECT o.id, o.epoch
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[]) AS i(id, epoch, seq, via)
JOIN orders o ON o.id = i.id AND o.epoch = i.epoch
    AND o.seq = i.seq + CASE WHEN i.via IS NULL THEN 1 ELSE 2 END
"""


class LostLease(Exception):
    """Another worker holds the order now: stop driving it, and write nothing more."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A step that an order took on the way to where a transition leads. ``data`` is JSON text."""

    step: Step
    data: str


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an order goes from where it is stored, with what is known from there on.

    ``data`` is JSON text. ``via`` is a step on the way, which gets its event in the same commit.
    ``wait_ms`` gives the order back: nobody drives it before that time has passed.
    """

    order: Held
    step: Step
    data: str
    via: Passed | None = None
    dex: Dex | None = None
    route: str | None = None
    signed: Signed | None = None
    amount_out: int | None = None
    executed_price: str | None = None
    last_error: str | None = None
    wait_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How long a lease lasts, and how long a job may lie unclaimed before it is sent again."""

    lease: timedelta
    rekick: timedelta


class Journal:
    """Records transitions in group commits; ``run`` must be running.

    ``committed`` is told the id of each transaction that moved an order.
    """

    def __init__(self, pool: Pool, *, terms: LeaseTerms, committed: Callable[[int], None]) -> None:
        self._pool = pool
        self._terms = terms
        self._committed = committed
        self._writes: Coalescer[Transition, None] = Coalescer(
            self._write, items_max=ROWS_MAX, calls_max=2, company=200, linger_s=LINGER_S
        )
        self.run = self._writes.run
        self.idle = self._writes.idle

    async def record(self, transition: Transition) -> None:
        """Store one transition; returns when it is committed.

        While PostgreSQL is away it waits. Raises ``LostLease`` if the order is not where the
        caller left it: then nothing was stored.
        """
        await self._writes.ask(transition)

    async def _write(self, transitions: Sequence[Transition]) -> list[Exception | None]:
        started = perf_counter()
        columns = _columns(transitions)
        in_doubt = False
        while True:
            try:
                async with self._pool.acquire() as connection:
                    stored = await self._commit(connection, columns)
                    if in_doubt:
                        # The connection broke in an earlier try: it may have committed.
                        rows = await connection.fetch(_RECORDED, *columns[:4])
                        stored |= {(row["id"], row["epoch"]) for row in rows}
                break
            except BUSY:
                continue
            except GONE as error:
                in_doubt = True
                observe.database_gone(error)
                await asyncio.sleep(RETRY_S)
        observe.journal_committed(len(transitions), perf_counter() - started)
        # By epoch too: two drives of one order may have come together, of which one has lost it.
        orders = [transition.order for transition in transitions]
        return [None if (o.id, o.epoch) in stored else LostLease(str(o.id)) for o in orders]

    async def _commit(
        self, connection: Connection, columns: Sequence[list[object]]
    ) -> set[tuple[UUID, int]]:
        terms, count = self._terms, len(columns[0])
        rows = await connection.fetch(_RECORD, *columns, terms.lease, terms.rekick, count)
        if rows:
            self._committed(rows[0]["txid"])
        return {(row["id"], row["epoch"]) for row in rows}


def _columns(transitions: Sequence[Transition]) -> list[list[object]]:
    rows = [
        (
            t.order.id,
            t.order.epoch,
            t.order.seq,
            *_via(t.via),
            t.step.status.value,
            t.step.attempt,
            t.data,
            t.dex,
            t.route,
            None if t.signed is None else t.signed.signature,
            None if t.signed is None else t.signed.wire,
            None if t.signed is None else t.signed.last_valid_height,
            None if t.amount_out is None else Decimal(t.amount_out),
            None if t.executed_price is None else Decimal(t.executed_price),
            t.last_error,
            t.wait_ms,
            t.wait_ms is None and not t.step.status.is_end,
        )
        for t in transitions
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _via(passed: Passed | None) -> tuple[str | None, int | None, str | None]:
    if passed is None:
        return None, None, None
    return passed.step.status.value, passed.step.attempt, passed.data

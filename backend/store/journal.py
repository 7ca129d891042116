"""The journal: all transitions of all orders, in group commits, fenced by the lease epoch.

The transitions of the many orders that one process executes go into one statement: it updates
each order whose row still has the expected epoch and seq, writes the event, and commits once. The
caller that recorded a transition resumes when its row is committed, or gets an error because the
lease was lost. Nothing is published before the commit.

Leases and expiries use the database's clock, so that a worker whose own clock is wrong can neither
hold an order too long nor take one too early. The statement itself refuses to store that an order
is ``submitted`` once its expiry has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Final
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status, Step
from backend.domain.orders import OrderEvent
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.runtime.commit_notifications import EVENTS_MAX, Commit, CommitObserver
from backend.store.committed_events import build_event
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.errors import (
    DATABASE_ERRORS,
    Reaction,
    classify,
    repeat_conflicts,
    report_unavailable,
)
from backend.store.group_commit import group_commits
from backend.store.transitions import LeaseLost, Transition, to_columns
from backend.store.withdrawals.expired_submissions import OrderExpired, find_expired

RETRY_S = 0.1
_StoredSignatures = dict[tuple[UUID, int], str | None]
"""The orders and epochs of rows that were stored, with their transactions."""
TERMS_TEXT: Final = """concat_ws(' ',
            o.type, o.token_in, o.token_out, o.amount_in, coalesce(o.min_amount_out::text, '-'),
            o.slippage_bps, coalesce(o.max_price_impact_bps::text, '-'), o.time_in_force,
            CASE WHEN o.expires_at IS NULL THEN '-' ELSE 'expires' END)"""
"""The terms of a row as ``domain.terms_text`` writes them."""
LEASE_MAX: Final = timedelta(seconds=300)
"""The longest lease, and the longest time before a job is resent, that any process may have."""

# The limit is the number of rows. PostgreSQL estimates an unknown limit as a tenth of the expected
# rows, here as one row: so it finds each order by its id, even with a plan from when there were few
# orders, and keeps that generic plan.
# "IS NOT FALSE" matches no index on purpose: with statistics from a quiet time, PostgreSQL takes
# the partial index of open orders for empty, and would join every row with all open orders.
#
# A claim is of an order that is as it was accepted: it has had one event and no lease. So its seq
# and its epoch exclude that it was claimed, moved on or was cancelled.
_RECORD_TRANSITIONS = f""" -- record
WITH input AS (
    SELECT *, status IN ('confirmed', 'failed', 'cancelled', 'expired') AS is_final FROM unnest(
        $1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::jsonb[],
        $7::text[], $8::int[], $9::jsonb[], $10::text[], $11::jsonb[], $12::text[], $13::bytea[],
        $14::bigint[], $15::numeric[], $16::numeric[], $17::bigint[], $18::text[], $19::int[],
        $20::bool[], $21::text[]
    ) AS i(id, epoch, seq, via, via_attempt, via_data,
           status, attempt, data, dex, route, tx_hash, signed_tx,
           last_valid_height, amount_out, executed_price, network_fee, last_error, wait_ms, kept,
           claim)
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), moved AS (
    UPDATE orders o SET
        status = i.status::order_status,
        epoch = i.epoch,
        seq = o.seq + num_nonnulls(i.claim, i.via) + 1,
        attempts = i.attempt,
        dex = coalesce(i.dex, o.dex),
        route = coalesce(i.route, o.route),
        tx_hash = CASE WHEN i.status NOT IN ('routing', 'waiting')
            THEN coalesce(i.tx_hash, o.tx_hash) END,
        signed_tx = i.signed_tx,
        last_valid_height = i.last_valid_height,
        amount_out = i.amount_out,
        amount_pending = CASE WHEN i.status = 'confirmed' AND i.amount_out IS NULL THEN true END,
        executed_price = i.executed_price,
        network_fee_lamports = coalesce(
            o.network_fee_lamports + i.network_fee, i.network_fee, o.network_fee_lamports
        ),
        last_error = coalesce(i.last_error, o.last_error),
        lease_until = CASE WHEN i.kept THEN now() + $22::interval END,
        waiting_since = CASE
            WHEN i.wait_ms IS NULL AND i.status IN ('routing', 'building') THEN o.waiting_since
        END,
        next_attempt_at = now() + make_interval(secs => i.wait_ms / 1000.0),
        kick_at = now() + make_interval(secs => coalesce(i.wait_ms, 0) / 1000.0) + $23::interval,
        updated_at = (SELECT at FROM written),
        trigger_shard = CASE WHEN i.status = 'waiting'
            THEN order_trigger_shard(o.token_in, o.token_out) END,
        closed_as = CASE WHEN i.is_final THEN order_closed_as(
            i.status::order_status, coalesce(i.dex, o.dex), o.type, o.token_in, o.token_out) END,
        closed_at = CASE WHEN i.is_final THEN (SELECT at FROM written) END
    FROM input i
    WHERE o.id = i.id AND o.epoch = i.epoch - num_nonnulls(i.claim) AND o.seq = i.seq
        AND o.open IS NOT FALSE AND (i.claim = {TERMS_TEXT}) IS NOT FALSE
        AND (i.status = 'submitted' AND o.expires_at <= now()) IS NOT TRUE
    RETURNING o.id, o.epoch, o.seq, o.status, o.attempts, o.owner, o.batch_id, o.dex, o.tx_hash,
              clock_timestamp() AS at, i.data, i.via, i.via_attempt, i.via_data, i.claim
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq - num_nonnulls(via) - 1, 'routing', at, 1, '{{}}'
    FROM moved WHERE claim IS NOT NULL
    UNION ALL
    SELECT id, seq - 1, via::order_status, at, via_attempt, via_data
    FROM moved WHERE via IS NOT NULL
    UNION ALL
    SELECT id, seq, status, at, attempts, data FROM moved
)
SELECT id, epoch, owner, batch_id, dex, tx_hash, at,
       pg_current_xact_id()::text::bigint AS txid
FROM moved
"""  # noqa: S608 - constants only

_FIND_RECORDED = """ -- find recorded
SELECT o.id, o.epoch, o.tx_hash
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[])
        AS i(id, epoch, seq, via, claim)
    LIMIT cardinality($1::uuid[])
) i JOIN orders o ON o.id = i.id AND o.epoch = i.epoch
    AND o.seq = i.seq + num_nonnulls(i.claim, i.via) + 1
"""


@dataclass(frozen=True, slots=True)
class LeasePolicy:
    """The duration of a lease, and the time after which an order without a worker is overdue.

    ``wait_max`` is the longest time for which an order waits for its next attempt.
    """

    duration: timedelta
    rekick_after: timedelta
    wait_max: timedelta = timedelta(0)

    @property
    def ahead_max(self) -> timedelta:
        """How far ahead of the database's clock any time of an order may be.

        One further ahead was stored before that clock was set back, and counts as passed: else its
        order would wait until the clock is there again.
        """
        return LEASE_MAX + self.wait_max


class Journal:
    """Records transitions in group commits; ``run`` must be running.

    ``on_commit`` is called with each commit that updated an order.
    """

    def __init__(
        self, pool: DatabasePool, *, policy: LeasePolicy, on_commit: CommitObserver
    ) -> None:
        self._pool = pool
        self._policy = policy
        self._on_commit = on_commit
        self._writes: Coalescer[Transition, None] = group_commits(self._write, "record")
        self.run = self._writes.run
        self.wait_idle = self._writes.wait_idle

    async def record(self, transition: Transition) -> None:
        """Store one transition; returns when it is committed.

        Retries while PostgreSQL is unavailable or not set up. Raises ``LeaseLost`` if the order
        has another epoch or seq than the caller's, and ``OrderExpired`` if it may not be submitted
        any more; then nothing was stored. Raises the database's error if the fault is in the
        transition.
        """
        await self._writes.submit(transition)

    async def _write(self, transitions: Sequence[Transition]) -> list[Exception | None]:
        started_at = perf_counter()
        columns = to_columns(transitions)
        is_in_doubt = False
        expired: set[tuple[UUID, int]] = set()

        async def write() -> _StoredSignatures:
            async with self._pool.acquire() as connection:
                stored = await self._commit(connection, transitions, columns)
                if is_in_doubt:
                    # The connection broke in an earlier attempt, which may have committed.
                    rows = await connection.fetch(_FIND_RECORDED, *columns[:4], columns[-1])
                    stored |= _key_signatures(rows)
                unsubmitted = [
                    each.order for each in transitions if _may_have_expired(each, stored)
                ]
                if unsubmitted:
                    expired.update(await find_expired(connection, unsubmitted))
                return stored

        while True:
            try:
                stored = await repeat_conflicts(write)
                break
            except DATABASE_ERRORS as error:
                report_unavailable(error)
                if classify(error) is Reaction.REPORT:
                    raise
                is_in_doubt = True
                await asyncio.sleep(RETRY_S)
        observe.journal_committed(len(transitions), perf_counter() - started_at)
        return [_build_result(each, stored, expired) for each in transitions]

    async def _commit(
        self,
        connection: DatabaseConnection,
        transitions: Sequence[Transition],
        columns: Sequence[list[object]],
    ) -> _StoredSignatures:
        policy = self._policy
        rows = await connection.fetch(
            _RECORD_TRANSITIONS, *columns, policy.duration, policy.rekick_after
        )
        if rows:
            self._on_commit(_build_commit(rows, transitions))
        return _key_signatures(rows)


def _key_signatures(rows: Sequence[asyncpg.Record]) -> _StoredSignatures:
    return {(row["id"], row["epoch"]): row["tx_hash"] for row in rows}


def _is_stored(transition: Transition, stored: _StoredSignatures) -> bool:
    """Whether a transition is the one that was stored for its order and epoch.

    A batch may contain two claims of one order, of which the older has another epoch. But two jobs
    of an order may claim it with their transitions for the same epoch, here or in two processes:
    then the transaction tells whose was stored.
    """
    key = transition.order.id, transition.order.epoch
    if transition.claim is None or transition.signed is None:
        return key in stored
    return stored.get(key) == transition.signed.signature


def _build_commit(rows: Sequence[asyncpg.Record], transitions: Sequence[Transition]) -> Commit:
    txid = rows[0]["txid"]
    if len(rows) > EVENTS_MAX:
        begins_wait = any(each.step.status is Status.WAITING for each in transitions)
        return Commit(txid, None, begins_wait)
    stored = {(row["id"], row["epoch"]): row for row in rows}
    signatures = _key_signatures(rows)
    events = []
    for transition in transitions:
        order = transition.order
        is_stored = _is_stored(transition, signatures)
        row = stored.pop((order.id, order.epoch), None) if is_stored else None
        if row is None:
            continue
        seq = order.seq + 1
        for before in transition.steps_before:
            events.append(_build_event(row, seq, before.step, before.data))
            seq += 1
        events.append(_build_event(row, seq, transition.step, transition.data))
    return Commit(txid, events)


def _build_event(row: asyncpg.Record, seq: int, step: Step, data: str) -> OrderEvent:
    return build_event(row, seq=seq, status=step.status, attempt=step.attempt, data=data)


def _may_have_expired(transition: Transition, stored: _StoredSignatures) -> bool:
    is_submission = transition.step.status is Status.SUBMITTED
    return transition.order.can_expire and is_submission and not _is_stored(transition, stored)


def _build_result(
    transition: Transition, stored: _StoredSignatures, expired: Set[tuple[UUID, int]]
) -> Exception | None:
    if _is_stored(transition, stored):
        return None
    order = transition.order
    key = order.id, order.epoch
    return OrderExpired(str(order.id)) if key in expired else LeaseLost(str(order.id))

"""Transitions of orders, which the journal records, and the rows that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from backend.domain.groups.children import ChildOrder
from backend.domain.lifecycle import Step
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex

# The limit is the number of rows. PostgreSQL estimates an unknown limit as a tenth of the expected
# rows, here as one row: so it finds each order by its id, even with a plan from when there were few
# orders, and keeps that generic plan.
# "IS NOT FALSE" matches no index on purpose: with statistics from a quiet time, PostgreSQL takes
# the partial index of open orders for empty, and would join every row with all open orders.
RECORD: Final = """ -- record{note}
WITH input AS (
    SELECT *, status IN ('confirmed', 'failed', 'cancelled', 'expired') AS is_final FROM unnest(
        $1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::jsonb[],
        $7::text[], $8::int[], $9::jsonb[], $10::text[], $11::jsonb[], $12::text[], $13::bytea[],
        $14::bigint[], $15::numeric[], $16::numeric[], $17::bigint[], $18::text[], $19::int[],
        $20::bool[]{group_type}
    ) AS i(id, epoch, seq, via, via_attempt, via_data,
           status, attempt, data, dex, route, tx_hash, signed_tx,
           last_valid_height, amount_out, executed_price, network_fee, last_error, wait_ms,
           kept{group_column})
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), {locks}moved AS (
    UPDATE orders o SET
        status = i.status::order_status,
        seq = o.seq + CASE WHEN i.via IS NULL THEN 1 ELSE 2 END,
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
        lease_until = CASE WHEN i.kept THEN now() + $21::interval END,
        waiting_since = CASE
            WHEN i.wait_ms IS NULL AND i.status IN ('routing', 'building') THEN o.waiting_since
        END,
        next_attempt_at = now() + make_interval(secs => i.wait_ms / 1000.0),
        kick_at = now() + make_interval(secs => coalesce(i.wait_ms, 0) / 1000.0) + $22::interval,
        updated_at = (SELECT at FROM written),
        trigger_shard = CASE WHEN i.status = 'waiting'
            THEN order_trigger_shard(o.token_in, o.token_out) END,
        closed_as = CASE WHEN i.is_final THEN order_closed_as(
            i.status::order_status, coalesce(i.dex, o.dex), o.type, o.token_in, o.token_out) END,
        closed_at = CASE WHEN i.is_final THEN (SELECT at FROM written) END
    FROM {source} i
    WHERE o.id = i.id AND o.epoch = i.epoch AND o.seq = i.seq AND o.open IS NOT FALSE
        AND (i.status = 'submitted' AND o.expires_at <= now()) IS NOT TRUE
    RETURNING o.id, o.epoch, o.seq, o.status, o.attempts, o.owner, o.batch_id, o.dex,
              clock_timestamp() AS at, i.data, i.via, i.via_attempt, i.via_data{group_returned}
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq - 1, via::order_status, at, via_attempt, via_data
    FROM moved WHERE via IS NOT NULL
    UNION ALL
    SELECT id, seq, status, at, attempts, data FROM moved
){effects}
SELECT id, epoch, owner, batch_id, dex, at, pg_current_xact_id()::text::bigint AS txid{counts}
FROM moved
{left}"""
"""The statement, with places for what it does more where orders belong to others."""


class LeaseLost(Exception):
    """Another worker has the lease of the order: stop executing it, and write nothing more."""


@dataclass(frozen=True, slots=True)
class IntermediateStep:
    """A step between an order's stored step and that of a transition. ``data`` is JSON text."""

    step: Step
    data: str


@dataclass(frozen=True, slots=True)
class Transition:
    """The next step of an order after its stored step, with the fields to store.

    ``data`` is JSON text. ``via`` is an intermediate step, whose event is in the same commit.
    ``network_fee_lamports`` is added to what earlier attempts have paid.
    ``wait_ms`` releases the lease: no worker may claim the order before that time has passed.
    ``children`` come to be in the same commit.
    """

    order: LeasedOrder
    step: Step
    data: str
    via: IntermediateStep | None = None
    dex: Dex | None = None
    route: str | None = None
    signed: SignedTransaction | None = None
    amount_out: int | None = None
    executed_price: str | None = None
    network_fee_lamports: int | None = None
    last_error: str | None = None
    wait_ms: int | None = None
    children: tuple[ChildOrder, ...] = ()


def to_columns(transitions: Sequence[Transition]) -> list[list[object]]:
    """The columns of the statement that records transitions."""
    rows = [
        (
            t.order.id,
            t.order.epoch,
            t.order.seq,
            *_flatten_via(t.via),
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
            t.network_fee_lamports,
            t.last_error,
            t.wait_ms,
            t.wait_ms is None and not t.step.status.is_final,
        )
        for t in transitions
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _flatten_via(via: IntermediateStep | None) -> tuple[str | None, int | None, str | None]:
    if via is None:
        return None, None, None
    return via.step.status.value, via.step.attempt, via.data

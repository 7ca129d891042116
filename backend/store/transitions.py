"""Transitions of orders, which the journal records, and the rows that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from backend.domain.amounts import TransactionCosts
from backend.domain.groups.children import ChildOrder
from backend.domain.lifecycle import Cause, Status, Step, advance
from backend.domain.limits.measures import RouteMeasure
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.store.group_commit import build_arrays
from backend.store.wallets.spending import Spend

_COST_COLUMNS: Final = ("network_fee", "priority_fee", "tip", "rent")
ADD_COSTS: Final = ", ".join(
    f"{name}_lamports = coalesce(o.{name}_lamports + i.{name}, i.{name}, o.{name}_lamports)"
    for name in _COST_COLUMNS
)
"""Adds the costs of a transaction to those of an order's row."""

# The limit is the number of rows. PostgreSQL estimates an unknown limit as a tenth of the expected
# rows, here as one row: so it finds each order by its id, even with a plan from when there were few
# orders, and keeps that generic plan.
# "IS NOT FALSE" matches no index on purpose: with statistics from a quiet time, PostgreSQL takes
# the partial index of open orders for empty, and would join every row with all open orders.
#
# A claim is of an order that is as it was accepted: it has had one event and no lease. So its seq
# and its epoch exclude that it was claimed, moved on or was cancelled.
RECORD: Final = """ -- record{note}
WITH input AS (
    SELECT *, status IN ('confirmed', 'failed', 'cancelled', 'expired') AS is_final FROM unnest(
        $1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::jsonb[],
        $7::text[], $8::int[], $9::jsonb[], $10::text[], $11::jsonb[], $12::text[], $13::bytea[],
        $14::bigint[], $15::numeric[], $16::numeric[], $17::bigint[], $18::text[], $19::int[],
        $20::bool[], $21::text[], $22::text[], $23::bigint[],
        $24::bigint[], $25::bigint[], $26::bigint[], $27::bool[]{group_type}
    ) AS i(id, epoch, seq, via, via_attempt, via_data,
           status, attempt, data, dex, route, tx_hash, signed_tx,
           last_valid_height, amount_out, executed_price, network_fee, last_error, wait_ms,
           kept, claim, wallet, reserved_lamports,
           priority_fee, tip, rent, costs_unknown{group_column})
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), {admission}trading AS MATERIALIZED (
    SELECT fence_trading_states() AS states{fenced_after}
), {budget}{locks}moved AS (
    UPDATE orders o SET
        status = i.status::order_status,
        epoch = i.epoch,
        seq = o.seq + num_nonnulls(i.claim, i.via) + 1,
        attempts = i.attempt,
        dex = coalesce(i.dex, o.dex),
        route = coalesce(i.route, o.route),
        wallet = coalesce(i.wallet, o.wallet),
        reserved_lamports = coalesce(i.reserved_lamports, o.reserved_lamports),
        tx_hash = CASE WHEN i.status NOT IN ('routing', 'waiting')
            THEN coalesce(i.tx_hash, o.tx_hash) END,
        signed_tx = i.signed_tx,
        last_valid_height = i.last_valid_height,
        amount_out = i.amount_out,
        amount_pending = CASE WHEN i.status = 'confirmed' AND i.amount_out IS NULL THEN true END,
        executed_price = i.executed_price,
        {add_costs},
        costs_unknown = coalesce(i.costs_unknown, o.costs_unknown),{counting}
        last_error = coalesce(i.last_error, o.last_error),
        lease_until = CASE WHEN i.kept THEN now() + $28::interval END,
        waiting_since = CASE
            WHEN i.wait_ms IS NULL AND i.status IN ('routing', 'building') THEN o.waiting_since
        END,
        next_attempt_at = now() + make_interval(secs => i.wait_ms / 1000.0),
        kick_at = now() + make_interval(secs => coalesce(i.wait_ms, 0) / 1000.0) + $29::interval,
        updated_at = (SELECT at FROM written),
        trigger_shard = CASE WHEN i.status = 'waiting'
            THEN order_trigger_shard(o.token_in, o.token_out) END,
        closed_as = CASE WHEN i.is_final THEN order_closed_as(
            i.status::order_status, coalesce(i.dex, o.dex), o.type, o.token_in, o.token_out) END,
        closed_at = CASE WHEN i.is_final THEN (SELECT at FROM written) END
    FROM {source} i
    WHERE o.id = i.id AND o.epoch = i.epoch - num_nonnulls(i.claim) AND o.seq = i.seq
        AND o.open IS NOT FALSE AND (i.claim = {terms_text}) IS NOT FALSE
        AND (i.status = 'submitted' AND o.expires_at <= now()) IS NOT TRUE
        AND (i.status = 'submitted' AND is_order_held(
            (SELECT states FROM trading), o.owner, o.token_in, o.token_out,
            coalesce(i.route, o.route))) IS NOT TRUE
        AND (i.status = 'submitted' AND EXISTS (
            SELECT FROM found_transactions f WHERE f.order_id = o.id AND f.adopted_at IS NULL)
        ) IS NOT TRUE{budgeted}
    RETURNING o.id, o.epoch, o.seq, o.status, o.attempts, o.owner, o.batch_id, o.dex, o.tx_hash,
              clock_timestamp() AS at, i.data, i.via, i.via_attempt, i.via_data,
              i.claim{group_returned}
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq - num_nonnulls(via) - 1, 'routing', at, 1, '{{}}'
    FROM moved WHERE claim IS NOT NULL
    UNION ALL
    SELECT id, seq - 1, via::order_status, at, via_attempt, via_data
    FROM moved WHERE via IS NOT NULL
    UNION ALL
    SELECT id, seq, status, at, attempts, data FROM moved
){effects}
SELECT id, epoch, owner, batch_id, dex, tx_hash, at, claim IS NOT NULL AS is_claim,
       pg_current_xact_id()::text::bigint AS txid{counts}
FROM moved
{left}"""
"""The statement, with places for what it does more where orders belong to others."""
TERMS_TEXT: Final = """CASE WHEN o.bracket IS NULL AND o.oco_group IS NULL THEN concat_ws(' ',
            o.type, o.token_in, o.token_out, o.amount_in, coalesce(o.min_amount_out::text, '-'),
            o.slippage_bps, coalesce(o.max_price_impact_bps::text, '-'), o.time_in_force,
            CASE WHEN o.expires_at IS NULL THEN '-' ELSE 'expires' END, o.route_constraints, o.fees)
        ELSE '' END"""
"""The terms of a row as ``domain.terms_text`` writes them, empty where it writes none."""


class LeaseLost(Exception):
    """Another worker has the lease of the order: stop executing it, and write nothing more."""


@dataclass(frozen=True, slots=True)
class IntermediateStep:
    """A step between an order's stored step and that of a transition. ``data`` is JSON text."""

    step: Step
    data: str


CLAIM_COLUMN: Final = 20
"""Where the claim is in the columns of transitions."""
CLAIM: Final = IntermediateStep(advance(Status.PENDING, 1, Cause.CLAIMED), "{}")


@dataclass(frozen=True, slots=True)
class Transition:
    """The next step of an order after its stored step, with the fields to store.

    ``data`` is JSON text. ``via`` is an intermediate step, whose event is in the same commit.
    ``claim`` is the text of the terms (``domain.terms_text``) of an order that nobody has claimed:
    the same commit claims it before these steps, if these are its terms. ``order`` is then as it is
    before, with the epoch that it gets.
    ``costs`` are added to those of earlier attempts; ``lacks_costs`` is that they are not known,
    although the transaction landed.
    ``wait_ms`` releases the lease: no worker may claim the order before that time has passed.
    ``children`` come to be in the same commit. ``spend`` is what a signed transaction may take,
    ``measure`` is what the limits of the order's owner are compared with.
    """

    order: LeasedOrder
    step: Step
    data: str
    via: IntermediateStep | None = None
    claim: str | None = None
    dex: Dex | None = None
    route: str | None = None
    signed: SignedTransaction | None = None
    amount_out: int | None = None
    executed_price: str | None = None
    costs: TransactionCosts | None = None
    lacks_costs: bool = False
    last_error: str | None = None
    wait_ms: int | None = None
    children: tuple[ChildOrder, ...] = ()
    spend: Spend | None = None
    measure: RouteMeasure | None = None

    @property
    def steps_before(self) -> list[IntermediateStep]:
        """The steps between the order's stored one and this one."""
        steps = [] if self.claim is None else [CLAIM]
        return steps if self.via is None else [*steps, self.via]


def to_columns(transitions: Sequence[Transition]) -> list[list[object] | None]:
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
            None if t.costs is None else t.costs.network_fee,
            t.last_error,
            t.wait_ms,
            t.wait_ms is None and not t.step.status.is_final,
            t.claim,
            None if t.spend is None else t.spend.wallet,
            None if t.spend is None else t.spend.lamports,
            *((None, None, None) if t.costs is None else t.costs[1:]),
            t.lacks_costs or None,
        )
        for t in transitions
    ]
    return build_arrays(rows)


def _flatten_via(via: IntermediateStep | None) -> tuple[str | None, int | None, str | None]:
    if via is None:
        return None, None, None
    return via.step.status.value, via.step.attempt, via.data


StepKey = tuple[UUID, int]
"""The id and the epoch of an order that a transition is of."""


class StoredStep(NamedTuple):
    """A step that was stored: the signature of its row, and whether it claimed the order as well.

    ``is_claim`` is ``None`` where only the row was found.
    """

    tx_hash: str | None
    is_claim: bool | None


StoredSteps = dict[StepKey, StoredStep]
"""The orders and epochs whose transitions were stored."""


def key_steps(rows: Sequence[asyncpg.Record]) -> StoredSteps:
    """The steps of rows that a statement returned."""
    return {
        (row["id"], row["epoch"]): StoredStep(row["tx_hash"], row.get("is_claim")) for row in rows
    }


def is_stored(transition: Transition, stored: StoredSteps) -> bool:
    """Whether a transition is the one that was stored for its order and epoch.

    A batch may contain two claims of one order, of which the older has another epoch. But two jobs
    of an order may claim it with their transitions for the same epoch, here or in two processes:
    then the transaction tells whose was stored. Where both are the same, one may be stored as a
    claim, or as a step after another claim.
    """
    step = stored.get((transition.order.id, transition.order.epoch))
    if step is None:
        return False
    if step.is_claim is not None and step.is_claim != (transition.claim is not None):
        return False
    if transition.claim is None or transition.signed is None:
        return True
    return step.tx_hash == transition.signed.signature

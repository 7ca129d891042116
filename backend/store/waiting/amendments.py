"""Amendments: one compare-and-set changes the terms of an order that waits, with its event.

It compares the ``seq`` of the row with the one that the owner has seen. A release compares it as
well, with the one that its watcher has seen: so exactly one of the two wins, and what is released
is executed by the terms of its row. The database's clock decides whether the expiry has passed.

The owner has seen that step, so it was committed before this statement began: its transaction is
earlier than this one in the feed, too. Amendments that arrive together share one statement and one
commit (group commit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import orjson

from backend.domain.errors import InvalidInput
from backend.domain.fees.order_fees import encode_fees
from backend.domain.orders import OrderTerms, TimeInForce
from backend.domain.prices import PriceRatio
from backend.domain.times import format_time
from backend.domain.waiting.amendments import describe_change
from backend.runtime.coalescer import Coalescer
from backend.runtime.commit_notifications import CommitObserver
from backend.store.committed_events import build_commit
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors
from backend.store.group_commit import group_commits
from backend.store.intake.expiry_check import EXPIRY_AHEAD_MAX, find_expiry_fault
from backend.store.waiting.condition_rows import encode_condition, encode_ratio

# Ratios are compared by their cross products, which numerics hold exactly. Of two that are equal,
# the new one holds up to a later slot.
_IS_HIGHER: Final = """(i.high_water IS NOT NULL AND (
            o.high_water IS NULL
            OR split_part(i.high_water, '/', 1)::numeric * split_part(o.high_water, '/', 2)::numeric
                >= split_part(o.high_water, '/', 1)::numeric
                    * split_part(i.high_water, '/', 2)::numeric))"""

# The limit is the number of rows, and "IS NOT FALSE" matches no index on purpose, for the reasons
# given in the journal: PostgreSQL finds each order by its id. Of two amendments of one row, one is
# chosen. A cool-down ends: it was one of the terms before. A mark that is higher by now stays.
_AMEND: Final = f""" -- amend
WITH input AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::int[], $4::numeric[], $5::numeric[], $6::int[], $7::int[],
        $8::jsonb[], $9::text[], $10::timestamptz[], $11::text[], $12::bigint[], $13::jsonb[],
        $15::text[]
    ) WITH ORDINALITY AS i(id, owner, seq, amount_in, min_amount_out, slippage_bps,
        max_price_impact_bps, condition, time_in_force, expires_at, high_water, high_water_slot,
        data, fees, place)
    LIMIT cardinality($1::uuid[])
), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), amended AS (
    UPDATE orders o SET
        seq = o.seq + 1,
        amount_in = i.amount_in,
        min_amount_out = i.min_amount_out,
        slippage_bps = i.slippage_bps,
        max_price_impact_bps = i.max_price_impact_bps,
        condition = i.condition,
        fees = i.fees,
        time_in_force = i.time_in_force,
        expires_at = i.expires_at,
        high_water = CASE WHEN {_IS_HIGHER} THEN i.high_water ELSE o.high_water END,
        high_water_slot = CASE WHEN {_IS_HIGHER} THEN i.high_water_slot ELSE o.high_water_slot END,
        next_attempt_at = NULL,
        last_error = NULL,
        updated_at = (SELECT at FROM written)
    FROM input i
    WHERE o.id = i.id AND o.seq = i.seq AND (o.owner = i.owner) IS NOT FALSE
        AND (o.status = 'waiting') IS NOT FALSE
        AND (o.expires_at <= now()) IS NOT TRUE
        AND (i.expires_at IS NOT DISTINCT FROM o.expires_at
             OR (i.expires_at > now() AND i.expires_at <= now() + $14::interval) IS NOT FALSE)
    RETURNING i.place, o.id, o.status::text, o.seq, o.attempts, o.owner, o.batch_id, o.dex, i.data
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, seq, 'waiting', (SELECT at FROM written), attempts, data FROM amended
)
SELECT *, (SELECT at FROM written) AS at, pg_current_xact_id()::text::bigint AS txid FROM amended
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class HighWaterMark:
    """The high-water mark of a trailing stop, as of the market of a slot."""

    price: PriceRatio
    slot: int | None


@dataclass(frozen=True, slots=True)
class Amendment:
    """The new terms of a waiting order of an owner, whose row has this ``seq``.

    ``before`` are its terms so far, and ``expired_before`` was its expiry; ``expires_at`` is the
    one from now on, the same or another. ``mark`` is what a trailing stop of another amount keeps.
    """

    order_id: UUID
    owner: str
    seq: int
    before: OrderTerms
    terms: OrderTerms
    expired_before: datetime | None
    expires_at: datetime | None
    mark: HighWaterMark | None = None

    def describe(self) -> dict[str, object]:
        """What it changes, as clients see it: the data of its event. Empty if it changes nothing.

        No expiry is ``null``.
        """
        changed = describe_change(self.before, self.terms)
        if self.expires_at != self.expired_before:
            changed["timeInForce"] = _get_time_in_force(self.expires_at).value
            changed["expiresAt"] = None if self.expires_at is None else format_time(self.expires_at)
        return changed


class Amendments:
    """Amends orders in group commits; ``run`` must be running.

    ``on_commit`` is called with each commit that amended an order.
    """

    def __init__(self, pool: DatabasePool, *, on_commit: CommitObserver) -> None:
        self._pool = pool
        self._on_commit = on_commit
        self._writes: Coalescer[Amendment, bool] = group_commits(self._amend, "amend")
        self.run = self._writes.run

    async def amend(self, amendment: Amendment) -> bool:
        """Amend an order; returns whether it was.

        It is not if its row has another ``seq``, waits no more, or has an expiry, old or new, that
        no order may have now. Raises ``Transient`` if PostgreSQL is unavailable; in that case the
        order may be amended.
        """
        return await self._writes.submit(amendment)

    async def find_expiry_error(self, expires_at: datetime) -> InvalidInput | None:
        """The error of an expiry that no order may have now; raises as ``amend``."""
        rows = await self._pool.read("SELECT now()")
        reason = find_expiry_fault(expires_at, rows[0]["now"])
        return None if reason is None else InvalidInput("expiresAt", reason)

    async def _amend(self, amendments: Sequence[Amendment]) -> list[bool]:
        # By their ids, in the order in which other statements lock several rows as well.
        places = sorted(range(len(amendments)), key=lambda place: amendments[place].order_id)
        rows = [_to_row(amendments[place]) for place in places]
        columns = [list(column) for column in zip(*rows, strict=True)]
        fees = [encode_fees(amendments[place].terms.fees) for place in places]

        async def amend() -> set[int]:
            async with self._pool.acquire() as connection:
                stored = await connection.fetch(_AMEND, *columns, EXPIRY_AHEAD_MAX, fees)
            if stored:
                self._on_commit(build_commit(stored, begins_wait=True))
            return {places[row["place"] - 1] for row in stored}

        amended = await translate_errors(amend)
        return [place in amended for place in range(len(amendments))]


def _to_row(amendment: Amendment) -> tuple[object, ...]:
    terms, mark = amendment.terms, amendment.mark
    assert terms.condition is not None
    least = terms.min_amount_out
    return (
        amendment.order_id,
        amendment.owner,
        amendment.seq,
        Decimal(terms.amount_in),
        None if least is None else Decimal(least),
        terms.slippage_bps,
        terms.max_price_impact_bps,
        encode_condition(terms.condition, terms.price_of, terms.amount_in_bps),
        _get_time_in_force(amendment.expires_at).value,
        amendment.expires_at,
        None if mark is None else encode_ratio(mark.price),
        None if mark is None else mark.slot,
        orjson.dumps(amendment.describe()).decode(),
    )


def _get_time_in_force(expires_at: datetime | None) -> TimeInForce:
    return TimeInForce.GTC if expires_at is None else TimeInForce.GTD

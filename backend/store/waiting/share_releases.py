"""The release of orders that sell a share of what the wallet holds free: it decides their amounts.

All such releases, whoever makes them, take place one after the other, by a lock that each holds
until its commit: so none sells what another one is about to sell. What orders in execution are
about to sell is read under that lock. It is read before the balances as well: an order that was
executed in between is missing in neither, and counts unless the balances are as of its slot.

An order counts until its end is stored, so for a moment its amount may be missing twice: then less
is sold than could be, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.prices import PriceRatio
from backend.runtime.commit_notifications import CommitObserver
from backend.store.committed_events import build_commit
from backend.store.database import DatabasePool, fetch_repeating
from backend.store.errors import repeat_conflicts
from backend.store.groups.release_choice import CHOICE
from backend.store.waiting.condition_rows import encode_ratio
from backend.store.waiting.waiting_orders import AMOUNTS, RELEASE_FORM

IN_FLIGHT_MAX: Final = 100_000
"""More orders than are executed at once."""
_RELEASED: Final = advance(Status.WAITING, 1, Cause.MET).status

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('release of shares', 0))"

# The index of the orders that workers execute, in its order, so that it is used whatever the
# statistics are. Those that were in it when the balances were about to be read, and are confirmed
# by now, have landed in the slot that their event names. A share that is between two attempts takes
# nothing from the others: it lacks what they have sold, and is found anew.
_READ_IN_FLIGHT: Final = f""" -- read orders in flight
(
    SELECT id, token_in, amount_in::text FROM orders
    WHERE open AND trigger_shard IS NULL AND status IN ('routing', 'building', 'submitted')
      AND (status = 'routing' AND next_attempt_at > now() AND condition ? 'amountInBps') IS NOT TRUE
    ORDER BY owner, id LIMIT {IN_FLIGHT_MAX}
) UNION ALL
SELECT o.id, o.token_in, o.amount_in
FROM unnest($1::uuid[]) AS i(id) CROSS JOIN LATERAL (
    SELECT id, token_in, amount_in::text, seq FROM orders
    WHERE id = i.id AND status = 'confirmed' LIMIT 1
) o CROSS JOIN LATERAL (
    SELECT (data->>'slot')::bigint AS slot FROM order_events
    WHERE order_id = o.id AND seq = o.seq LIMIT 1
) e
WHERE (e.slot <= $2) IS NOT TRUE
"""  # noqa: S608 - constants only
_RELEASE: Final = RELEASE_FORM.format(**CHOICE, **AMOUNTS)

# No step of the order: what is estimated is shown, and judged by, until its release decides.
_ESTIMATE: Final = """ -- estimate shares
UPDATE orders o SET
    amount_in = i.amount_in, min_amount_out = i.min_amount_out,
    last_error = CASE WHEN starts_with(o.last_error, 'nothing_free:') IS NOT TRUE
        THEN o.last_error END
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::numeric[], $4::numeric[])
        AS i(id, seq, amount_in, min_amount_out)
    LIMIT cardinality($1::uuid[])
) i
WHERE o.id = i.id AND o.seq = i.seq AND (o.status = 'waiting') IS NOT FALSE
RETURNING o.id
"""


class InFlightOrder(NamedTuple):
    """An order that is executed: it is about to sell ``amount_in`` of the token ``token_in``."""

    id: UUID
    token_in: str
    amount_in: int


class MetShare(NamedTuple):
    """An order whose condition is met, as of the row with this ``seq``, with what it sells now.

    ``min_amount_out`` is that of what ends as a limit; the rest is as of ``MetTrigger``.
    """

    id: UUID
    seq: int
    data: str
    amount_in: int
    min_amount_out: int | None
    high_water: PriceRatio | None = None
    oco_group: UUID | None = None


class ShareEstimate(NamedTuple):
    """What an order would sell by now, and its minimum as of ``MetShare``."""

    id: UUID
    seq: int
    amount_in: int
    min_amount_out: int | None


class ShareReleases:
    """Releases such orders; the arguments are as of ``WaitingOrders``.

    Every method raises ``DATABASE_ERRORS``.
    """

    def __init__(
        self,
        pool: DatabasePool,
        *,
        rekick_after: timedelta,
        ahead_max: timedelta,
        on_commit: CommitObserver,
    ) -> None:
        self._pool = pool
        self._rekick_after = rekick_after
        self._ahead_max = ahead_max
        self._on_commit = on_commit

    async def read_in_flight(self) -> list[UUID]:
        """The ids of all orders in execution: to be read before the balances are."""
        return [row["id"] for row in await fetch_repeating(self._pool, _READ_IN_FLIGHT, [], 0)]

    async def release(
        self,
        resolve: Callable[[Sequence[InFlightOrder]], Sequence[MetShare]],
        *,
        earlier: Sequence[UUID],
        slot: int,
    ) -> set[UUID]:
        """Have orders executed with the amounts that ``resolve`` finds; returns those released.

        It is told the orders in execution. ``earlier`` are those that were, before the balances
        of ``slot`` were read. It may be called again, if the commit loses a conflict.
        """

        async def release() -> set[UUID]:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_LOCK)
                rows = await connection.fetch(_READ_IN_FLIGHT, earlier, slot)
                orders = [InFlightOrder(r["id"], r["token_in"], int(r["amount_in"])) for r in rows]
                met = resolve(orders)
                if not met:
                    return set()
                released = await connection.fetch(_RELEASE, *self._to_arguments(met))
            if released:
                self._on_commit(build_commit(released))
            return {row["id"] for row in released}

        return await repeat_conflicts(release)

    async def store_estimates(self, estimates: Sequence[ShareEstimate]) -> set[UUID]:
        """Replace what orders are judged by; returns those that wait still as they were."""
        if not estimates:
            return set()
        rows = await fetch_repeating(
            self._pool,
            _ESTIMATE,
            [each.id for each in estimates],
            [each.seq for each in estimates],
            [Decimal(each.amount_in) for each in estimates],
            [_to_decimal(each.min_amount_out) for each in estimates],
        )
        return {row["id"] for row in rows}

    def _to_arguments(self, met: Sequence[MetShare]) -> list[object]:
        return [
            [each.id for each in met],
            [each.seq for each in met],
            [each.data for each in met],
            _RELEASED.value,
            self._rekick_after,
            self._ahead_max,
            [None if each.high_water is None else encode_ratio(each.high_water) for each in met],
            [each.oco_group for each in met],
            [Decimal(each.amount_in) for each in met],
            [_to_decimal(each.min_amount_out) for each in met],
        ]


def _to_decimal(amount: int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)

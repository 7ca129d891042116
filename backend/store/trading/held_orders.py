"""Orders that a trading state holds: in the statements that would move them on, and afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backend.domain.errors import EngineError
from backend.domain.orders import LeasedOrder
from backend.store.database import DatabaseConnection, DatabasePool, fetch_repeating
from backend.store.transitions import Transition

IS_HELD: Final = "is_order_held((SELECT read_trading_states()), owner, token_in, token_out, NULL)"
"""Whether a row of orders is held, whatever its route. The states are read once a statement."""

_FIND_HELD: Final = """ -- find held
SELECT o.id, o.epoch
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[]) AS i(id, epoch, seq, route)
    LIMIT cardinality($1::uuid[])
) i JOIN orders o ON o.id = i.id AND o.epoch = i.epoch AND o.seq = i.seq
WHERE o.open IS NOT FALSE AND (is_order_held(
    (SELECT read_trading_states()), o.owner, o.token_in, o.token_out, coalesce(i.route, o.route))
    OR EXISTS (SELECT FROM found_transactions f
               WHERE f.order_id = o.id AND f.adopted_at IS NULL))
"""

# Its next claim has to wait: an order whose route is held, and not its pair, is claimed again.
_RELEASE: Final = """ -- release held
UPDATE orders o SET
    lease_until = NULL,
    next_attempt_at = now() + interval '1 s',
    kick_at = now() + interval '1 s'
WHERE o.id = $1 AND o.epoch = $2 AND o.lease_until IS NOT NULL AND o.open IS NOT FALSE
"""


def walk_owners(name: str, rows: str) -> str:
    """A recursive part of a statement: the owners of some rows, by a step in an index for each."""
    return f"""{name} AS (
    (SELECT owner FROM orders WHERE {rows} ORDER BY owner LIMIT 1)
    UNION ALL
    SELECT (SELECT o.owner FROM orders o WHERE {rows} AND o.owner > known.owner
            ORDER BY o.owner LIMIT 1)
    FROM {name} known WHERE known.owner IS NOT NULL
)"""  # noqa: S608 - constants only


IS_ACTIVE: Final = "open AND trigger_shard IS NULL"
"""Whether a row is of an order that is executed, or is to be."""
_FIND_OPEN_OWNERS: Final = f""" -- find open owners
WITH RECURSIVE {walk_owners("owners", IS_ACTIVE)}
SELECT owner FROM owners WHERE owner IS NOT NULL
"""  # noqa: S608 - constants only


class OrderHeld(EngineError):
    """A trading state holds the order: it is not submitted, and goes on once that has ended."""

    def __init__(self) -> None:
        super().__init__("trading_halted", "trading is halted: the order waits until it is resumed")


async def find_held(
    connection: DatabaseConnection, transitions: Sequence[Transition]
) -> list[Transition]:
    """Those of some submissions that were not stored because a trading state holds them."""
    rows = await connection.fetch(
        _FIND_HELD,
        [each.order.id for each in transitions],
        [_find_stored_epoch(each) for each in transitions],
        [each.order.seq for each in transitions],
        [each.route for each in transitions],
    )
    held = {(row["id"], row["epoch"]) for row in rows}
    return [each for each in transitions if (each.order.id, _find_stored_epoch(each)) in held]


def _find_stored_epoch(transition: Transition) -> int:
    """The epoch of the row before the transition: a claim raises it."""
    return transition.order.epoch - (transition.claim is not None)


async def release_held(pool: DatabasePool, order: LeasedOrder) -> None:
    """Release the lease of an order that is held, as it is. Raises ``DATABASE_ERRORS``."""
    await fetch_repeating(pool, _RELEASE, order.id, order.epoch)


async def find_open_owners(pool: DatabasePool) -> list[str]:
    """The owners with orders that are to be executed, whoever does. Raises ``Transient``."""
    return [row["owner"] for row in await pool.read(_FIND_OPEN_OWNERS)]

"""What the database and the node's ledger hold: a run's totals, and whether anything was lost."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
import asyncpg

from backend.trials.bench.past_orders import OWNER

if TYPE_CHECKING:  # generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CLOCK_PROBES: Final = 20
LEDGER_PAGE: Final = 10_000
SHOWN: Final = 3

_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
_WAL: Final = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8"
_OPEN: Final = "SELECT count(*) FROM orders WHERE open"
_TOTALS: Final = """
WITH made AS MATERIALIZED (
    SELECT id, status FROM orders WHERE created_at >= to_timestamp($1)
)
SELECT (SELECT count(*) FROM made) AS orders,
       (SELECT count(*) FROM made WHERE status = 'confirmed') AS confirmed,
       count(*) AS events,
       extract(epoch FROM max(e.at) FILTER (WHERE e.status = 'confirmed'))::float8 AS last_s
FROM made JOIN order_events e ON e.order_id = made.id
"""
_ORDERS: Final = "SELECT id::text, status::text, open, tx_hash FROM orders WHERE owner <> $1"


class Totals(NamedTuple):
    """Of the orders of a run: how many, and the database's time of the last confirmation."""

    orders: int
    confirmed: int
    events: int
    last_s: float


class Stored(NamedTuple):
    """An order, as far as it matters whether it was lost."""

    id: str
    status: str
    is_open: bool
    signature: str | None


async def clock_offset_s(connection: Connection, now_s: Callable[[], float]) -> float:
    """What to add to ``now_s`` for the database's time, by the quickest of some questions."""
    probes = []
    for _ in range(CLOCK_PROBES):
        asked_s = now_s()
        theirs_s = await connection.fetchval(_CLOCK)
        answered_s = now_s()
        probes.append((answered_s - asked_s, theirs_s - (asked_s + answered_s) / 2))
    return float(min(probes)[1])


async def wal_bytes(connection: Connection) -> float:
    """How much write-ahead log the server has made so far, all databases together."""
    return float(await connection.fetchval(_WAL))


async def still_open(connection: Connection) -> int:
    """How many orders have not ended."""
    return int(await connection.fetchval(_OPEN))


async def totals(connection: Connection, since_s: float) -> Totals:
    """Of the orders that were made since then (the database's time)."""
    row = await connection.fetchrow(_TOTALS, since_s)
    assert row is not None
    return Totals(row["orders"], row["confirmed"], row["events"], row["last_s"] or since_s)


async def stored(connection: Connection) -> list[Stored]:
    """Every order but those of the history."""
    return [Stored(*row) for row in await connection.fetch(_ORDERS, OWNER)]


async def swaps(chain_url: str) -> list[str]:
    """The signatures of all swaps in the node's ledger that succeeded."""
    found: list[str] = []
    after = 0
    async with aiohttp.ClientSession() as session:
        while True:
            path = f"{chain_url}/control/ledger?after={after}&limit={LEDGER_PAGE}"
            async with session.get(path) as response:
                page: Any = await response.json()
            found += [
                entry["signature"]
                for entry in page["transactions"]
                if entry["err"] is None and entry["pool"] is not None
            ]
            if len(page["transactions"]) < LEDGER_PAGE:
                return found
            after = page["next"]


def lost(
    accepted: Collection[str], orders: Collection[Stored], executed: Collection[str]
) -> list[str]:
    """Every way in which the answers, the database and the ledger are not one story."""
    confirmed = [order.signature or "" for order in orders if order.status == "confirmed"]
    findings = {
        "accepted orders are not stored": set(accepted) - {order.id for order in orders},
        "orders were stored that nobody was told of": {o.id for o in orders} - set(accepted),
        "orders have not ended": {order.id for order in orders if order.is_open},
        "confirmed orders have no swap in the ledger": set(confirmed) - set(executed),
        "swaps in the ledger belong to no confirmed order": set(executed) - set(confirmed),
    }
    wrong = [
        f"{len(which)} {what}, for example {', '.join(sorted(which)[:SHOWN])}"
        for what, which in findings.items()
        if which
    ]
    if len(confirmed) != len(executed):
        wrong.append(f"{len(confirmed)} orders are confirmed, {len(executed)} swaps executed")
    return wrong

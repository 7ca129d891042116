"""Verification of a run: totals from the database, and a check that no order was lost.

Compares accepted orders, stored orders and the swaps in the node's ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
import asyncpg

from backend.trials.bench.past_orders import HISTORY_OWNER

if TYPE_CHECKING:  # generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CLOCK_PROBES: Final = 20
LEDGER_PAGE_SIZE: Final = 10_000
EXAMPLES_MAX: Final = 3
ENDED_TIMEOUT_S: Final = 600.0
ENDED_POLL_S: Final = 0.1

_SELECT_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
_SELECT_WAL: Final = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8"
_COUNT_OPEN: Final = "SELECT count(*) FROM orders WHERE open AND trigger_shard IS NULL"
_COUNT_OPEN_OF: Final = "SELECT count(*) FROM orders WHERE open AND id = ANY($1::uuid[])"
_SELECT_TOTALS: Final = """
WITH made AS MATERIALIZED (
    SELECT id, status FROM orders WHERE created_at >= to_timestamp($1)
)
SELECT (SELECT count(*) FROM made) AS orders,
       (SELECT count(*) FROM made WHERE status = 'confirmed') AS confirmed,
       count(*) AS events,
       extract(epoch FROM max(e.at) FILTER (WHERE e.status = 'confirmed'))::float8 AS last_s
FROM made JOIN order_events e ON e.order_id = made.id
"""
_SELECT_ORDERS: Final = """
SELECT id::text, status::text, open AND trigger_shard IS NULL, tx_hash FROM orders WHERE owner <> $1
"""


class RunTotals(NamedTuple):
    """Counts of a run's orders and events, and the database time of the last confirmation."""

    orders: int
    confirmed: int
    events: int
    last_s: float


class StoredOrder(NamedTuple):
    """The columns of an order that show whether it was lost; what waits for a price is not open."""

    id: str
    status: str
    is_open: bool
    signature: str | None


async def measure_clock_offset_s(connection: Connection, now_s: Callable[[], float]) -> float:
    """Measure what to add to ``now_s`` to get database time, by the fastest of several probes."""
    probes = []
    for _ in range(CLOCK_PROBES):
        sent_s = now_s()
        database_s = await connection.fetchval(_SELECT_CLOCK)
        received_s = now_s()
        probes.append((received_s - sent_s, database_s - (sent_s + received_s) / 2))
    return float(min(probes)[1])


async def read_wal_bytes(connection: Connection) -> float:
    """Read the bytes of write-ahead log that the server has written so far, for all databases."""
    return float(await connection.fetchval(_SELECT_WAL))


async def count_open_orders(connection: Connection) -> int:
    """Count the orders that have not ended, without those that wait for a price."""
    return int(await connection.fetchval(_COUNT_OPEN))


async def wait_until_ended(connection: Connection, order_ids: Sequence[str]) -> None:
    """Wait until these orders have ended. Raises ``TimeoutError``."""
    async with asyncio.timeout(ENDED_TIMEOUT_S):
        while await connection.fetchval(_COUNT_OPEN_OF, order_ids):  # noqa: ASYNC110 - rows
            await asyncio.sleep(ENDED_POLL_S)


async def read_totals(connection: Connection, since_s: float) -> RunTotals:
    """Read the totals of the orders created since ``since_s`` (database time)."""
    row = await connection.fetchrow(_SELECT_TOTALS, since_s)
    assert row is not None
    return RunTotals(row["orders"], row["confirmed"], row["events"], row["last_s"] or since_s)


async def read_orders(connection: Connection) -> list[StoredOrder]:
    """Read every order except those of the history."""
    return [StoredOrder(*row) for row in await connection.fetch(_SELECT_ORDERS, HISTORY_OWNER)]


async def read_swap_signatures(chain_url: str) -> list[str]:
    """Read the signatures of all successful swaps in the node's ledger."""
    signatures: list[str] = []
    after = 0
    async with aiohttp.ClientSession() as session:
        while True:
            path = f"{chain_url}/control/ledger?after={after}&limit={LEDGER_PAGE_SIZE}"
            async with session.get(path) as response:
                page: Any = await response.json()
            signatures += [
                entry["signature"]
                for entry in page["transactions"]
                if entry["err"] is None and entry["pool"] is not None
            ]
            if len(page["transactions"]) < LEDGER_PAGE_SIZE:
                return signatures
            after = page["next"]


def find_violations(
    accepted: Collection[str], orders: Collection[StoredOrder], executed: Collection[str]
) -> list[str]:
    """List every contradiction between the responses, the database and the ledger."""
    confirmed = [order.signature or "" for order in orders if order.status == "confirmed"]
    findings = {
        "accepted orders are not stored": set(accepted) - {order.id for order in orders},
        "orders were stored without a response": {order.id for order in orders} - set(accepted),
        "orders have not ended": {order.id for order in orders if order.is_open},
        "confirmed orders have no swap in the ledger": set(confirmed) - set(executed),
        "swaps in the ledger belong to no confirmed order": set(executed) - set(confirmed),
    }
    violations = [
        f"{len(ids)} {finding}, for example {', '.join(sorted(ids)[:EXAMPLES_MAX])}"
        for finding, ids in findings.items()
        if ids
    ]
    if len(confirmed) != len(executed):
        violations.append(f"{len(confirmed)} orders are confirmed, {len(executed)} swaps executed")
    return violations

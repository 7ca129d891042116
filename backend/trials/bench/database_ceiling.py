"""PostgreSQL's own ceiling: the statement with which the journal records transitions, and nothing
else. What drives it prepares everything before the clock starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status, Step
from backend.domain.orders import Held, OrderType, Signed, Terms
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC
from backend.engine import new_id
from backend.store import journal
from backend.store.journal import Transition
from backend.trials.bench import process_usage as usage
from backend.trials.bench import verification as facts
from backend.trials.bench.figures import calibration_ms
from backend.trials.bench.past_orders import OWNER, ROUTED
from backend.trials.bench.servers import server_pids

LEASE: Final = timedelta(seconds=15)
REKICK: Final = timedelta(seconds=5)
STEPS: Final = (Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)
"""What the journal records of an order that a worker has claimed."""
WIRE_BYTES: Final = 900
"""About the size of a signed swap."""

_CLAIMED: Final = """
WITH made AS (
    INSERT INTO orders (id, owner, request_hash, type, token_in, token_out, amount_in,
                        slippage_bps, status, seq, epoch, lease_until, kick_at)
    SELECT id, $2, sha256(''), 'market', 'SOL', 'USDC', 1000000000, 1000, 'routing', 2, 1,
           now() + interval '1 h', now() + interval '1 h'
    FROM unnest($1::uuid[]) AS id
    RETURNING id
)
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT id, seq, CASE seq WHEN 1 THEN 'pending' ELSE 'routing' END::order_status, now(), 1, '{}'
FROM made CROSS JOIN generate_series(1, 2) AS seq
"""
_TERMS: Final = Terms(OrderType.MARKET, SOL, USDC, 1_000_000_000, None, 1_000)

Columns = Sequence[list[object]]


async def recorded(
    database_url: str, redis_url: str, *, orders: int, rows: int, connections: int
) -> dict[str, float]:
    """Record the lives of some orders, ``rows`` at once over so many connections.

    The database must be migrated.
    """
    ids = [new_id() for _ in range(orders)]
    pids = await server_pids(database_url, redis_url)
    async with _connected(database_url, connections) as open_connections:
        first = open_connections[0]
        await first.execute(_CLAIMED, ids, OWNER)
        await first.execute("ANALYZE orders, order_events")
        groups = [_life(ids[at : at + rows]) for at in range(0, orders, rows)]
        loop = asyncio.get_running_loop()
        calibration = calibration_ms(loop.time)
        cpu, wal = usage.cpu_s(pids), await facts.wal_bytes(first)
        started = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for number, connection in enumerate(open_connections):
                tasks.create_task(_drive(connection, groups[number::connections]))
        took_s = loop.time() - started
        transitions = orders * len(STEPS)
        name = f"{rows}_rows_{connections}_connections"
        used = usage.cpu_s(pids)
        calibration = (calibration + calibration_ms(loop.time)) / 2
        return {
            f"{name}_transitions_per_s": transitions / took_s,
            f"{name}_wal_bytes_per_transition": (await facts.wal_bytes(first) - wal) / transitions,
            **{
                f"{name}_cpu_us_per_transition_{each}": (used[each] - cpu[each]) / transitions * 1e6
                for each in ("postgres", "client")
                if each in used
            },
            f"{name}_calibration_ms": calibration,
        }


@asynccontextmanager
async def _connected(url: str, count: int) -> AsyncIterator[list[facts.Connection]]:
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = await asyncpg.connect(url)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        yield connections


async def _drive(connection: facts.Connection, groups: Sequence[Sequence[Columns]]) -> None:
    for life in groups:
        for columns in life:
            count = len(columns[0])
            moved = await connection.fetch(journal._RECORD, *columns, LEASE, REKICK, count)
            assert len(moved) == count, "every order is where it was left"


def _life(ids: Sequence[UUID]) -> list[Columns]:
    """The parameters of the statement for each step of these orders."""
    return [
        journal._columns([_transition(order_id, status, seq) for order_id in ids])
        for seq, status in enumerate(STEPS, start=2)
    ]


def _transition(order_id: UUID, status: Status, seq: int) -> Transition:
    order = Held(order_id, _TERMS, status, seq, 1, epoch=1)
    signature = (order_id.hex * 3)[:88]
    known: dict[str, Any] = {}
    if status is Status.BUILDING:
        data = ROUTED
        known = {"dex": Dex.METEORA, "route": ROUTED}
    elif status is Status.SUBMITTED:
        data = f'{{"txHash":"{signature}"}}'
        known = {"signed": Signed(signature, bytes(WIRE_BYTES), 151)}
    else:
        data = (
            f'{{"txHash":"{signature}","dex":"meteora","executedPrice":"249.361842",'
            '"amountOut":"249.361842","slot":1234}'
        )
        known = {"amount_out": 249_361_842, "executed_price": "249.361842"}
    return Transition(order, Step(status, 1), data, **known)

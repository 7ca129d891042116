"""PostgreSQL's own limit: executes only the statement with which the journal records transitions.
All parameters are prepared before the clock starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status, Step
from backend.domain.orders import LeasedOrder, OrderTerms, OrderType, SignedTransaction
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC
from backend.embedded import ServerUrls
from backend.engine.api_services import new_id
from backend.store import journal
from backend.store.migrations import migrate
from backend.store.transitions import Transition, to_columns
from backend.trials import process_usage as usage
from backend.trials.bench import verification
from backend.trials.bench.figures import measure_calibration_ms
from backend.trials.bench.past_orders import HISTORY_OWNER, ROUTE_JSON
from backend.trials.bench.servers import create_run_database, find_server_pids

LEASE: Final = timedelta(seconds=15)
REKICK: Final = timedelta(seconds=5)
STEPS: Final = (Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)
"""The transitions that the journal records for an order that a worker has claimed."""
TRANSACTION_BYTES: Final = 900
"""Approximate size of a signed swap."""

_INSERT_CLAIMED: Final = """
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
_TERMS: Final = OrderTerms(OrderType.MARKET, SOL, USDC, 1_000_000_000, None, 1_000)

StatementColumns = Sequence[list[object] | None]


async def measure_record_rate(
    database_url: str, redis_url: str, *, orders: int, rows: int, connections: int
) -> dict[str, float]:
    """Record all transitions of ``orders`` orders, ``rows`` per statement, and return the figures.

    The database must be migrated.
    """
    ids = [new_id() for _ in range(orders)]
    pids = await find_server_pids(database_url, redis_url)
    async with _open_connections(database_url, connections) as open_connections:
        first = open_connections[0]
        await first.execute(_INSERT_CLAIMED, ids, HISTORY_OWNER)
        await first.execute("ANALYZE orders, order_events")
        groups = [_build_steps(ids[at : at + rows]) for at in range(0, orders, rows)]
        loop = asyncio.get_running_loop()
        calibration = measure_calibration_ms(loop.time)
        cpu_before, wal_before = usage.read_cpu_s(pids), await verification.read_wal_bytes(first)
        started = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for number, connection in enumerate(open_connections):
                tasks.create_task(_execute_groups(connection, groups[number::connections]))
        took_s = loop.time() - started
        transitions = orders * len(STEPS)
        prefix = f"{rows}_rows_{connections}_connections"
        cpu_after = usage.read_cpu_s(pids)
        calibration = (calibration + measure_calibration_ms(loop.time)) / 2
        return {
            f"{prefix}_transitions_per_s": transitions / took_s,
            f"{prefix}_wal_bytes_per_transition": (
                await verification.read_wal_bytes(first) - wal_before
            )
            / transitions,
            **{
                f"{prefix}_cpu_us_per_transition_{name}": (cpu_after[name] - cpu_before[name])
                / transitions
                * 1e6
                for name in ("postgres", "client")
                if name in cpu_after
            },
            f"{prefix}_calibration_ms": calibration,
        }


@asynccontextmanager
async def _open_connections(url: str, count: int) -> AsyncIterator[list[verification.Connection]]:
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = await asyncpg.connect(url)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        yield connections


async def _execute_groups(
    connection: verification.Connection, groups: Sequence[Sequence[StatementColumns]]
) -> None:
    for steps in groups:
        for columns in steps:
            recorded = await connection.fetch(
                journal._RECORD_TRANSITIONS, *columns, LEASE, REKICK, [], [], []
            )
            assert len(recorded) == len(columns[0] or ()), (
                "a transition was refused: an order is not in the expected status"
            )


def _build_steps(ids: Sequence[UUID]) -> list[StatementColumns]:
    """Build the statement's parameters for each transition of these orders."""
    return [
        to_columns([_build_transition(order_id, status, seq) for order_id in ids])
        for seq, status in enumerate(STEPS, start=2)
    ]


def _build_transition(order_id: UUID, status: Status, seq: int) -> Transition:
    order = LeasedOrder(order_id, _TERMS, status, seq, 1, epoch=1)
    signature = (order_id.hex * 3)[:88]
    values: dict[str, Any] = {}
    if status is Status.BUILDING:
        data = ROUTE_JSON
        values = {"dex": Dex.METEORA, "route": ROUTE_JSON}
    elif status is Status.SUBMITTED:
        data = f'{{"txHash":"{signature}"}}'
        values = {"signed": SignedTransaction(signature, bytes(TRANSACTION_BYTES), 151)}
    else:
        data = (
            f'{{"txHash":"{signature}","dex":"meteora","executedPrice":"249.361842",'
            '"amountOut":"249.361842","slot":1234}'
        )
        values = {"amount_out": 249_361_842, "executed_price": "249.361842"}
    return Transition(order, Step(status, 1), data, **values)


async def measure_record_rates(
    servers: ServerUrls, orders: int, rows: Sequence[int], connections: Sequence[int]
) -> dict[str, float]:
    """Measure the rate for each number of rows per commit and of connections."""
    figures: dict[str, float] = {}
    for row_count in rows:
        for connection_count in connections:
            async with create_run_database(servers.database_url) as url:
                await migrate(url)
                figures |= await measure_record_rate(
                    url,
                    servers.redis_url,
                    orders=orders,
                    rows=row_count,
                    connections=connection_count,
                )
    return figures

"""What queries of clients cost among a million orders: their page, not what others have stored.

Every combination of filters is executed and explained, with a plan for its values and with one for
any values, as a prepared statement gets after some executions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from backend.domain.lifecycle import Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex
from backend.store import counts, feed
from backend.store.fills import position_store
from backend.store.fills.ended_lists import EndFilter, EndKind, build_ended_statement
from backend.store.leases import lease_store
from backend.store.reads import queries
from backend.store.reads.leg_search import build_search_statement
from backend.store.reads.order_lists import (
    ListPosition,
    ListStatement,
    OrderFilter,
    build_list_statement,
)
from backend.store.waiting import share_releases, waiting_orders
from backend.store.withdrawals import cancel_timers
from tests.integration.many_orders import (
    BATCH_ORDERS,
    BIG_OWNER,
    COUNT,
    OPEN_COUNT,
    WAITING_COUNT,
    insert_many_orders,
)

Plan = dict[str, Any]

PAGE = 50
GROUPS_MAX = 20
"""More groups of closed orders than an owner has here."""
ROWS_MAX = GROUPS_MAX * (PAGE + 2) + 2 * (OPEN_COUNT + WAITING_COUNT)
"""Most rows that a node of a plan may handle: a page of each group, or what is open."""
BLOCKS_MAX = 10 * ROWS_MAX
SORTED_MAX = max(GROUPS_MAX * PAGE, BATCH_ORDERS) + OPEN_COUNT + WAITING_COUNT
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
MIDDLE = START + timedelta(seconds=COUNT // 2)

STATUSES: Sequence[tuple[Status, ...]] = (
    (),
    (Status.CONFIRMED,),
    (Status.CANCELLED,),
    (Status.SUBMITTED, Status.FAILED),
    (Status.WAITING,),
)
TIMES: Sequence[dict[str, Any]] = (
    {},
    {"created_from": START, "created_to": MIDDLE},
    {"updated_since": START},
    {"updated_since": MIDDLE},
)


def list_filters() -> Iterator[OrderFilter]:
    for times in TIMES:
        for statuses, dex, token_in, token_out, kind in product(
            STATUSES,
            (None, Dex.METEORA),
            (None, "BONK"),
            (None, "SOL"),
            (None, OrderType.LIMIT),
        ):
            yield OrderFilter(
                statuses=statuses,
                dex=dex,
                token_in=token_in,
                token_out=token_out,
                type=kind,
                **times,
            )
        for named in (
            {"batch_id": UUID(int=7)},
            {"client_order_id": "client-100"},
            {"batch_id": UUID(int=7), "client_order_id": "none"},
            {"parent_id": UUID(int=7)},
            {"oco_group": UUID(int=7)},
            {"parent_id": UUID(int=7), "oco_group": UUID(int=7), "batch_id": UUID(int=7)},
        ):
            for statuses in STATUSES:
                yield OrderFilter(statuses=statuses, **named, **times)


def list_statements() -> Iterator[ListStatement]:
    """Each filter, for the owner of most orders and for one of none, in turns of the rest."""
    position = ListPosition(MIDDLE, UUID(int=COUNT // 2))
    for number, which in enumerate(list_filters()):
        for owner in (BIG_OWNER, "none"):
            yield build_list_statement(
                owner,
                which,
                after=position if number % 3 else None,
                limit=PAGE,
                is_ascending=bool(number % 2),
            )


def list_searches() -> Iterator[ListStatement]:
    """The steps in which lists by a leg of the route are searched."""
    position = ListPosition(MIDDLE, UUID(int=COUNT // 2))
    which: Sequence[dict[str, Any]] = (
        {},
        {"statuses": (Status.CONFIRMED,)},
        {"dex": Dex.RAYDIUM, "token_in": "SOL"},
        {"batch_id": UUID(int=7)},
    )
    for number, (times, terms) in enumerate(product(TIMES, which)):
        for owner in (BIG_OWNER, "none"):
            yield build_search_statement(
                owner,
                OrderFilter(program="raydium/clmm", pool="pool", **terms, **times),
                after=position if number % 3 else None,
                limit=PAGE,
                is_ascending=bool(number % 2),
            )


def list_ended() -> Iterator[ListStatement]:
    """The lists of fills, and of the orders that ended without one."""
    position = ListPosition(MIDDLE, UUID(int=COUNT // 2))
    times: Sequence[dict[str, Any]] = ({}, {"start": START, "end": MIDDLE}, {"start": MIDDLE})
    which: Sequence[dict[str, Any]] = (
        {},
        {"dex": Dex.METEORA},
        {"token_in": "BONK"},
        {"pair": ("SOL", "USDC")},
        {"pair": ("USDT", "BONK"), "dex": Dex.RAYDIUM},
        {"batch_id": UUID(int=7)},
        {"parent_id": UUID(int=7), "batch_id": UUID(int=7)},
    )
    for number, (kind, time, terms) in enumerate(product(EndKind, times, which)):
        for owner in (BIG_OWNER, "none"):
            yield build_ended_statement(
                owner,
                EndFilter(kind, **time, **terms),
                after=position if number % 3 else None,
                limit=PAGE,
                is_ascending=bool(number % 2),
            )


OTHER_STATEMENTS = (
    ListStatement(feed._READ_EVENTS, [5, UUID(int=0), 0, 1_000]),
    ListStatement(feed._READ_ORDER_EVENTS, [[UUID(int=4)], [0]]),
    ListStatement(lease_store._FIND_OVERDUE_OWNERS, [HOUR]),
    ListStatement(cancel_timers._FIND_ORDERS, [BIG_OWNER, MIDDLE, ["pending"], UUID(int=0), PAGE]),
    ListStatement(counts._COUNT_BY_OWNER, []),
    ListStatement(waiting_orders._LOAD_SHARD, [HOUR, 7, UUID(int=0), PAGE]),
    ListStatement(waiting_orders._LOAD, [HOUR, [UUID(int=4), UUID(int=COUNT)]]),
    ListStatement(waiting_orders._READ_NEWS, [5]),
    ListStatement(share_releases._READ_IN_FLIGHT, [[UUID(int=4), UUID(int=COUNT)], 5]),
    ListStatement(queries._COUNT_UNKNOWN_AMOUNTS, [queries.UNKNOWN_AMOUNTS_MAX]),
    ListStatement(position_store._LOAD, [BIG_OWNER, "USDC"]),
)


def list_nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from list_nodes(child)


def find_faults(plan: Plan) -> list[str]:
    """What in an executed plan costs more than a page."""
    faults = []
    for node in list_nodes(plan):
        kind, loops = node["Node Type"], node["Actual Loops"]
        rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops
        if kind == "Seq Scan" and node["Relation Name"] in {"orders", "order_events"}:
            faults.append(f"reads all of {node['Relation Name']}")
        if rows > ROWS_MAX:
            faults.append(f"{kind} handles {rows:.0f} rows")
        if "Sort" in kind and sum(each["Actual Rows"] for each in node["Plans"]) > SORTED_MAX:
            faults.append(f"{kind} sorts {node['Plans'][0]['Actual Rows']:.0f} rows")
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    if blocks > BLOCKS_MAX:
        faults.append(f"touches {blocks} blocks")
    return faults


async def explain(
    connection: asyncpg.Connection[asyncpg.Record], statement: ListStatement, mode: str
) -> Plan:
    """Execute a prepared statement with a plan of this mode."""
    await connection.execute(f"SET plan_cache_mode = force_{mode}_plan")
    await connection.execute(f"PREPARE explained AS {statement.sql}")
    values = f"({', '.join(map(to_literal, statement.args))})" if statement.args else ""
    try:
        text = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE explained {values}"
        )
    finally:
        await connection.execute("DEALLOCATE explained")
    plan: Plan = json.loads(text)[0]["Plan"]
    return plan


def to_literal(value: object) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(to_literal, value))}]"
    if isinstance(value, int):
        return str(value)
    return f"'{value}'" + ("::uuid" if isinstance(value, UUID) else "")


@pytest.mark.long
async def test_every_query_of_clients_costs_its_page_among_a_million_orders(
    database_url: str,
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await insert_many_orders(connection)
        await connection.execute("SET jit = off")
        faults: dict[str, list[str]] = {}
        for number, statement in enumerate(
            [*list_statements(), *list_searches(), *OTHER_STATEMENTS, *list_ended()]
        ):
            modes = ("generic", "custom")
            plan = await explain(connection, statement, modes[number // 2 % 2])
            if found := find_faults(plan):
                faults[f"{modes[number // 2 % 2]} {statement.args} {statement.sql}"] = found
        assert faults == {}
    finally:
        await connection.execute("DROP TABLE IF EXISTS migrations")  # the next test gets a new one
        await connection.close()

"""The plans of the store's statements: none reads all orders, and none is made each time."""

from __future__ import annotations

import re

import pytest

from backend.store import feed, journal, late_amounts
from backend.store.address import parse_address
from backend.store.connection import Connector, open_connection
from backend.store.idempotency import earlier_requests
from backend.store.intake import order_rows
from backend.store.leases import lease_store
from backend.store.reads import slice_progress
from backend.store.trading import breakers, control, held_orders
from backend.store.waiting import amendments, share_releases, slice_statements, waiting_orders
from backend.store.withdrawals import (
    cancel_timers,
    cancellations,
    expired_submissions,
    expiries,
)
from backend.trials.bench.past_orders import insert_past_orders
from tests.integration.stores import accept_order, open_store

_COUNT_PLANS = """
SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement ~ 'store orders'
"""
STATEMENTS_BY_ID = {
    "record": journal._RECORD_TRANSITIONS,
    "record confirmations": journal._RECORD_CONFIRMATIONS,
    "find recorded": journal._FIND_RECORDED,
    "find expired": expired_submissions._FIND_EXPIRED,
    "find held": held_orders._FIND_HELD,
    "release held": held_orders._RELEASE,
    "claim": lease_store._CLAIM,
    "renew": lease_store._RENEW,
    "release": lease_store._RELEASE,
    "cancel": cancellations._CANCEL_ORDERS,
    "load waiting": waiting_orders._LOAD,
    "amend": amendments._AMEND,
    "release waiting": waiting_orders._RELEASE,
    "load sliced": slice_statements.LOAD,
    "place slices": slice_statements.PLACE,
    "end sliced": slice_statements.END,
    "read progress of slices": slice_progress._READ_PROGRESS,
    "release waiting of groups": waiting_orders._RELEASE_GROUPED,
    "release shares": share_releases._RELEASE,
    "raise high waters": waiting_orders._RAISE_HIGH_WATERS,
    "read events of orders": feed._READ_ORDER_EVENTS,
}
STATEMENTS_BY_INDEX = {
    "load shard": waiting_orders._LOAD_SHARD,
    "claim waiting": lease_store._CLAIM_WAITING,
    "find overdue owners": lease_store._FIND_OVERDUE_OWNERS,
    "read orders in flight": share_releases._READ_IN_FLIGHT,
    "expire": expiries._EXPIRE_ORDERS,
    "find open owners": held_orders._FIND_OPEN_OWNERS,
    "find owners of open orders": control._FIND_OWNERS,
    "find orders to cancel": control._FIND_ORDERS,
    "read outcomes": breakers._READ_OUTCOMES,
    "orders of a cancel timer": cancel_timers._FIND_ORDERS,
    "finish a cancel timer": cancel_timers._FINISH,
    "find cancelled parents": cancellations._FIND_SLICED,
    "find slices": cancellations._FIND_SLICES,
    "finish sliced": cancellations._FINISH_SLICED,
    "take due amounts": late_amounts._TAKE_DUE,
    "store amounts": late_amounts._STORE,
    "store amounts with children": late_amounts._STORE_WITH_CHILDREN,
    "find by client order id": earlier_requests._FIND_ORDERS.format(column="client_order_id"),
    "find by key": earlier_requests._FIND_ORDERS.format(column="idempotency_key"),
}


async def explain_generic(database_url: str, statement: str) -> str:
    """The plan that a connection keeps for a statement, whatever its values."""
    async with open_connection(Connector(parse_address(database_url))) as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE it AS {statement}")
        nulls = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
        arguments = f"({nulls})" if nulls else ""
        rows = await connection.fetch(f"EXPLAIN EXECUTE it {arguments}")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("is_new", [True, False])
async def test_no_plan_reads_all_orders_whatever_the_statistics_were(
    database_url: str, is_new: bool
) -> None:
    """A connection keeps a plan for a while: that of an empty database, or of a quiet time."""
    if not is_new:
        # All have ended, and were analyzed then.
        await insert_past_orders(database_url, 2_000, lambda _: None)
    for name, statement in (STATEMENTS_BY_ID | STATEMENTS_BY_INDEX).items():
        plan = await explain_generic(database_url, statement)
        assert "Seq Scan on orders" not in plan, (name, plan)
        assert "Hash Join" not in plan, (name, plan)
        if name in STATEMENTS_BY_ID:  # the index of open orders has those of some time ago as well
            assert "orders_pkey" in plan, (name, plan)
            assert "orders_active" not in plan, (name, plan)


async def test_the_statement_that_stores_orders_is_not_planned_for_each_execution(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        for _ in range(20):
            await accept_order(store)
        async with store.pool.acquire() as connection:
            row = await connection.fetchrow(_COUNT_PLANS)
        assert row is not None
        assert row["generic_plans"] > row["custom_plans"], row


async def test_orders_that_are_stored_together_are_not_each_compared_with_all(
    database_url: str,
) -> None:
    plan = await explain_generic(database_url, order_rows.INSERT_ORDERS)
    assert plan.count("hashed SubPlan") == 2, plan
    assert "Join Filter" not in plan, plan

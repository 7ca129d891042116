"""Expiries on a real database: by its clock, exactly one of an expiry and a worker's write wins."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import pytest

from backend.domain.errors import InvalidInput
from backend.domain.lifecycle import CANCELLABLE_STATUSES, Cause, Status, advance
from backend.domain.orders import LeasedOrder, NewOrder, TimeInForce
from backend.engine.api_services import now
from backend.store.intake.expiry_check import EXPIRY_AHEAD_MAX
from backend.store.migrations import migrate
from backend.store.transitions import LeaseLost, Transition
from backend.store.withdrawals.expired_submissions import OrderExpired
from backend.store.withdrawals.expiries import _EXPIRE_ORDERS, ROWS_MAX
from tests.integration.store_pair import record_together
from tests.integration.stores import (
    EXPIRED_LEASES,
    ORDER_TERMS,
    Store,
    build_routed,
    new_order,
    open_store,
)
from tests.integration.test_cancellations import build_signed, read_rows
from tests.integration.test_migrations import create_database_0_1, empty_database_url

__all__ = ["empty_database_url"]

RACES = 100
HOUR = timedelta(hours=1)
_INSERT_OPEN_ORDERS = """
INSERT INTO orders (id, owner, request_hash, type, token_in, token_out, amount_in, slippage_bps,
                    kick_at, time_in_force, expires_at)
SELECT gen_random_uuid(), 'many', '', 'market', 'SOL', 'USDC', 1, 0, now(),
       CASE n % $2 WHEN 0 THEN 'gtd' ELSE 'gtc' END,
       CASE n % $2 WHEN 0 THEN now() + n * interval '1 s' END
FROM generate_series(1, $1::int) AS n
"""
_ROW = """
SELECT status::text, epoch, seq, open, lease_until IS NULL AS is_released, closed_as,
       closed_at IS NOT NULL AS is_marked, cancel_reason
FROM orders WHERE id = $1
"""


async def accept_expiring(store: Store, owner: str = "local") -> UUID:
    """An order that expires in an hour."""
    return (await store.intake.accept(new_order(expires_at=now() + HOUR, owner=owner))).id


async def let_expire(store: Store, *ids: UUID) -> None:
    """Pass the expiry of orders, by the database's clock."""
    await store.pool.execute(
        "UPDATE orders SET expires_at = now() - interval '1 ms' WHERE id = ANY($1)", list(ids)
    )


async def claim_expiring(store: Store) -> LeasedOrder:
    order = await store.leases.claim(await accept_expiring(store))
    assert order is not None
    assert order.can_expire
    return order


async def submit(store: Store, order: LeasedOrder) -> None:
    await store.journal.record(build_signed(order))


async def read_row(store: Store, order_id: UUID) -> tuple[object, ...]:
    [row] = await store.pool.fetch(_ROW, order_id)
    return tuple(row)


async def test_an_expired_order_has_ended_with_its_event_and_no_lease(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = await claim_expiring(store)
        assert await store.expiries.expire_due() == 0
        await let_expire(store, order.id)
        assert await store.expiries.expire_due() == 1
        assert await read_row(store, order.id) == (
            *("expired", order.epoch + 1, order.seq + 1, False, True),
            *("expired - market SOL USDC", True, None),
        )
        last = (await store.feed.read_order_events(order.id, 0))[-1]
        assert (last.seq, last.status, last.attempt) == (3, Status.EXPIRED, 1)
        assert orjson.loads(last.data)["code"] == "expired"
        assert store.committed_txids[-1] == last.txid
        assert await store.count_open() == 0
        assert await store.expiries.expire_due() == 0


async def test_an_order_is_not_claimed_after_its_expiry(database_url: str) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order_id = await accept_expiring(store)
        claimed = await claim_expiring(store)
        await let_expire(store, order_id, claimed.id)
        before = await read_rows(store)
        for each in (order_id, claimed.id):
            assert await store.leases.claim(each) is None
        assert await store.leases.claim_waiting({"local": 10}) == []
        assert await read_rows(store) == before


async def test_a_submitted_order_is_claimed_and_settled_after_its_expiry(database_url: str) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_expiring(store)
        await submit(store, order)
        await let_expire(store, order.id)
        assert await store.expiries.expire_due() == 0
        again = await store.leases.claim(order.id)
        assert again is not None
        assert again.status is Status.SUBMITTED
        step = advance(again.status, 1, Cause.SIGNATURE_EXPIRED)
        await store.journal.record(Transition(again, step, "{}", last_error="x: y", wait_ms=0))
        assert await store.leases.claim(order.id) is None  # it never landed: no new attempt
        assert await store.expiries.expire_due() == 1
        assert (await read_row(store, order.id))[0] == "expired"


async def test_a_step_to_submitted_after_the_expiry_is_refused_and_any_other_is_stored(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        order, other = await claim_expiring(store), await claim_expiring(store)
        await let_expire(store, order.id)
        before = await read_rows(store)
        with pytest.raises(OrderExpired):
            await submit(store, order)
        assert await read_rows(store) == before
        await submit(store, other)
        routed = build_routed(order)
        await store.journal.record(routed)
        step = advance(Status.BUILDING, 1, Cause.TIMED_OUT)
        leased = LeasedOrder(
            order.id, ORDER_TERMS, Status.BUILDING, order.seq + 1, 1, order.epoch, can_expire=True
        )
        await store.journal.record(Transition(leased, step, "{}"))
        assert (await read_row(store, order.id))[0] == "expired"


async def test_of_steps_that_are_recorded_together_only_what_has_expired_is_refused(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        orders = [await claim_expiring(store) for _ in range(6)]
        await let_expire(store, *[order.id for order in orders[::2]])
        stored = await record_together(store, [build_signed(order) for order in orders])
        assert stored == [False, True] * 3


async def test_a_worker_that_has_lost_its_lease_is_told_that_whatever_the_expiry(
    database_url: str,
) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_expiring(store)
        assert await store.leases.claim(order.id) is not None
        await let_expire(store, order.id)
        with pytest.raises(LeaseLost):
            await submit(store, order)


async def test_of_an_expiry_and_the_step_to_submitted_exactly_one_is_stored(
    database_url: str,
) -> None:
    async with open_store(database_url) as worker, open_store(database_url) as other:
        orders = [await claim_expiring(worker) for _ in range(RACES)]

        async def sign(order: LeasedOrder, delay_turns: int) -> bool:
            for _ in range(delay_turns):
                await asyncio.sleep(0)
            try:
                await submit(worker, order)
            except (LeaseLost, OrderExpired):
                return False
            return True

        async def expire(order: LeasedOrder) -> None:
            await let_expire(other, order.id)
            await other.expiries.expire_due()

        async with asyncio.TaskGroup() as group:
            signing = [
                group.create_task(sign(order, number % 7)) for number, order in enumerate(orders)
            ]
            for order in orders:
                group.create_task(expire(order))
        while await other.expiries.expire_due():
            pass
        statuses = [(await read_row(other, order.id))[0] for order in orders]
        assert statuses == ["submitted" if each.result() else "expired" for each in signing]
        for order, status in zip(orders, statuses, strict=True):
            events = await other.feed.read_order_events(order.id, 0)
            assert [event.status for event in events].count(Status(str(status))) == 1


async def test_an_order_expires_in_the_statuses_in_which_it_can_be_cancelled(
    empty_database_url: str,
) -> None:
    ids = await create_database_0_1(empty_database_url)
    await migrate(empty_database_url)
    async with open_store(empty_database_url) as store:
        await store.pool.execute("UPDATE orders SET time_in_force = 'gtd', expires_at = now()")
        await store.expiries.expire_due()
        for status, order_id in ids.items():
            is_expired = status in CANCELLABLE_STATUSES or status is Status.EXPIRED
            assert ((await read_row(store, order_id))[0] == "expired") == is_expired


async def test_many_orders_expire_in_pages(database_url: str) -> None:
    async with open_store(database_url) as store:
        orders = [new_order(expires_at=now() + HOUR) for _ in range(ROWS_MAX + 1)]
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(store.intake.accept(order))
        await let_expire(store, *[order.id for order in orders])
        assert await store.expiries.expire_due() == ROWS_MAX
        assert await store.expiries.expire_due() == 1


async def test_the_expiry_of_a_new_order_is_checked_by_the_database_and_a_repeat_is_not(
    database_url: str,
) -> None:
    def build(key: str | None, expires_at: datetime) -> NewOrder:
        return new_order(idempotency_key=key, expires_at=expires_at)

    async with open_store(database_url) as store:
        for expires_at, reason in (
            (now() - timedelta(seconds=1), "has passed already"),
            (now() + EXPIRY_AHEAD_MAX + HOUR, "is more than 366 days ahead"),
        ):
            with pytest.raises(InvalidInput) as refused:
                await store.intake.accept(build("k", expires_at))
            assert (refused.value.field, refused.value.reason) == ("expiresAt", reason)
        assert await store.pool.fetch("SELECT FROM orders") == []
        accepted = await store.intake.accept(build("k", now() + EXPIRY_AHEAD_MAX - HOUR))
        repeat = await store.intake.accept(build("k", now() - HOUR))  # the same request, late
        assert (repeat.id, repeat.is_replay) == (accepted.id, True)
        record = await store.orders.get("local", accepted.id)
        assert record is not None
        assert record.time_in_force is TimeInForce.GTD


async def test_expired_orders_are_found_by_the_index_of_expiries(database_url: str) -> None:
    async with open_store(database_url) as store:
        # Among many open orders, of which a few expire: of an empty table any index costs the same.
        await store.pool.execute(_INSERT_OPEN_ORDERS, 5_000, 100)
        await store.pool.execute("ANALYZE orders")
        async with store.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            rows = await connection.fetch(f"EXPLAIN {_EXPIRE_ORDERS}", ["pending"], "{}", 10)
        plan = "\n".join(row[0] for row in rows)
        assert "Index Scan using orders_expiry on orders" in plan, plan
        assert "Seq Scan on orders" not in plan, plan

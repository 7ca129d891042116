"""Groups and brackets on a real database: at most one order of a group is ever executed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from backend.domain.groups.children import build_children, derive_group
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import LeasedOrder, NewOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.domain.tokens import TokenRegistry
from backend.store.late_amounts import LateAmount, LateAmountStore
from backend.store.transitions import IntermediateStep, LeaseLost, Transition
from backend.store.waiting.waiting_orders import MetTrigger
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.stores import (
    BRACKET,
    LIMIT_TERMS,
    ORDER_TERMS,
    Store,
    new_order,
    open_store,
)

GROUPS = 60
ROUNDS = 40
RECEIVED = 120_000_000
_READ_ROWS = "SELECT id, status::text, cancel_reason FROM orders"
_READ_EVENTS = "SELECT seq, status::text, txid, data::text FROM order_events WHERE order_id = $1"

_COUNT_BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""
_AMEND = """
WITH moved AS (
    UPDATE orders SET seq = seq + 1 WHERE id = $1 AND status = 'waiting' RETURNING id, seq
)
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT id, seq, 'waiting', clock_timestamp(), 1, '{}' FROM moved
"""


async def accept_pair(store: Store) -> tuple[UUID, UUID]:
    """Two limits of one group."""
    group = uuid7()
    orders = [new_order(terms=LIMIT_TERMS, oco_group=group) for _ in range(2)]
    for order in orders:
        await store.intake.accept(order)
    return orders[0].id, orders[1].id


async def find_met(store: Store, *order_ids: UUID) -> list[MetTrigger]:
    """What a watcher releases of these orders, if their prices are met."""
    records = {record.id: record for record in await store.waiting.load(order_ids)}
    return [
        MetTrigger(each, records[each].seq, "local", "{}", oco_group=records[each].oco_group)
        for each in order_ids
        if each in records
    ]


async def release(store: Store, *order_ids: UUID) -> set[UUID]:
    return await store.waiting.release(await find_met(store, *order_ids))


async def claim(store: Store, order_id: UUID) -> LeasedOrder:
    order = await store.leases.claim(order_id)
    assert order is not None
    return order


def _step(
    order: LeasedOrder, cause: Cause, *, via: IntermediateStep | None = None, **fields: object
) -> Transition:
    at = order.status if via is None else via.step.status
    return Transition(order, advance(at, order.attempt, cause), "{}", via, **fields)  # type: ignore[arg-type]


async def submit(store: Store, order: LeasedOrder) -> LeasedOrder:
    """From ``routing`` to ``submitted`` in one commit."""
    via = IntermediateStep(advance(order.status, order.attempt, Cause.ROUTED), "{}")
    signed = SignedTransaction("signature", b"bytes", 7)
    await store.journal.record(
        _step(order, Cause.SIGNED, via=via, dex=Dex.RAYDIUM, route="{}", signed=signed)
    )
    return replace(order, status=Status.SUBMITTED, seq=order.seq + 2, signed=signed)


async def confirm(store: Store, order: LeasedOrder) -> None:
    children = build_children(order.id, order.terms, order.bracket, RECEIVED)
    await store.journal.record(
        _step(
            order,
            Cause.LANDED,
            children=children,
            amount_out=RECEIVED,
            executed_price="120",
        )
    )


async def read_statuses(store: Store) -> dict[UUID, str]:
    return {row["id"]: row["status"] for row in await store.pool.fetch(_READ_ROWS)}


async def read_events(store: Store, order_id: UUID) -> list[asyncpg.Record]:
    return list(await store.pool.fetch(f"{_READ_EVENTS} ORDER BY seq", order_id))


async def assert_told_in_order(store: Store) -> None:
    """In the feed, which is in the order of transactions, no step comes before an earlier one."""
    rows = await store.pool.fetch("SELECT order_id, txid FROM order_events ORDER BY order_id, seq")
    by_order: dict[UUID, list[int]] = {}
    for row in rows:
        by_order.setdefault(row["order_id"], []).append(row["txid"])
    for txids in by_order.values():
        assert txids == sorted(txids)


async def test_of_two_met_orders_of_a_group_the_first_is_released(database_url: str) -> None:
    async with open_store(database_url) as store:
        one, other = await accept_pair(store)
        alone = await store.intake.accept(new_order(terms=LIMIT_TERMS))
        met = await find_met(store, other, one, alone.id)
        assert await store.waiting.release(met) == {other, alone.id}
        assert await release(store, one) == set()
        assert (await read_statuses(store))[one] == "waiting"


async def test_releases_of_one_group_by_two_watchers_never_release_both(database_url: str) -> None:
    async with open_store(database_url) as store, open_store(database_url) as second:
        pairs = [await accept_pair(store) for _ in range(GROUPS)]
        for start in range(0, GROUPS, 10):
            part = pairs[start : start + 10]
            met = [await find_met(store, *pair) for pair in part]
            # Each watcher has all of them, in another order.
            async with asyncio.TaskGroup() as group:
                for watcher in (store, second):
                    ordered = met if watcher is store else [each[::-1] for each in met[::-1]]
                    flat = [each for pair in ordered for each in pair]
                    group.create_task(watcher.waiting.release(flat))
                    for pair in ordered:
                        group.create_task(watcher.waiting.release(pair[::-1]))
            for ids in part:
                await release(store, *ids)  # whatever both have left to the other
        statuses = await read_statuses(store)
        for ids in pairs:
            assert sorted(statuses[each] for each in ids) == ["routing", "waiting"]
        await assert_told_in_order(store)


async def test_the_confirmation_of_an_order_cancels_the_other_of_its_group_in_its_commit(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        one, other = await accept_pair(store)
        third, _ = await accept_pair(store)
        assert await release(store, one) == {one}
        await confirm(store, await submit(store, await claim(store, one)))
        [confirmed], [cancelled] = [
            [each for each in await read_events(store, order_id) if each["status"] == status]
            for order_id, status in ((one, "confirmed"), (other, "cancelled"))
        ]
        assert confirmed["txid"] == cancelled["txid"] == store.committed_txids[-1]
        data = orjson.loads(cancelled["data"])
        assert data["code"] == "cancelled_by_oco"
        assert str(one) in data["reason"]
        assert await release(store, other) == set()
        assert (await read_statuses(store))[third] == "waiting"
        record = await store.orders.get("local", other)
        assert record is not None
        assert (record.status, record.cancel_reason) == (Status.CANCELLED, "cancelled_by_oco")
        assert record.seq == 3


async def test_an_order_that_ends_otherwise_or_waits_again_leaves_the_other(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        for ending in ("fails", "waits", "is cancelled"):
            one, other = await accept_pair(store)
            assert await release(store, one) == {one}
            order = await claim(store, one)
            assert await release(store, other) == set()
            if ending == "fails":
                await store.journal.record(_step(order, Cause.REJECTED, last_error="x: y"))
            elif ending == "waits":
                await store.journal.record(_step(order, Cause.UNMET, wait_ms=0))
            else:
                assert await store.cancellations.cancel("local", one, CancelReason.REQUESTED)
            assert await release(store, other) == {other}, ending
            await confirm(store, await submit(store, await claim(store, other)))
            ended = (await read_statuses(store))[one]
            assert ended == ("failed" if ending == "fails" else "cancelled")


async def test_a_confirmation_races_releases_and_cancellations_of_the_other_order(
    database_url: str,
) -> None:
    """Whoever comes first, one is executed, and each answer of a cancellation is true."""
    async with open_store(database_url) as worker, open_store(database_url) as api:
        pairs, orders = [], []
        for _ in range(ROUNDS):
            pair = await accept_pair(worker)
            await release(worker, pair[0])
            pairs.append(pair)
            orders.append(await submit(worker, await claim(worker, pair[0])))
        met = [await find_met(api, other) for _, other in pairs]
        async with asyncio.TaskGroup() as group:
            cancelling: dict[UUID, asyncio.Task[bool]] = {}
            for number, (order, (_, other)) in enumerate(zip(orders, pairs, strict=True)):
                group.create_task(confirm(worker, order))
                group.create_task(api.waiting.release(met[number]))
                if number % 2:
                    cancelling[other] = group.create_task(
                        api.cancellations.cancel("local", other, CancelReason.REQUESTED)
                    )
                await asyncio.sleep(0)
        reasons = {row["id"]: row["cancel_reason"] for row in await api.pool.fetch(_READ_ROWS)}
        statuses = await read_statuses(api)
        for one, other in pairs:
            assert (statuses[one], statuses[other]) == ("confirmed", "cancelled")
            is_own = other in cancelling and cancelling[other].result()
            assert reasons[other] == ("cancelled_by_request" if is_own else "cancelled_by_oco")
        await assert_told_in_order(api)


async def wait_for_blocked(connection: asyncpg.Connection[asyncpg.Record], count: int) -> None:
    async with asyncio.timeout(30):
        while await connection.fetchval(_COUNT_BLOCKED) < count:
            await asyncio.sleep(0.01)


async def test_an_order_that_moves_on_amid_the_confirmation_of_the_other_ends_after_that_step(
    database_url: str,
) -> None:
    """The transaction has its id from the lock on the first order, before the second moves on."""
    async with open_store(database_url) as store, asyncio.TaskGroup() as group:
        first, second = sorted(await accept_pair(store))
        await release(store, first)
        order = await submit(store, await claim(store, first))
        blocker = await asyncpg.connect(database_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", second)
        amending = group.create_task(amend(database_url, second))  # has no transaction id yet
        await wait_for_blocked(blocker, 1)
        confirming = group.create_task(confirm(store, order))
        await wait_for_blocked(blocker, 2)
        await transaction.rollback()
        await blocker.close()
        await amending
        await confirming
        events = await read_events(store, second)
        assert [each["status"] for each in events] == ["pending", *["waiting"] * 2, "cancelled"]
        assert events[-1]["txid"] == (await read_events(store, first))[-1]["txid"]
        await assert_told_in_order(store)


async def amend(database_url: str, order_id: UUID) -> None:
    """A step of an order that waits, from ``waiting`` to ``waiting``, if it still does."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", order_id)
            await connection.execute(_AMEND, order_id)
    finally:
        await connection.close()


async def test_confirmations_and_amendments_of_many_groups_do_not_block_each_other(
    database_url: str,
) -> None:
    async with open_store(database_url) as store, open_store(database_url) as second:
        pairs = [await accept_pair(store) for _ in range(ROUNDS)]
        orders: list[LeasedOrder] = []
        for one, other in pairs:
            released = max(one, other) if len(orders) % 2 else min(one, other)
            await release(store, released)
            orders.append(await submit(store, await claim(store, released)))
        async with asyncio.TaskGroup() as group:
            for number, (order, pair) in enumerate(zip(orders, pairs, strict=True)):
                [other] = {*pair} - {order.id}
                group.create_task(confirm((store, second)[number % 2], order))
                if number % 4 == 0:
                    group.create_task(amend(database_url, other))
                await asyncio.sleep(0)
        statuses = await read_statuses(store)
        for order, pair in zip(orders, pairs, strict=True):
            [other] = {*pair} - {order.id}
            assert (statuses[order.id], statuses[other]) == ("confirmed", "cancelled")
        await assert_told_in_order(store)


async def accept_entry(store: Store, owner: str = "local") -> NewOrder:
    order = new_order(owner=owner, bracket=BRACKET)
    await store.intake.accept(order)
    return order


async def load_children(store: Store, entry: NewOrder) -> list[asyncpg.Record]:
    return list(
        await store.pool.fetch(
            "SELECT id, owner, status::text, type::text, token_in, token_out, amount_in::bigint,"
            " min_amount_out::bigint, slippage_bps, seq, oco_group, batch_id, expires_at"
            " FROM orders WHERE parent_id = $1 ORDER BY type DESC",
            entry.id,
        )
    )


async def test_the_orders_of_a_bracket_come_to_be_in_the_commit_that_confirms_its_entry(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store, owner="anna")
        order = await submit(store, await claim(store, entry.id))
        assert order.bracket == BRACKET
        assert await load_children(store, entry) == []
        await confirm(store, order)
        group = derive_group(entry.id, BRACKET)
        children = await load_children(store, entry)
        assert [tuple(each)[1:] for each in children] == [
            ("anna", "waiting", kind, "USDC", "SOL", RECEIVED, least, bps, 2, group, None, None)
            for kind, least, bps in (("takeProfit", 12 * RECEIVED, 50), ("stop", None, 300))
        ]
        txid = (await read_events(store, entry.id))[-1]["txid"]
        for child in children:
            events = await read_events(store, child["id"])
            assert [(each["status"], each["txid"]) for each in events] == [
                ("pending", txid),
                ("waiting", txid),
            ]
            data = orjson.loads(events[0]["data"])
            assert (data["parentId"], data["ocoGroup"]) == (str(entry.id), str(group))
        assert store.commits[-1].begins_wait
        records = await store.waiting.load([each["id"] for each in children])
        assert {record.oco_group for record in records} == {group}
        assert await release(store, *(each["id"] for each in children)) == {children[0]["id"]}


async def test_an_entry_that_is_not_filled_has_no_children(database_url: str) -> None:
    async with open_store(database_url) as store:
        failed, cancelled = await accept_entry(store), await accept_entry(store)
        order = await claim(store, failed.id)
        await store.journal.record(_step(order, Cause.REJECTED, last_error="x: y"))
        await store.cancellations.cancel("local", cancelled.id, CancelReason.REQUESTED)
        assert len(await read_statuses(store)) == 2


async def test_a_stale_worker_places_no_children(database_url: str) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store)
        order = await submit(store, await claim(store, entry.id))
        stale = replace(order, epoch=order.epoch - 1)
        for each, is_stored in ((stale, False), (order, True), (order, False)):
            try:
                await confirm(store, each)
            except LeaseLost:
                assert not is_stored
            assert len(await load_children(store, entry)) == (2 if each is order else 0)


async def test_children_come_with_an_amount_that_comes_late(database_url: str) -> None:
    async with open_store(database_url) as store:
        entry = await accept_entry(store)
        order = await submit(store, await claim(store, entry.id))
        await store.journal.record(_step(order, Cause.LANDED))
        assert await load_children(store, entry) == []
        amounts = LateAmountStore(store.pool, TokenRegistry())
        await store.pool.execute("UPDATE orders SET kick_at = now() WHERE amount_pending")
        [unknown] = await amounts.take_due(10)
        assert (unknown.terms, unknown.bracket) == (ORDER_TERMS, BRACKET)
        children = build_children(entry.id, unknown.terms, unknown.bracket, RECEIVED)
        late = LateAmount(entry.id, RECEIVED, "120", 5_000, children)
        for amount in (late, replace(late, amount_out=7)):
            await amounts.store([amount])
        placed = await load_children(store, entry)
        assert [each["amount_in"] for each in placed] == [RECEIVED] * 2
        assert {each["status"] for each in placed} == {"waiting"}
        for each in placed:
            assert len(await read_events(store, each["id"])) == 2


async def test_the_orders_of_one_call_are_each_found_by_their_id(database_url: str) -> None:
    """Also when orders of groups are beside others in one commit."""
    async with open_store(database_url) as store:
        pair, entry = await accept_pair(store), await accept_entry(store)
        plain = await store.intake.accept(new_order())
        await release(store, pair[0])
        ids: Sequence[UUID] = (pair[0], entry.id, plain.id)
        orders = [await submit(store, await claim(store, each)) for each in ids]
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(confirm(store, order))
        statuses = await read_statuses(store)
        assert [statuses[each] for each in ids] == ["confirmed"] * 3
        assert statuses[pair[1]] == "cancelled"
        assert len(await load_children(store, entry)) == 2

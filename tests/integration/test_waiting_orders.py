"""Orders that wait for a price, on a real database: accepted, loaded, released, withdrawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from backend.domain.conditions import (
    Condition,
    Limit,
    Stop,
    StopLimit,
    TakeProfit,
    Then,
    TrailingStop,
)
from backend.domain.lifecycle import OPEN_STATUSES, Cause, Status, advance
from backend.domain.orders import OrderTerms, OrderType, TimeInForce
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.tokens import SOL, USDC
from backend.engine.api_services import new_id
from backend.store.counts import StatusCounts
from backend.store.feed import FeedPosition
from backend.store.reads.order_lists import OrderFilter
from backend.store.transitions import Transition
from backend.store.waiting.condition_rows import decode_condition, encode_condition
from backend.store.waiting.trigger_shards import SHARDS, TriggerShards
from backend.store.waiting.waiting_orders import MetTrigger, RaisedMark, WaitingRecord
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.stores import LIMIT_TERMS, ORDER_TERMS, Store, new_order, open_store

PRICE = PriceRatio(10**40, 3)
TRAILING_TERMS = replace(ORDER_TERMS, type=OrderType.TRAILING_STOP, condition=TrailingStop(500))
STOP_LIMIT_TERMS = replace(
    ORDER_TERMS,
    type=OrderType.STOP_LIMIT,
    condition=StopLimit(PriceRatio(9, 100), PriceRatio(8, 100)),
)
CONDITIONS = (
    Limit(PRICE),
    Stop(PRICE, 1),
    TakeProfit(PRICE, 3, Then.MARKET),
    StopLimit(PRICE, PriceRatio(1, 3), 10),
    TrailingStop(50),
    TrailingStop(5_000, PRICE, 4),
)


@pytest.mark.parametrize("price_of", PriceOf)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_is_read_as_it_was_stored(condition: Condition, price_of: PriceOf) -> None:
    assert decode_condition(encode_condition(condition, price_of)) == (condition, price_of)


async def accept_waiting(
    store: Store, terms: OrderTerms = LIMIT_TERMS, expires_at: datetime | None = None
) -> WaitingRecord:
    accepted = await store.intake.accept(new_order(terms=terms, expires_at=expires_at))
    assert accepted.status is Status.WAITING
    [record] = await store.waiting.load([accepted.id])
    return record


async def release(store: Store, record: WaitingRecord) -> bool:
    met = MetTrigger(record.id, record.seq, record.owner, '{"price": "121"}')
    return await store.waiting.release([met]) == {record.id}


async def read_statuses(store: Store, order_id: UUID) -> list[Status]:
    return [event.status for event in await store.feed.read_order_events(order_id, 0)]


async def test_what_waits_is_stored_with_both_of_its_events_in_one_commit(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        stored = await store.feed.read_order_events(record.id, 0)
        assert [(each.seq, each.status) for each in stored] == [
            (1, Status.PENDING),
            (2, Status.WAITING),
        ]
        assert len({each.txid for each in stored}) == 1
        [commit] = store.commits
        assert commit.events is not None
        assert [(e.seq, e.status, e.at, e.txid) for e in commit.events] == [
            (e.seq, e.status, e.at, e.txid) for e in stored
        ]


async def test_no_worker_claims_what_waits(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        await store.pool.execute("UPDATE orders SET kick_at = now()")
        assert await store.leases.claim(record.id) is None
        assert await store.leases.find_overdue_owners() == []
        assert await store.leases.claim_waiting({"local": 10}) == []
        assert await store.count_open() == 1


async def test_a_shard_has_all_orders_of_a_pair_in_pages(database_url: str) -> None:
    async with open_store(database_url) as store:
        there = replace(LIMIT_TERMS, token_in=USDC, token_out=SOL)
        records = [await accept_waiting(store, terms) for terms in (LIMIT_TERMS, there, there)]
        shards = await store.pool.fetch("SELECT DISTINCT trigger_shard FROM orders")
        [shard] = [row["trigger_shard"] for row in shards]
        assert 0 <= shard < SHARDS
        first = await store.waiting.load_shard(shard, limit=2)
        rest = await store.waiting.load_shard(shard, after=first[-1].id, limit=2)
        assert first + rest == sorted(records)
        assert await store.waiting.list_ids([shard]) == {each.id for each in records}
        assert await store.waiting.load_shard((shard + 1) % SHARDS, limit=10) == []


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_what_waits_is_loaded_as_it_was_accepted(
    database_url: str, condition: Condition
) -> None:
    async with open_store(database_url) as store:
        terms = replace(LIMIT_TERMS, condition=condition, price_of=PriceOf.TOKEN_OUT)
        record = await accept_waiting(store, terms)
        assert (record.terms, record.condition, record.owner) == (terms, condition, "local")
        assert (record.seq, record.is_triggered, record.cool_down_s) == (2, False, 0)
        assert record.state.high_water is None


async def test_a_met_order_is_released_once_and_claimed(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        assert await release(store, record)
        assert not await release(store, record)
        assert await store.waiting.load([record.id]) == []
        order = await store.leases.claim(record.id)
        assert order is not None
        assert (order.status, order.attempt, order.seq) == (Status.ROUTING, 1, 3)
        assert await read_statuses(store, record.id) == [
            Status.PENDING,
            Status.WAITING,
            Status.ROUTING,
        ]
        events = store.commits[1].events
        assert events is not None
        assert [(e.seq, e.status, e.data) for e in events] == [
            (3, Status.ROUTING, '{"price": "121"}')
        ]


async def test_an_order_whose_expiry_has_passed_is_not_released(database_url: str) -> None:
    async with open_store(database_url) as store:
        expires_at = await store.pool.fetchval("SELECT now() + interval '1 hour'")
        record = await accept_waiting(store, expires_at=expires_at)
        await store.pool.execute("UPDATE orders SET expires_at = now()")
        assert not await release(store, record)
        assert await store.expiries.expire_due() == 1
        assert (await read_statuses(store, record.id))[-1] is Status.EXPIRED
        assert await store.waiting.load([record.id]) == []


async def test_an_order_is_not_released_within_its_cool_down(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        await store.pool.execute("UPDATE orders SET next_attempt_at = now() + interval '9 s'")
        [cooling] = await store.waiting.load([record.id])
        assert 8 < cooling.cool_down_s <= 9
        assert not await release(store, record)
        # One from before the clock was set back is none.
        await store.pool.execute("UPDATE orders SET next_attempt_at = now() + interval '1 hour'")
        [cooled] = await store.waiting.load([record.id])
        assert cooled.cool_down_s == 0
        assert await release(store, record)


async def test_an_order_whose_price_cannot_be_had_waits_again(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        assert await release(store, record)
        order = await store.leases.claim(record.id)
        assert order is not None
        assert order.waits_again
        step = advance(order.status, order.attempt, Cause.UNMET)
        await store.journal.record(
            Transition(order, step, '{"code": "min_out_not_met"}', last_error="x", wait_ms=9_000)
        )
        [again] = await store.waiting.load([order.id])
        assert (again.seq, again.terms, 8 < again.cool_down_s <= 9) == (4, LIMIT_TERMS, True)
        assert await store.leases.claim(order.id) is None
        assert not await release(store, again)
        await store.pool.execute("UPDATE orders SET next_attempt_at = now()")
        assert await release(store, again)
        claimed = await store.leases.claim(order.id)
        assert claimed is not None
        assert (claimed.status, claimed.attempt, claimed.seq) == (Status.ROUTING, 1, 5)


async def test_what_waits_is_cancelled_also_by_a_timer(database_url: str) -> None:
    async with open_store(database_url) as store:
        records = [await accept_waiting(store) for _ in range(3)]
        await store.intake.accept(new_order())
        reason = CancelReason.REQUESTED
        assert await store.cancellations.cancel("local", records[0].id, reason)
        await store.timers.set("local", 1)
        await store.pool.execute("UPDATE cancel_timers SET trigger_at = now()")
        assert await store.timers.cancel_due() == 3
        assert await store.waiting.load([each.id for each in records]) == []
        assert not await release(store, records[1])
        timer = await store.timers.get("local")
        assert (timer.is_cancelling, await store.count_open()) == (False, 0)


async def test_counts_and_lists_show_what_waits(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        await store.intake.accept(new_order())
        await store.wait_readable()
        counts = StatusCounts(store.pool)
        await counts.refresh()
        assert counts.get("local")[Status.WAITING] == 1
        for statuses in ((Status.WAITING,), OPEN_STATUSES):
            page = await store.orders.list_page("local", OrderFilter(statuses), limit=9)
            assert record.id in {each.id for each in page}
            assert len(page) == (1 if len(statuses) == 1 else 2)
        assert await store.count_open() == 2


async def test_a_stop_limit_that_was_triggered_waits_as_a_limit(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store, STOP_LIMIT_TERMS)
        assert await release(store, record)
        await store.pool.execute(
            "UPDATE orders SET status = 'waiting',"
            " trigger_shard = order_trigger_shard(token_in, token_out)"
        )
        [again] = await store.waiting.load([record.id])
        assert (again.is_triggered, again.condition) == (True, Limit(PriceRatio(8, 100)))
        assert again.terms == STOP_LIMIT_TERMS


async def test_a_high_water_only_rises(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store, TRAILING_TERMS)
        seen = []
        for price in (PriceRatio(3, 7), PriceRatio(2, 5), PriceRatio(10**19, 10**19 + 1)):
            await store.waiting.raise_high_waters([RaisedMark(record.id, price, 7)])
            seen.append((await store.waiting.load([record.id]))[0].state.high_water)
        assert seen == [PriceRatio(3, 7), PriceRatio(3, 7), PriceRatio(10**19, 10**19 + 1)]


async def test_news_tell_what_began_to_wait(database_url: str) -> None:
    async with open_store(database_url) as store:
        await store.intake.accept(new_order())
        record = await accept_waiting(store)
        await store.wait_readable()
        position, news = await store.waiting.read_news(FeedPosition(0))
        assert news == {record.id: 2}
        assert (await store.waiting.read_news(position))[1] == {}  # others may move the position


async def test_what_has_one_attempt_does_not_wait(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = replace(new_order(terms=LIMIT_TERMS), time_in_force=TimeInForce.IOC)
        accepted = await store.intake.accept(order)
        assert accepted.status is Status.PENDING
        assert await store.waiting.load([order.id]) == []
        assert await store.leases.claim(order.id) is not None


async def test_shards_are_divided_between_processes(database_url: str) -> None:
    first, second = new_id(), new_id()
    async with open_store(database_url) as store:
        shards = TriggerShards(store.pool, duration=timedelta(seconds=60))
        mine = await shards.claim(first, at_most=40)
        assert len(mine) == 40
        theirs = await shards.claim(second, at_most=SHARDS)
        assert mine | theirs == set(range(SHARDS))
        assert await shards.count_held() == {first: 40, second: 24}
        assert await shards.renew(first, mine | theirs) == mine
        await shards.release(first, list(mine)[:4])
        assert await shards.count_held() == {first: 36, second: 24}
        await store.pool.execute(
            "UPDATE trigger_shards SET lease_until = now() WHERE holder IS NOT NULL"
        )
        assert await shards.count_held() == {}
        assert await shards.claim(second, at_most=SHARDS) == set(range(SHARDS))
        assert await shards.renew(first, mine) == set()
        await shards.release(second)
        assert await shards.claim(first, at_most=SHARDS) == set(range(SHARDS))

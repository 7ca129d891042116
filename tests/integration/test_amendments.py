"""Amendments on a real database: exactly one of an amendment and a release wins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from backend.domain.conditions import Limit, TrailingStop
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderTerms
from backend.domain.prices import PriceRatio
from backend.store.feed import FeedPosition
from backend.store.waiting.amendments import Amendment, HighWaterMark
from backend.store.waiting.waiting_orders import MetTrigger, RaisedMark, WaitingRecord
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.stores import LIMIT_TERMS, Store, new_order, open_store
from tests.integration.test_waiting_orders import TRAILING_TERMS, accept_waiting

RACES = 100
NEW_LIMIT = PriceRatio(13, 100)
NEW_TERMS = replace(LIMIT_TERMS, condition=Limit(NEW_LIMIT), min_amount_out=130_000_000)


def build_amendment(
    record: WaitingRecord, terms: OrderTerms = NEW_TERMS, **fields: Any
) -> Amendment:
    amendment = Amendment(
        order_id=record.id,
        owner=record.owner,
        seq=record.seq,
        before=record.terms,
        terms=terms,
        expired_before=record.expires_at,
        expires_at=record.expires_at,
    )
    return replace(amendment, **fields)


async def release(store: Store, record: WaitingRecord) -> bool:
    met = MetTrigger(record.id, record.seq, record.owner, "{}")
    return await store.waiting.release([met]) == {record.id}


async def read_now(store: Store) -> datetime:
    now: datetime = await store.pool.fetchval("SELECT now()")
    return now


async def read_row(store: Store, record: WaitingRecord) -> str:
    row: str = await store.pool.fetchval(
        "SELECT to_jsonb(o)::text FROM orders o WHERE id = $1", record.id
    )
    return row


async def test_an_amended_order_waits_by_its_new_terms_and_tells_what_changed(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        amended = replace(NEW_TERMS, amount_in=2 * 10**9, min_amount_out=260_000_000)
        assert await store.amendments.amend(build_amendment(record, amended))
        [again] = await store.waiting.load([record.id])
        assert (again.seq, again.terms, again.condition) == (3, amended, Limit(NEW_LIMIT))
        last = (await store.feed.read_order_events(record.id, 0))[-1]
        assert (last.seq, last.status, last.attempt) == (3, Status.WAITING, 1)
        assert orjson.loads(last.data) == {
            "amountIn": "2",
            "limitPrice": "130",
            "minAmountOut": "260",
            "priceOf": "tokenIn",
        }
        [event] = store.commits[-1].events or ()
        assert (event.txid, event.seq, orjson.loads(event.data)) == (
            *(last.txid, 3, orjson.loads(last.data)),
        )
        await store.wait_readable()
        assert (await store.waiting.read_news(FeedPosition(0)))[1] == {record.id: 3}


async def test_only_what_waits_as_its_owner_has_seen_it_is_amended(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store)
        amend = store.amendments.amend
        before = await read_row(store, record)
        wrongs: list[dict[str, Any]] = [{"owner": "another"}, {"seq": 1}, {"seq": 3}]
        for wrong in wrongs:
            assert not await amend(build_amendment(record, **wrong))
        now = await read_now(store)
        for expires_at in (now - timedelta(seconds=1), now + timedelta(days=367)):
            assert not await amend(build_amendment(record, expires_at=expires_at))
            error = await store.amendments.find_expiry_error(expires_at)
            assert error is not None
            assert error.field == "expiresAt"
        assert await read_row(store, record) == before
        expires_at = now + timedelta(days=1)
        assert await amend(build_amendment(record, expires_at=expires_at))
        assert not await amend(build_amendment(record))
        [record] = await store.waiting.load([record.id])
        assert record.expires_at == expires_at
        assert await amend(build_amendment(record, expires_at=None))
        events = await store.feed.read_order_events(record.id, 0)
        shown = [orjson.loads(event.data) for event in events[2:]]
        assert [each["timeInForce"] for each in shown] == ["gtd", "gtc"]
        assert [each["expiresAt"] is None for each in shown] == [False, True]
        await store.cancellations.cancel("local", record.id, CancelReason.REQUESTED)
        assert not await amend(build_amendment(record))


async def test_an_order_whose_expiry_has_passed_is_not_amended(database_url: str) -> None:
    async with open_store(database_url) as store:
        soon = await read_now(store) + timedelta(days=1)
        record = await accept_waiting(store, expires_at=soon)
        await store.pool.execute("UPDATE orders SET expires_at = now()")
        later = build_amendment(record, expires_at=soon + timedelta(days=1))
        assert not await store.amendments.amend(later)
        assert await store.expiries.expire_due() == 1


async def test_of_an_amendment_and_a_release_one_wins(database_url: str) -> None:
    """What is released is executed by the terms that its row has then."""
    async with open_store(database_url) as store:
        records = [await accept_waiting(store) for _ in range(RACES)]
        won = {True: 0, False: 0}

        async def release_later(record: WaitingRecord, turns: int) -> bool:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await release(store, record)

        async def race(record: WaitingRecord, turns: int) -> None:
            async with asyncio.TaskGroup() as racers:
                amending = racers.create_task(store.amendments.amend(build_amendment(record)))
                releasing = racers.create_task(release_later(record, turns))
            was_amended = amending.result()
            assert was_amended != releasing.result()
            won[was_amended] += 1
            [row] = await store.pool.fetch(
                "SELECT status::text, seq FROM orders WHERE id = $1", record.id
            )
            assert tuple(row) == ("waiting" if was_amended else "routing", 3)
            if was_amended:
                assert not await release(store, record)
                [record] = await store.waiting.load([record.id])
                assert await release(store, record)
            leased = await store.leases.claim(record.id)
            assert leased is not None
            assert leased.terms == (NEW_TERMS if was_amended else LIMIT_TERMS)

        async with asyncio.TaskGroup() as group:
            for index, record in enumerate(records):
                group.create_task(race(record, 4 * index))
        assert won[True] + won[False] == RACES
        assert min(won.values()) > 0


async def test_of_two_amendments_of_one_step_one_wins(database_url: str) -> None:
    async with open_store(database_url) as store:
        records = [await accept_waiting(store) for _ in range(20)]
        other = replace(NEW_TERMS, slippage_bps=7)
        async with asyncio.TaskGroup() as group:
            tasks = [
                [
                    group.create_task(store.amendments.amend(build_amendment(record, terms)))
                    for terms in (NEW_TERMS, other)
                ]
                for record in records
            ]
        for record, [one, two] in zip(records, tasks, strict=True):
            assert one.result() != two.result()
            [again] = await store.waiting.load([record.id])
            assert (again.seq, again.terms) == (3, NEW_TERMS if one.result() else other)


async def test_a_high_water_mark_never_falls_and_a_cool_down_ends(database_url: str) -> None:
    async with open_store(database_url) as store:
        record = await accept_waiting(store, TRAILING_TERMS)
        await store.waiting.raise_high_waters([RaisedMark(record.id, PriceRatio(10, 100), 7)])
        await store.pool.execute("UPDATE orders SET next_attempt_at = now() + interval '1 minute'")
        nearer = replace(TRAILING_TERMS, condition=TrailingStop(200), amount_in=5 * 10**9)
        marks = (None, HighWaterMark(PriceRatio(9, 100), 8), HighWaterMark(PriceRatio(11, 100), 9))
        kept = []
        for mark in marks:
            [record] = await store.waiting.load([record.id])
            nearer = replace(nearer, slippage_bps=nearer.slippage_bps + 1)
            assert await store.amendments.amend(build_amendment(record, nearer, mark=mark))
            [record] = await store.waiting.load([record.id])
            kept.append((record.state.high_water, record.high_water_slot))
            assert record.cool_down_s == 0
        at_7, at_9 = (PriceRatio(10, 100), 7), (PriceRatio(11, 100), 9)
        assert kept == [at_7, at_7, at_9]
        assert record.terms == nearer


async def test_no_other_order_is_amended(database_url: str) -> None:
    async with open_store(database_url) as store:
        order_id = (await store.intake.accept(new_order())).id
        record = await accept_waiting(store)
        other = replace(build_amendment(record), order_id=order_id, seq=1)
        assert not await store.amendments.amend(other)

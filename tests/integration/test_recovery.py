"""Recovery: what was lost, doubled or left half-way is executed once all the same."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from backend.domain.lifecycle import Status
from tests.scenario import WHOLE, Life, scenario

RESEND = {"resend_s": 0.1}


async def test_a_lost_answer_to_the_send_does_not_double_or_lose_the_swap(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir, given=RESEND) as engine:
        await engine.fault(fault="lose_response", mode="close", count=5)
        await engine.fault(fault="lose_response", mode="error", count=5)
        lives = await engine.lives(await engine.order(*[engine.terms("1")] * 10))
        assert {tuple(life.statuses) for life in lives} == {tuple(WHOLE)}
        assert set(await engine.executed()) == {life.record.tx_hash for life in lives}


async def test_a_dropped_transaction_is_sent_again_with_the_same_bytes(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir, given=RESEND) as engine:
        await engine.fault(fault="drop", count=3)
        [order_id] = await engine.order(engine.terms("1"))
        life = await engine.life(order_id)
        assert life.statuses == WHOLE
        assert set(await engine.executed()) == {life.facts("submitted")[0]["txHash"]}


async def test_a_transaction_that_can_never_land_any_more_is_replaced(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir, given=RESEND) as engine:
        dropping = await engine.fault(fault="drop")
        [order_id] = await engine.order(engine.terms("1"))
        await engine.is_in(order_id, Status.SUBMITTED)
        await engine.control("advance", {"blocks": 200})
        await engine.reaches(order_id, lambda events: len(events) > 4)
        await engine.heal(dropping)
        life = await engine.life(order_id)
        assert life.statuses == [*WHOLE[:-1], *WHOLE[1:]]
        first, second = life.facts("submitted")
        assert life.facts("routing")[1]["code"] == "not_landed"
        assert set(await engine.executed()) == {second["txHash"]}
        assert first["txHash"] != second["txHash"]


async def test_a_node_that_is_busy_costs_attempts_but_not_the_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        busy = ["getMultipleAccounts", "getSignatureStatuses", "getTransaction"]
        await engine.fault(fault="http", status=429, methods=busy, count=4)
        lives = await engine.lives(await engine.order(*[engine.terms("1")] * 5))
        assert {life.statuses[-1] for life in lives} == {"confirmed"}
        assert set(await engine.executed()) == {life.record.tx_hash for life in lives}


async def test_an_order_whose_job_was_lost_is_found_by_the_sweep(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    given = {"rekick_s": 0.1, "sweep_s": 0.05}
    async with scenario(database_url, redis_url, data_dir, given=given) as engine:
        [order_id] = await engine.accept(engine.terms("1"))
        assert (await engine.life(order_id)).statuses == WHOLE


async def test_jobs_that_come_several_times_execute_the_order_once(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir, workers=2) as engine:
        ids = await engine.accept(*[engine.terms("1")] * 20)
        for _ in range(5):
            await engine.front.jobs.send(ids, by="intake")
        lives = await engine.lives(ids)
        assert {tuple(life.statuses) for life in lives} == {tuple(WHOLE)}
        assert set(await engine.executed()) == {life.record.tx_hash for life in lives}


async def test_two_workers_share_many_orders_and_execute_each_once(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir, workers=2) as engine:
        pairs = [("SOL", "USDC"), ("USDC", "SOL"), ("JUP", "USDC"), ("BONK", "SOL")]
        wanted = [engine.terms("3", pair=pairs[n % 4], slippage_bps=500) for n in range(200)]
        lives = await engine.lives(await engine.order(*wanted))
        assert {life.statuses[-1] for life in lives} == {"confirmed"}
        assert set(await engine.executed()) == {life.record.tx_hash for life in lives}
        assert all(_is_in_order(life) for life in lives)


def _is_in_order(life: Life) -> bool:
    times: list[datetime] = [event.at for event in life.events]
    seqs = [event.seq for event in life.events]
    return times == sorted(times) and seqs == list(range(1, len(seqs) + 1))


async def test_a_worker_that_stops_hands_its_orders_to_the_next_one(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    given = {"sweep_s": 0.05, "lease_s": 300}
    async with scenario(database_url, redis_url, data_dir, given=given) as engine:
        late = await engine.fault(fault="late_landing", by_seconds=3600)
        ids = await engine.order(*[engine.terms("1")] * 10)
        for order_id in ids:
            await engine.is_in(order_id, Status.SUBMITTED)
        await engine.workers.stop()
        await engine.workers.start()
        await engine.heal(late)
        await engine.control("advance", {"blocks": 200})
        lives = await engine.lives(ids)
        assert {life.statuses[-1] for life in lives} == {"confirmed"}
        assert set(await engine.executed()) == {life.record.tx_hash for life in lives}


async def test_what_is_no_job_on_the_queue_does_not_stop_the_worker(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with scenario(database_url, redis_url, data_dir) as engine:
        await engine.front.redis.xadd("order-engine:jobs", {"nonsense": "x"})
        await engine.front.redis.xadd("order-engine:jobs", {"data": "not json"})
        await engine.front.redis.xadd("order-engine:jobs", {"data": b"\xff\x00"})
        [order_id] = await engine.order(engine.terms("1"))
        assert (await engine.life(order_id)).statuses == WHOLE


async def test_a_redis_that_lost_everything_gets_its_group_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    given = {"rekick_s": 0.2, "sweep_s": 0.05}
    async with scenario(database_url, redis_url, data_dir, given=given) as engine:
        await engine.front.redis.flushdb()
        [order_id] = await engine.order(engine.terms("1"))
        assert (await engine.life(order_id)).statuses == WHOLE
        async with asyncio.timeout(30):
            while await engine.front.redis.xlen("order-engine:jobs"):
                await asyncio.sleep(0.01)

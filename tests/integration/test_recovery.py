"""Recovery: work that was lost, duplicated or interrupted half-way is still executed once."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from backend.domain.lifecycle import Status
from tests.scenario import HAPPY_PATH, OrderHistory, open_engine

RESEND = {"resend_s": 0.1}


async def test_a_lost_response_to_the_send_does_not_double_or_lose_the_swap(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, settings=RESEND) as engine:
        await engine.inject_fault(fault="lose_response", mode="close", count=5)
        await engine.inject_fault(fault="lose_response", mode="error", count=5)
        histories = await engine.wait_all_ended(
            await engine.place_orders(*[engine.build_terms("1")] * 10)
        )
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}


async def test_a_dropped_transaction_is_sent_again_with_the_same_bytes(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, settings=RESEND) as engine:
        await engine.inject_fault(fault="drop", count=3)
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        history = await engine.wait_ended(order_id)
        assert history.statuses == HAPPY_PATH
        assert set(await engine.read_swaps()) == {history.event_data("submitted")[0]["txHash"]}


async def test_an_expired_transaction_is_replaced_by_a_new_attempt(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, settings=RESEND) as engine:
        history = await engine.execute_expiring_once()
        assert history.statuses == [*HAPPY_PATH[:-1], *HAPPY_PATH[1:]]
        first, second = history.event_data("submitted")
        assert history.event_data("routing")[1]["code"] == "not_landed"
        assert set(await engine.read_swaps()) == {second["txHash"]}
        assert first["txHash"] != second["txHash"]


async def test_a_node_that_is_busy_costs_no_attempt(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        methods = ["getMultipleAccounts", "getSignatureStatuses", "getTransaction"]
        await engine.inject_fault(fault="http", status=429, methods=methods, count=4)
        histories = await engine.wait_all_ended(
            await engine.place_orders(*[engine.build_terms("1")] * 5)
        )
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}


async def test_an_order_whose_job_was_lost_is_found_by_the_sweep(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings = {"rekick_s": 0.1, "sweep_s": 0.05}
    async with open_engine(database_url, redis_url, data_dir, settings=settings) as engine:
        [order_id] = await engine.store_orders(engine.build_terms("1"))
        assert (await engine.wait_ended(order_id)).statuses == HAPPY_PATH


async def test_jobs_that_are_received_several_times_execute_the_order_once(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, workers=2) as engine:
        ids = await engine.store_orders(*[engine.build_terms("1")] * 20)
        for _ in range(5):
            await engine.services.jobs.send("local", ids)
        histories = await engine.wait_all_ended(ids)
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}


async def test_two_workers_share_many_orders_and_execute_each_once(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, workers=2) as engine:
        pairs = [("SOL", "USDC"), ("USDC", "SOL"), ("JUP", "USDC"), ("BONK", "SOL")]
        terms = [engine.build_terms("3", pair=pairs[n % 4], slippage_bps=500) for n in range(200)]
        histories = await engine.wait_all_ended(await engine.place_orders(*terms))
        assert {history.statuses[-1] for history in histories} == {"confirmed"}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}
        assert all(_has_ordered_events(history) for history in histories)


def _has_ordered_events(history: OrderHistory) -> bool:
    times: list[datetime] = [event.at for event in history.events]
    seqs = [event.seq for event in history.events]
    return times == sorted(times) and seqs == list(range(1, len(seqs) + 1))


async def test_a_worker_that_stops_releases_its_orders_to_the_next_one(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings = {"sweep_s": 0.05, "lease_s": 300}
    async with open_engine(database_url, redis_url, data_dir, settings=settings) as engine:
        late = await engine.inject_fault(fault="late_landing", by_seconds=3600)
        ids = await engine.place_orders(*[engine.build_terms("1")] * 10)
        for order_id in ids:
            await engine.wait_status(order_id, Status.SUBMITTED)
        await engine.workers.stop()
        await engine.workers.start()
        await engine.remove_faults(late)
        await engine.control_node("advance", {"blocks": 200})
        histories = await engine.wait_all_ended(ids)
        assert {history.statuses[-1] for history in histories} == {"confirmed"}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}


async def test_an_unreadable_message_on_the_queue_does_not_stop_the_worker(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.services.redis.xadd("order-engine:jobs", {"nonsense": "x"})
        await engine.services.redis.xadd("order-engine:jobs", {"data": "not json"})
        await engine.services.redis.xadd("order-engine:jobs", {"data": b"\xff\x00"})
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        assert (await engine.wait_ended(order_id)).statuses == HAPPY_PATH


async def test_a_redis_that_lost_everything_gets_its_group_back(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings = {"rekick_s": 0.2, "sweep_s": 0.05}
    async with open_engine(database_url, redis_url, data_dir, settings=settings) as engine:
        await engine.services.redis.flushdb()
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        assert (await engine.wait_ended(order_id)).statuses == HAPPY_PATH
        async with asyncio.timeout(60):
            while await engine.services.redis.xlen("order-engine:jobs"):
                await asyncio.sleep(0.01)

"""Orders that a worker claims, routes and signs in one commit, as their jobs tell their terms."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from solders.pubkey import Pubkey

from backend.domain.lifecycle import Status
from backend.domain.orders import LeasedOrder, NewOrder, TimeInForce
from backend.domain.tokens import SOL, USDC
from backend.runtime.loop_load import loop_load
from backend.store.leases import LeaseStore
from backend.store.withdrawals.cancellations import CancelReason
from backend.venues import MAINNET_VENUES
from tests.integration.proxied_engine import open_live_engine
from tests.scenario import HAPPY_PATH, EngineHarness, Json, OrderHistory, open_engine


def new_order(engine: EngineHarness, amount: str = "1") -> NewOrder:
    terms = replace(engine.build_terms(amount, slippage_bps=500), max_price_impact_bps=9_000)
    return NewOrder(engine.services.new_id(), "local", terms, b"")


def count_commits(history: OrderHistory) -> int:
    return len({event.txid for event in history.events})


async def store_together(engine: EngineHarness, *orders: NewOrder) -> None:
    async with asyncio.TaskGroup() as group:
        for order in orders:
            group.create_task(engine.services.intake.accept(order))


async def test_claim_route_and_transaction_share_one_commit(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        order = new_order(engine)
        await engine.services.intake.accept(order)
        await engine.services.jobs.send_order(order)
        history = await engine.wait_ended(order.id)
        assert history.statuses == HAPPY_PATH
        assert count_commits(history) == 3
        assert [event.seq for event in history.events] == [1, 2, 3, 4, 5]


async def test_the_jobs_of_an_order_in_several_workers_execute_it_once(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, workers=2) as engine:
        orders = [new_order(engine) for _ in range(40)]
        await store_together(engine, *orders)
        for _ in range(5):
            async with asyncio.TaskGroup() as group:
                for order in orders:
                    group.create_task(engine.services.jobs.send_order(order))
        histories = await engine.wait_all_ended([order.id for order in orders])
        assert {tuple(history.statuses) for history in histories} == {tuple(HAPPY_PATH)}
        assert set(await engine.read_swaps()) == {history.record.tx_hash for history in histories}


async def test_a_job_with_other_terms_than_its_order_executes_the_order_by_its_own(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        order = new_order(engine, "1")
        others = [
            replace(order, terms=new_order(engine, "400").terms),
            replace(order, terms=replace(order.terms, slippage_bps=9_000)),
            replace(order, terms=replace(order.terms, min_amount_out=1)),
            replace(order, terms=replace(order.terms, max_price_impact_bps=None)),
            replace(order, time_in_force=TimeInForce.IOC),
        ]
        for wrong in others:
            right = replace(order, id=engine.services.new_id())
            await engine.services.intake.accept(right)
            await engine.services.jobs.send_order(replace(wrong, id=right.id))
            history = await engine.wait_ended(right.id)
            assert history.statuses == HAPPY_PATH
            assert count_commits(history) == 4, "it was claimed by a commit of its own"
            [filled] = history.event_data("confirmed")
            assert float(filled["amountOut"]) < 1_000, "1 SOL was swapped, and not 400"


async def test_an_order_that_is_cancelled_meanwhile_is_never_sent(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    random = Random(1)
    async with open_engine(database_url, redis_url, data_dir, workers=2) as engine:
        orders = [new_order(engine) for _ in range(100)]

        async def place_and_cancel(order: NewOrder) -> bool:
            await engine.services.intake.accept(order)
            await engine.services.jobs.send_order(order)
            for _ in range(random.randrange(30)):
                await asyncio.sleep(0)
            cancelling = engine.services.withdrawals.cancellations.cancel
            return await cancelling("local", order.id, CancelReason.REQUESTED)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(place_and_cancel(order)) for order in orders]
        histories = await engine.wait_all_ended([order.id for order in orders])
        swaps = set(await engine.read_swaps())
        for task, history in zip(tasks, histories, strict=True):
            is_cancelled = history.record.status is Status.CANCELLED
            assert is_cancelled == task.result()
            assert (history.record.tx_hash in swaps) != is_cancelled
            assert Status.SUBMITTED not in history.statuses or not is_cancelled


async def test_with_a_preflight_the_pools_are_read_before_the_claim_has_committed(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mints = sorted((Pubkey.from_string(token.mint) for token in (SOL, USDC)), key=bytes)
    pools = {str(venue.derive_pool_address(*mints)) for venue in MAINNET_VENUES.default}
    pools_read, read_before = asyncio.Event(), list[bool]()

    async def look_for_pools(calls: Sequence[Json]) -> None:
        for call in calls:
            if call["method"] == "getMultipleAccounts" and pools & set(call["params"][0]):
                pools_read.set()

    claim = LeaseStore.claim

    async def wait_and_claim(leases: LeaseStore, order_id: UUID) -> LeasedOrder | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                await pools_read.wait()
        read_before.append(pools_read.is_set())
        return await claim(leases, order_id)

    monkeypatch.setattr(LeaseStore, "claim", wait_and_claim)
    async with open_live_engine(database_url, redis_url, data_dir, quote_age_s=0.1) as proxied:
        proxied.proxy.on_calls = look_for_pools
        order = new_order(proxied.engine)
        with loop_load.fix_share(0):
            await proxied.engine.services.intake.accept(order)
            await proxied.engine.services.jobs.send_order(order)
            history = await proxied.engine.wait_ended(order.id)
    assert history.statuses == HAPPY_PATH
    assert read_before == [True]

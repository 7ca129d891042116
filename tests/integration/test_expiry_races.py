"""Orders that expire, or have one attempt, with real workers and a real node."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from backend.domain.errors import InvalidInput
from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder, TimeInForce
from backend.engine.api_services import now
from tests.scenario import HAPPY_PATH, EngineHarness, OrderHistory, open_engine

ORDERS = 200


async def place(
    engine: EngineHarness,
    *,
    after_s: float | None = None,
    time_in_force: TimeInForce = TimeInForce.GTC,
    min_out: str | None = None,
) -> UUID:
    """Place an order that expires after some seconds."""
    order = NewOrder(
        engine.services.new_id(),
        "local",
        engine.build_terms("1", slippage_bps=500, min_out=min_out),
        b"",
        time_in_force=time_in_force if after_s is None else TimeInForce.GTD,
        expires_at=None if after_s is None else now() + timedelta(seconds=after_s),
    )
    accepted = await engine.services.intake.accept(order)
    await engine.services.jobs.send_order(order)
    return accepted.id


async def place_immediate(
    engine: EngineHarness, time_in_force: TimeInForce, min_out: str | None = None
) -> OrderHistory:
    order_id = await place(engine, time_in_force=time_in_force, min_out=min_out)
    return await engine.wait_ended(order_id)


async def place_unless_late(engine: EngineHarness, *, after_s: float) -> UUID | None:
    """Place an order; ``None`` if its expiry had passed when a busy machine stored it."""
    try:
        return await place(engine, after_s=after_s)
    except InvalidInput as error:
        if (error.field, error.reason) != ("expiresAt", "has passed already"):
            raise
        return None


@pytest.mark.parametrize("workers", [1, 2])
async def test_each_order_expires_and_never_lands_or_is_executed(
    database_url: str, redis_url: str, data_dir: Path, workers: int
) -> None:
    async with open_engine(database_url, redis_url, data_dir, workers=workers) as engine:
        async with asyncio.TaskGroup() as group:
            placing = [
                group.create_task(place_unless_late(engine, after_s=0.1 + 0.9 * number / ORDERS))
                for number in range(ORDERS)
            ]
        placed = [task.result() for task in placing]
        histories = await engine.wait_all_ended([each for each in placed if each is not None])
        swaps = await engine.read_swaps()
        for history in histories:
            record = history.record
            if record.status is Status.EXPIRED:
                assert record.tx_hash is None
                assert history.event_data("expired")[0]["code"] == "expired"
            else:
                assert history.statuses == HAPPY_PATH
                assert record.tx_hash in swaps
                submitted = next(e for e in history.events if e.status is Status.SUBMITTED)
                assert record.expires_at is not None
                assert submitted.at < record.expires_at + timedelta(seconds=1)
        confirmed = [each for each in histories if each.record.status is Status.CONFIRMED]
        assert len(swaps) == len(confirmed)


async def test_an_order_that_waits_for_the_node_expires_and_never_lands(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="http", status=503)
        order_id = await place(engine, after_s=1)
        await engine.wait_status(order_id, Status.ROUTING)
        history = await engine.wait_ended(order_id)
        assert history.statuses == ["pending", "routing", "expired"]
        await engine.remove_faults()
        [other] = await engine.place_orders(engine.build_terms("1"))
        assert (await engine.wait_ended(other)).statuses == HAPPY_PATH
        assert len(await engine.read_swaps()) == 1


async def test_what_was_submitted_before_its_expiry_may_land_after_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        delayed = await engine.inject_fault(fault="drop")
        order_id = await place(engine, after_s=1)
        await engine.wait_status(order_id, Status.SUBMITTED)
        record = await engine.services.orders.get("local", order_id)
        assert record is not None
        assert record.expires_at is not None
        while now() < record.expires_at + timedelta(seconds=1.5):
            await asyncio.sleep(0.05)
        current = await engine.services.orders.get("local", order_id)
        assert current is not None
        assert current.status is Status.SUBMITTED
        assert current.last_valid_height is not None
        await engine.remove_faults(delayed)  # it is sent again, with the same bytes
        assert (await engine.wait_ended(order_id)).statuses == HAPPY_PATH


async def test_what_was_submitted_and_never_lands_expires_then(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="drop")
        order_id = await place(engine, after_s=1)
        await engine.wait_status(order_id, Status.SUBMITTED)
        record = await engine.services.orders.get("local", order_id)
        assert record is not None
        assert record.expires_at is not None
        while now() < record.expires_at:
            await asyncio.sleep(0.05)
        await engine.control_node("advance", {"blocks": 200})
        history = await engine.wait_ended(order_id)
        assert history.statuses[-2:] == ["routing", "expired"]
        assert await engine.read_swaps() == {}


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_an_immediate_order_is_filled_or_expires_with_the_best_offer(
    database_url: str, redis_url: str, data_dir: Path, time_in_force: TimeInForce
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        filled = await place_immediate(engine, time_in_force)
        assert filled.statuses == HAPPY_PATH
        unfilled = await place_immediate(engine, time_in_force, min_out="1000000")
        assert unfilled.statuses == ["pending", "routing", "expired"]
        [data] = unfilled.event_data("expired")
        assert (data["code"], data["cause"]) == ("unfilled", "min_out_not_met")
        assert "the best offer" in data["reason"]
        assert f"timeInForce is {time_in_force}" in data["reason"]
        assert unfilled.record.last_error is not None


async def test_an_immediate_order_does_not_wait_for_the_node(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="http", status=503)
        history = await place_immediate(engine, TimeInForce.IOC)
        assert history.statuses == ["pending", "routing", "expired"]
        assert history.event_data("expired")[0]["code"] == "unfilled"


async def test_an_immediate_order_whose_transaction_never_lands_has_no_second_one(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="drop")
        order_id = await place(engine, time_in_force=TimeInForce.IOC)
        await engine.wait_status(order_id, Status.SUBMITTED)
        await engine.control_node("advance", {"blocks": 200})
        history = await engine.wait_ended(order_id)
        assert history.statuses == ["pending", "routing", "building", "submitted", "expired"]
        [data] = history.event_data("expired")
        assert (data["code"], data["cause"]) == ("unfilled", "not_landed")
        assert data["txHash"] == history.record.tx_hash
        assert history.record.attempts == 1
        assert await engine.read_swaps() == {}

"""Cancellations that race execution by real workers: nothing cancelled ever lands on the node."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from backend.domain.lifecycle import Status
from backend.store.withdrawals.cancellations import CancelReason
from tests.scenario import HAPPY_PATH, EngineHarness, open_engine

ORDERS = 200


async def cancel(engine: EngineHarness, order_id: UUID) -> bool:
    return await engine.services.withdrawals.cancellations.cancel(
        "local", order_id, CancelReason.REQUESTED
    )


@pytest.mark.parametrize("workers", [1, 2])
async def test_each_order_is_cancelled_and_never_lands_or_ends_as_its_events_say(
    database_url: str, redis_url: str, data_dir: Path, workers: int
) -> None:
    async with open_engine(database_url, redis_url, data_dir, workers=workers) as engine:
        terms = [engine.build_terms("1", slippage_bps=500) for _ in range(ORDERS)]
        ids = await engine.place_orders(*terms)

        async def cancel_at(order_id: UUID, status: Status) -> bool:
            # As soon as a worker has come so far with it: it goes on meanwhile.
            await engine.wait_status(order_id, status)
            return await cancel(engine, order_id)

        statuses = (Status.PENDING, Status.ROUTING, Status.SUBMITTED)
        async with asyncio.TaskGroup() as group:
            cancelling = {
                order_id: group.create_task(cancel_at(order_id, statuses[number % 3]))
                for number, order_id in enumerate(ids)
            }
        histories = dict(zip(ids, await engine.wait_all_ended(ids), strict=True))
        swaps = set(await engine.read_swaps())
        cancelled = {order_id for order_id, task in cancelling.items() if task.result()}
        for order_id, history in histories.items():
            if order_id in cancelled:
                assert history.statuses[-1] == "cancelled"
                assert history.record.tx_hash is None
            else:
                assert history.statuses == HAPPY_PATH
                assert history.record.tx_hash in swaps
        assert len(swaps) == ORDERS - len(cancelled)

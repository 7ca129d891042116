"""Groups and brackets in a running engine, of whose orders all are met at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from backend.domain.conditions import Limit, PriceCondition, Stop, TakeProfit, Then
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.groups.children import derive_child_ids
from backend.domain.orders import NewOrder
from backend.domain.prices import PriceOf, PriceRatio
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.test_watcher import build_terms, open_watching, price
from tests.scenario import EngineHarness

PAIRS = 12
ENTRIES = 6
# What was bought with SOL is USDC, which both legs are to sell at any price.
BRACKET = Bracket(
    BracketLeg(TakeProfit(PriceRatio(1, 1), 1, Then.MARKET), PriceOf.TOKEN_IN, 500),
    BracketLeg(Stop(PriceRatio(1000, 1), 1), PriceOf.TOKEN_IN, 500),
)


async def place_pair(engine: EngineHarness) -> tuple[UUID, UUID]:
    """A limit and a stop of one group, which the same market meets."""
    group = engine.services.new_id()
    ids = [engine.services.new_id() for _ in range(2)]
    conditions: tuple[PriceCondition, ...] = (Limit(price(90)), Stop(price(110), 1))
    async with asyncio.TaskGroup() as tasks:
        for order_id, condition in zip(ids, conditions, strict=True):
            terms = replace(build_terms(engine, condition), slippage_bps=500)
            order = NewOrder(order_id, "local", terms, b"", oco_group=group)
            tasks.create_task(engine.services.intake.accept(order))
    return ids[0], ids[1]


async def place_entry(engine: EngineHarness) -> UUID:
    terms = engine.build_terms("1", slippage_bps=500)
    order = NewOrder(engine.services.new_id(), "local", terms, b"", bracket=BRACKET)
    await engine.services.intake.accept(order)
    await engine.services.jobs.send("local", [order.id])
    return order.id


async def test_of_each_group_one_is_executed_whoever_watches_and_executes_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """Two workers, and transactions that are reverted: limits wait again, and stops are tried."""
    async with open_watching(database_url, redis_url, data_dir, workers=2) as (engine, _):
        await engine.inject_fault(fault="fail", count=PAIRS // 2)
        pairs = [await place_pair(engine) for _ in range(PAIRS)]
        entries = [await place_entry(engine) for _ in range(ENTRIES)]
        for entry in await engine.wait_all_ended(entries):
            child_ids = derive_child_ids(entry.record.id, BRACKET)
            children = await engine.wait_all_ended(child_ids)
            assert {each.record.amount_in for each in children} == {entry.record.amount_out}
            assert {each.record.parent_id for each in children} == {entry.record.id}
            pairs.append((child_ids[0], child_ids[1]))
        for pair in pairs:
            one, other = sorted(await engine.wait_all_ended(pair), key=lambda e: e.record.status)
            assert (one.statuses[-1], other.statuses[-1]) == ("cancelled", "confirmed")
            assert one.record.cancel_reason == CancelReason.SIBLING_FILLED
        assert len(await engine.read_swaps()) == PAIRS + 2 * ENTRIES

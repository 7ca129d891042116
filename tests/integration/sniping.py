"""An engine whose worker watches sniper orders, and what tests of these share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from backend.config import Profile
from backend.domain.conditions import Launch
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.waiting.guards import Guards
from backend.simulator.options import SimulatorOptions
from backend.store.journal import LEASE_MAX
from backend.store.waiting.trigger_shards import SHARDS, TriggerShards
from backend.store.waiting.waiting_orders import MetTrigger, WaitingOrders
from tests.scenario import EngineHarness, Json, OrderHistory, open_engine

TIMEOUT_S = 60
RELEASED = ["pending", "waiting", "routing", "building", "submitted", "confirmed"]
SAFE = Guards(
    min_liquidity=10**11,
    mint_authority_revoked=True,
    freeze_authority_none=True,
    max_transfer_fee_bps=0,
    max_fee_bps=100,
    lp_locked_min_bps=9_000,
    max_pool_age_s=3_600,
)


@asynccontextmanager
async def open_sniping(
    database_url: str,
    redis_url: str,
    data_dir: Path,
    *,
    has_socket: bool = False,
    **options: object,
) -> AsyncIterator[EngineHarness]:
    """An engine whose worker watches all shards."""
    async with open_engine(
        database_url,
        redis_url,
        data_dir,
        settings={"trigger_interval_s": 0.05, "backoff_s": 0.05},
        has_socket=has_socket,
        options=SimulatorOptions(
            **{"profile": Profile.INSTANT, "has_moving_prices": False, "slot_s": 0.05, **options}  # type: ignore[arg-type]
        ),
    ) as engine:
        await wait_watched(engine)
        yield engine


async def wait_watched(engine: EngineHarness) -> None:
    """Wait until the worker watches all shards."""
    shards = TriggerShards(engine.services.orders._pool, duration=timedelta(seconds=30))
    async with asyncio.timeout(TIMEOUT_S):
        while sorted((await shards.count_held()).values()) != [SHARDS]:
            await asyncio.sleep(0.02)


async def build_terms(
    engine: EngineHarness, mint: str, guards: Guards = SAFE, amount: str = "1"
) -> OrderTerms:
    assert await engine.services.mints.learn([mint]) == {}
    return replace(
        engine.build_terms(amount),
        type=OrderType.SNIPER,
        token_out=engine.services.tokens.find(mint, "token_out"),
        condition=Launch(guards),
        max_price_impact_bps=500,
    )


async def snipe(engine: EngineHarness, mint: str, guards: Guards = SAFE) -> UUID:
    [order_id] = await engine.store_orders(await build_terms(engine, mint, guards))
    return order_id


async def launch_mint(engine: EngineHarness, **traits: object) -> str:
    mint: str = (await engine.control_node("mint", dict(traits)))["mint"]
    return mint


async def launch(engine: EngineHarness, **traits: object) -> Json:
    return await engine.control_node("launch", {"venue": "raydium", **traits})


async def read_order(engine: EngineHarness, order_id: UUID) -> Json:
    record = await engine.services.orders.get("local", order_id)
    assert record is not None
    return record._asdict()


async def wait_for_reason(engine: EngineHarness, order_id: UUID, reason: str) -> None:
    """Wait until an order waits and says why."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            order = await read_order(engine, order_id)
            assert order["status"] is Status.WAITING
            if reason in (order["last_error"] or ""):
                return
            await asyncio.sleep(0.02)


async def wait_bought(engine: EngineHarness, order_id: UUID, pool: str) -> OrderHistory:
    """Wait until an order has ended: it was bought once, from the pool that released it."""
    history = await engine.wait_ended(order_id)
    assert history.statuses == RELEASED
    assert history.event_data("routing")[0]["pool"] == pool
    [swap] = (await engine.read_swaps()).values()
    assert (swap["pool"], swap["amount_out"]) == (pool, str(history.record.amount_out))
    assert swap["mint_out"] == history.record.token_out
    return history


async def release(engine: EngineHarness, order_id: UUID) -> None:
    """Release an order as a watcher does that has seen something else."""
    waiting = WaitingOrders(
        engine.services.orders._pool,
        tokens=engine.services.tokens,
        rekick_after=timedelta(0),
        ahead_max=LEASE_MAX,
        on_commit=lambda commit: None,
    )
    [record] = await waiting.load([order_id])
    trigger = MetTrigger(record.id, record.seq, record.owner, "{}")
    assert await waiting.release([trigger]) == {order_id}
    await engine.services.jobs.send(record.owner, [order_id])

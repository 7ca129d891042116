"""Orders that wait in a running engine: what becomes of them once they are released."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import aiohttp

from backend.config import Profile, Settings
from backend.domain.lifecycle import Status
from backend.domain.tokens import TokenRegistry
from backend.simulator.options import SimulatorOptions
from backend.store.database import open_pool
from backend.store.journal import LEASE_MAX
from backend.store.waiting.waiting_orders import MetTrigger, WaitingOrders
from tests.integration.apis import ORDER, Json, RunningApi, run_api, wait_until
from tests.scenario import Workers, run_node

EXECUTE = "/api/orders/execute"
LIMIT: Json = {**ORDER, "type": "limit", "limitPrice": "1"}
OUT_OF_REACH: Json = {**LIMIT, "limitPrice": "1000000"}
STOP: Json = {**ORDER, "type": "stop", "triggerPrice": "1000000", "confirmations": 1}
STEADY = SimulatorOptions(profile=Profile.INSTANT, has_moving_prices=False)
COOL_DOWN_S = 0.05


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine, its node, and the store of what waits."""

    api: RunningApi
    node: aiohttp.ClientSession
    waiting: WaitingOrders

    async def place(self, body: Json) -> UUID:
        return UUID((await self.api.post(EXECUTE, body))["orderId"])

    async def release(self, order_id: UUID) -> None:
        """Release an order, unless a watcher has done it already."""
        for record in await self.waiting.load([order_id]):
            await self.waiting.release([MetTrigger(record.id, record.seq, record.owner, "{}")])

    async def read_events(self, order_id: UUID) -> list[Json]:
        return list((await self.api.get(f"/api/orders/{order_id}/events"))["events"])

    async def wait_for_end(self, order_id: UUID) -> list[Json]:
        async with self.api.open_order_socket(order_id) as socket:
            return [message.json() async for message in socket]

    async def wait_for_events(self, order_id: UUID, status: Status, count: int) -> list[Json]:
        """The events of an order once so many are of a status."""
        events: list[Json] = []

        async def has_come() -> bool:
            events[:] = await self.read_events(order_id)
            return [event["status"] for event in events].count(status) >= count

        await wait_until(has_come)
        return events

    async def arm_fault(self, **fault: object) -> None:
        async with self.node.post("/control/faults", json=fault) as response:
            assert response.status == 200, await response.text()


@asynccontextmanager
async def run_engine(
    database_url: str, redis_url: str, data_dir: Path, **overrides: object
) -> AsyncIterator[Engine]:
    async with (
        run_node(data_dir, STEADY) as node_url,
        aiohttp.ClientSession(node_url) as node,
        open_pool(database_url, connections_max=1) as pool,
    ):
        settings = Settings.load(
            **{
                "database_url": database_url,
                "redis_url": redis_url,
                "solana_rpc_url": node_url,
                "profile": Profile.INSTANT,
                "quote_age_s": 0,
                "backoff_s": 0.01,
                "limit_cool_down_s": COOL_DOWN_S,
                "sweep_s": 0.05,
                "shutdown_s": 0,
                "port": 0,
                **overrides,
            }
        )
        waiting = WaitingOrders(
            pool,
            tokens=TokenRegistry(),
            rekick_after=timedelta(0),
            ahead_max=LEASE_MAX,
            on_commit=lambda commit: None,
        )
        async with Workers(settings) as workers:
            await workers.start()
            async with run_api(settings) as api:
                yield Engine(api, node, waiting)


def list_statuses(events: list[Json]) -> list[str]:
    return [event["status"] for event in events]


async def test_a_released_limit_is_filled_at_its_price_or_better(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(LIMIT)
        await engine.release(order_id)
        events = await engine.wait_for_end(order_id)
        assert list_statuses(events)[:3] == ["pending", "waiting", "routing"]
        assert events[-1]["status"] == "confirmed"
        order = await engine.api.get(f"/api/orders/{order_id}")
        assert Decimal(order["amountOut"]) >= Decimal(order["minAmountOut"]) == Decimal("1.5")
        assert order["isTriggered"] is False


async def test_a_limit_whose_price_is_gone_waits_for_it_again(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place(OUT_OF_REACH)
        for tries in range(1, 5):  # more than an order has attempts
            await engine.release(order_id)
            events = await engine.wait_for_events(order_id, Status.WAITING, tries + 1)
            assert (events[-1]["code"], events[-1]["waitMs"]) == ("min_out_not_met", 50)
            assert events[-1]["attempt"] == 1

            async def has_cooled_down() -> bool:
                [record] = await engine.waiting.load([order_id])
                return record.cool_down_s == 0

            await wait_until(has_cooled_down)
        order = await engine.api.get(f"/api/orders/{order_id}")
        assert (order["status"], order["attempts"]) == ("waiting", 1)
        assert "below the minimum" in order["lastError"]
        async with engine.api.session.delete(f"/api/orders/{order_id}") as response:
            assert (response.status, (await response.json())["status"]) == (200, "cancelled")


async def test_a_reverted_limit_waits_again_and_has_paid_its_fee(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        await engine.arm_fault(fault="moved_price", bps=-300, count=1)
        order_id = await engine.place({**LIMIT, "limitPrice": 1, "slippageBps": 0})
        await engine.release(order_id)
        events = await engine.wait_for_events(order_id, Status.WAITING, 2)
        again = [event for event in events if event["status"] == "waiting"][1]
        assert again["networkFeeLamports"] > 0
        [submitted] = [e for e in events if e["status"] == "submitted"][:1]
        assert again["txHash"] == submitted["txHash"]
        assert (submitted["attempt"], again["attempt"]) == (1, 2)

        async def is_confirmed() -> bool:
            await engine.release(order_id)
            return list_statuses(await engine.read_events(order_id))[-1] == "confirmed"

        await wait_until(is_confirmed)


async def test_a_released_stop_is_tried_until_it_has_sold(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir, attempts_max=2) as engine:
        await engine.arm_fault(fault="moved_price", bps=-900, count=4)
        order_id = await engine.place(STOP)
        await engine.release(order_id)
        events = await engine.wait_for_end(order_id)
        assert events[-1]["status"] == "confirmed"
        assert events[-1]["attempt"] == 5
        assert list_statuses(events).count("waiting") == 1
        assert (await engine.api.get(f"/api/orders/{order_id}"))["isTriggered"] is True


async def test_what_is_rejected_for_good_ends_whatever_it_waited_for(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        for body in (LIMIT, STOP):
            await engine.arm_fault(fault="fail", reason="funds", count=1)
            order_id = await engine.place(body)
            await engine.release(order_id)
            events = await engine.wait_for_end(order_id)
            assert events[-1]["status"] == "failed"


async def test_a_limit_that_is_tried_once_does_not_wait(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_engine(database_url, redis_url, data_dir) as engine:
        order_id = await engine.place({**OUT_OF_REACH, "timeInForce": "ioc"})
        events = await engine.wait_for_end(order_id)
        assert list_statuses(events) == ["pending", "routing", "expired"]
        assert (events[-1]["code"], events[-1]["cause"]) == ("unfilled", "min_out_not_met")

"""Limits on routes, through a worker: what exceeds one is not signed, and ends with what it was."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from backend.domain.limits.order_limits import LimitName
from backend.domain.limits.refusals import CODES
from backend.store.database import open_pool
from tests.integration.apis import ORDER, Json, wait_until
from tests.integration.full_engine import FullEngine, run_full_engine
from tests.integration.limit_rows import SALE, store_limits
from tests.integration.stored_keys import send
from tests.integration.test_api_documents import assert_valid
from tests.scenario import HAPPY_PATH

LIMITS: Final = "/api/admin/limits"
ROUTE_CASES: Final[dict[str, str | int]] = {
    "maxOrderValue": "100",
    "maxDailyVolume": "100",
    "maxPriceImpactBps": 0,
    "maxReferenceDistanceBps": 5,
}


async def read_failure(engine: FullEngine, order_id: str) -> Json:
    events = await engine.read_events(order_id)
    assert_valid("FailedEvent", events[-1])
    assert "submitted" not in [each["status"] for each in events]
    return events[-1]


@pytest.mark.parametrize("name", ROUTE_CASES)
async def test_what_exceeds_a_limit_on_its_route_is_never_signed(
    database_url: str, redis_url: str, data_dir: Path, name: str
) -> None:
    await store_limits(database_url, {name: ROUTE_CASES[name]})
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        failed = await read_failure(engine, str(await engine.api.place_order()))
        exceeded = failed["exceeded"]
        assert failed["code"] == CODES[LimitName(name)]
        assert (exceeded["limitName"], exceeded["limit"]) == (name, str(ROUTE_CASES[name]))
        assert Decimal(exceeded["value"]) > Decimal(exceeded["limit"]) >= Decimal(exceeded["left"])
        assert exceeded["value"] in failed["reason"]
        if name == "maxReferenceDistanceBps":
            assert exceeded["pools"] == 2
            assert exceeded["ageMsMax"] > 0
        # An order that has one attempt for a price expires by what the market may change.
        order_id = str(await engine.api.place_order(timeInForce="ioc"))
        ended = (await engine.read_events(order_id))[-1]
        is_of_market = name.endswith("Bps")
        assert ended["status"] == ("expired" if is_of_market else "failed")
        # Without the limit the same order is filled.
        assert (await send(engine.api, LIMITS, method="DELETE"))[0] == 200
        await wait_filled(engine)


async def wait_filled(engine: FullEngine) -> None:
    """Wait until the worker fills an order: it knows of a change within a second."""

    async def is_filled() -> bool:
        events = await engine.read_events(str(await engine.api.place_order()))
        return [each["status"] for each in events] == HAPPY_PATH

    await wait_until(is_filled)


async def test_the_volume_of_a_day_is_never_exceeded_and_counts_what_has_landed(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    await store_limits(database_url, {"maxDailyVolume": "1000"})
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        ids = [await engine.api.place_order() for _ in range(12)]  # some 149.7 each
        ended = [(await engine.read_events(str(each)))[-1] for each in ids]
        filled = [each for each in ended if each["status"] == "confirmed"]
        assert len(filled) == 6
        codes = {each["code"] for each in ended if each["status"] == "failed"}
        assert codes == {"volume_exceeds_max_per_day"}
        shown = await engine.api.get("/api/limits")
        used = Decimal(shown["used"]["maxDailyVolume"])
        assert 890 < used <= 1000
        assert used + Decimal(shown["left"]["maxDailyVolume"]) == 1000
        # What is placed in the reference token is refused before it is stored.
        problem = await engine.api.post("/api/orders/execute", {**SALE, "amount": "200"}, 422)
        assert Decimal(problem["left"]) == 1000 - used
    assert await sum_counted(database_url) == used * 10**6


async def sum_counted(database_url: str) -> Decimal:
    """What the rows of orders were counted as."""
    async with open_pool(database_url, connections_max=1) as pool:
        [row] = await pool.read("SELECT sum(counted_value) AS value FROM orders")
    return Decimal(row["value"])


async def test_what_never_lands_is_taken_back_from_the_volume(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    await store_limits(database_url, {"maxDailyVolume": "200"})
    worker = {"attempts_max": 2}
    async with run_full_engine(database_url, redis_url, data_dir, worker) as engine:
        await engine.arm_fault(fault="fail", reason="slippage", count=1)
        events = await engine.read_events(str(await engine.api.place_order()))
        statuses = [each["status"] for each in events]
        assert statuses.count("submitted") == 2, statuses  # of 150 each: together too much
        assert statuses[-1] == "confirmed"
        used = Decimal((await engine.api.get("/api/limits"))["used"]["maxDailyVolume"])
    assert used < 151
    assert await sum_counted(database_url) == used * 10**6


async def test_a_limit_order_waits_again_for_a_day_that_has_room(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    await store_limits(database_url, {"maxDailyVolume": "10"})
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        order = {**ORDER, "type": "limit", "limitPrice": "90"}
        placed = await engine.api.post("/api/orders/execute", order)
        path = f"/api/orders/{placed['orderId']}"

        async def has_waited() -> bool:
            shown = await engine.api.get(path)
            return shown["status"] == "waiting" and "volume_exceeds" in str(shown["lastError"])

        await wait_until(has_waited)
        stop = {**ORDER, "type": "stop", "triggerPrice": "150"}
        stopped = await engine.api.post("/api/orders/execute", stop)
        assert (await read_failure(engine, stopped["orderId"]))["code"] == (
            "volume_exceeds_max_per_day"
        )
        assert (await send(engine.api, LIMITS, method="DELETE"))[0] == 200
        async with asyncio.timeout(60):
            assert (await engine.read_events(placed["orderId"]))[-1]["status"] == "confirmed"

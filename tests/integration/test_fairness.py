"""Owners share the workers, whatever each has waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from backend.engine.worker import UNSENT_ORDERS_MAX
from backend.queue.broker import STREAM
from backend.store.counts import BACKLOG_MIN
from tests.integration.apis import ORDER, open_api
from tests.integration.test_api_limits import ANNA, BERT, EXECUTE, KEYS
from tests.scenario import EngineHarness, open_engine

BACKLOG = 1_400
"""More than a worker keeps of one owner's jobs: the rest is claimed from the rows."""
ONLY_JOBS = {"rekick_s": 300, "sweep_s": 60}
"""Settings with which the sweep finds nothing within a test."""
_CONFIRMED = """
SELECT e.order_id, o.owner FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.status = 'confirmed' ORDER BY e.at
"""


async def wait_open_count(engine: EngineHarness, count: int) -> None:
    async with asyncio.timeout(60):
        await engine.services.open_orders.poll()
        while engine.services.open_orders.total != count:
            await asyncio.sleep(0.02)
            await engine.services.open_orders.poll()


async def read_confirmed(engine: EngineHarness) -> list[tuple[UUID, str]]:
    """The confirmed orders and their owners, in the order of their ends."""
    rows = await engine.services.orders._pool.read(_CONFIRMED)
    return [(row["order_id"], row["owner"]) for row in rows]


async def test_an_order_does_not_wait_for_the_backlog_of_another_owner(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(
        database_url, redis_url, data_dir, workers=0, settings=ONLY_JOBS
    ) as engine:
        terms = engine.build_terms("0.001")
        await engine.place_orders(*[terms] * BACKLOG, owner="many")
        few = await engine.place_orders(*[terms] * 3, owner="few")
        await engine.workers.start()
        # Without a sweep: what the worker has no place for it claims as soon as there is room.
        await wait_open_count(engine, 0)
        confirmed = await read_confirmed(engine)
        assert len(confirmed) == BACKLOG + len(few)
        last_of_few = max(place for place, (_, owner) in enumerate(confirmed) if owner == "few")
        # Only those that were under way before them come first.
        assert last_of_few < UNSENT_ORDERS_MAX + 100
        assert len(await engine.read_swaps()) == len(confirmed)


async def test_orders_of_an_owner_with_a_backlog_get_no_jobs_and_are_executed_all_the_same(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(
        database_url, redis_url, data_dir, workers=0, settings=ONLY_JOBS
    ) as engine:
        terms = engine.build_terms("0.001")
        await engine.store_orders(*[terms] * BACKLOG_MIN, owner="many")
        await engine.services.open_orders.poll()
        for _ in range(20):
            await engine.place_orders(*[terms] * 5, owner="many")
        async with asyncio.timeout(60):
            while not (entries := await engine.services.redis.xlen(STREAM)):
                await asyncio.sleep(0.01)
        assert entries < 10, "they are announced together"
        await engine.workers.start()
        await wait_open_count(engine, 0)
        assert len(await read_confirmed(engine)) == BACKLOG_MIN + 100


async def test_an_owner_has_a_limit_of_open_orders_that_is_not_that_of_the_others(
    database_url: str, redis_url: str
) -> None:
    async with open_api(
        database_url,
        redis_url,
        api_keys=KEYS,
        owner_open_orders_max=3,
        open_orders_max=5,
    ) as api:
        batch = "/api/orders/batch"
        await api.post(batch, {"orders": [dict(ORDER)] * 4}, 429, headers=ANNA)
        await api.post(batch, {"orders": [dict(ORDER)] * 3}, headers=ANNA)
        refusal = await api.post(EXECUTE, dict(ORDER), 429, headers=ANNA)
        assert refusal["code"] == "too_many_open_orders"
        assert "3 of your orders are open" in refusal["detail"]
        assert "limit of 3 for one owner (ORDER_ENGINE_OWNER_OPEN" in refusal["detail"]
        for _ in range(2):
            await api.post(EXECUTE, dict(ORDER), headers=BERT)
        refusal = await api.post(EXECUTE, dict(ORDER), 503, headers=BERT)
        assert refusal["code"] == "overloaded"
        assert "limit of 5 (ORDER_ENGINE_OPEN_ORDERS_MAX)" in refusal["detail"]

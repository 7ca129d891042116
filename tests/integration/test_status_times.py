"""The metric of the time in each status counts what passed before the worker that measures it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from prometheus_client import REGISTRY

from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder
from backend.domain.times import read_creation_ms
from backend.store.database import open_pool
from tests.scenario import open_engine

HOUR_MS = 3_600_000
SHIFT = "UPDATE orders SET updated_at = updated_at - interval '1 hour' WHERE id = ANY($1)"


def read_total(status: Status, kind: str) -> float:
    """The ``sum`` of the seconds, or the ``count``, of the times in a status."""
    labels = {"status": status.value}
    return REGISTRY.get_sample_value(f"order_state_seconds_{kind}", labels) or 0


async def test_an_order_on_the_queue_is_pending_until_a_worker_claims_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        open_engine(database_url, redis_url, data_dir, workers=0) as engine,
        open_pool(database_url, connections_max=1) as pool,
    ):
        order_id = UUID(int=engine.services.new_id().int - (HOUR_MS << 80))
        alone = NewOrder(order_id, "local", engine.build_terms("1"), b"")
        await engine.services.intake.accept(alone)
        others = await engine.store_orders(*[engine.build_terms("1")] * 2)
        await pool.read(SHIFT, others)
        seconds, count = (read_total(Status.PENDING, each) for each in ("sum", "count"))

        await engine.services.jobs.send_order(alone)  # claimed by the commit that submits it
        await engine.services.jobs.send("local", others[1:])  # claimed by its row
        await engine.workers.start()
        await engine.wait_all_ended([alone.id, *others[1:]])
        # The commit that claims it by other terms than its own is refused; then by its row.
        mistold = NewOrder(others[0], "local", engine.build_terms("2"), b"")
        await engine.services.jobs.send_order(mistold)
        await engine.wait_ended(mistold.id)
        assert read_total(Status.PENDING, "count") == count + 3
        assert 3 <= (read_total(Status.PENDING, "sum") - seconds) / 3_600 < 4


async def test_a_status_that_another_worker_began_counts_from_there(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        open_engine(database_url, redis_url, data_dir) as engine,
        open_pool(database_url, connections_max=1) as pool,
    ):
        drop = await engine.inject_fault(fault="drop")
        [order_id] = await engine.place_orders(engine.build_terms("1"))
        await engine.wait_status(order_id, Status.SUBMITTED)
        await engine.workers.stop()
        await pool.read(SHIFT, [order_id])
        seconds, count = (read_total(Status.SUBMITTED, each) for each in ("sum", "count"))

        await engine.workers.start()
        await engine.remove_faults(drop)
        await engine.wait_ended(order_id)
        assert read_total(Status.SUBMITTED, "count") == count + 1
        assert 1 <= (read_total(Status.SUBMITTED, "sum") - seconds) / 3_600 < 2


def test_an_id_that_is_derived_tells_no_time() -> None:
    made_ms = 1_796_000_000_000
    timed = UUID(int=made_ms << 80 | 0x7 << 76 | 0x2 << 62)
    derived = UUID(int=timed.int ^ 0xF << 76)
    assert (read_creation_ms(timed), read_creation_ms(derived)) == (made_ms, None)

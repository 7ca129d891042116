"""Cancel timers on a real database: what is due is cancelled once, whoever is lost meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import orjson
import pytest

from backend.domain.lifecycle import Cause, Status, advance
from backend.store.transitions import Transition
from backend.store.withdrawals import cancel_timers
from backend.store.withdrawals.cancel_timers import CancelTimer, CancelTimers
from backend.store.withdrawals.cancellations import Cancellations, CancelReason
from tests.integration.stores import EXPIRED_LEASES, Store, new_order, open_store
from tests.integration.test_cancellations import build_signed

OFF = CancelTimer()


async def accept(store: Store, owner: str = "local") -> UUID:
    return (await store.intake.accept(new_order(owner=owner))).id


async def let_trigger(store: Store, owner: str = "local") -> None:
    """Let the time of a timer have come, by the database's clock."""
    await store.pool.execute("UPDATE cancel_timers SET trigger_at = now() WHERE owner = $1", owner)


async def read_statuses(store: Store, *ids: UUID) -> list[str]:
    rows = await store.pool.fetch("SELECT id, status::text FROM orders")
    statuses = {row["id"]: row["status"] for row in rows}
    return [statuses[each] for each in ids]


async def test_the_open_orders_of_an_owner_are_cancelled_once_at_the_time(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        first, second = await accept(store), await accept(store)
        of_another = await accept(store, "another")
        timer = await store.timers.set("local", 60)
        assert timer == await store.timers.get("local")
        assert (timer.seconds, timer.last_trigger_at, timer.is_cancelling) == (60, None, False)
        assert await store.timers.cancel_due() == 0
        await let_trigger(store)
        due = await store.timers.get("local")
        assert (due.trigger_at, due.is_cancelling) == (None, True)
        later = await accept(store)
        assert await store.timers.cancel_due() == 2
        done = await store.timers.get("local")
        assert (done.trigger_at, done.is_cancelling) == (None, False)
        assert done.last_trigger_at == due.last_trigger_at
        assert await read_statuses(store, first, second, of_another, later) == [
            *("cancelled", "cancelled", "pending", "pending")
        ]
        last = (await store.feed.read_order_events(first, 0))[-1]
        assert orjson.loads(last.data)["code"] == CancelReason.TIMER_TRIGGERED
        assert await store.timers.cancel_due() == 0


async def test_the_time_is_that_of_the_database(database_url: str) -> None:
    async with open_store(database_url) as store:
        before = await store.pool.read("SELECT now() AS at")
        timer = await store.timers.set("local", 60)
        after = await store.pool.read("SELECT now() AS at")
        assert timer.trigger_at is not None
        minute = timedelta(seconds=60)
        assert before[0]["at"] + minute <= timer.trigger_at <= after[0]["at"] + minute


async def test_a_timer_that_is_set_again_or_turned_off_cancels_nothing(database_url: str) -> None:
    async with open_store(database_url) as store:
        assert await store.timers.get("local") == OFF
        assert await store.timers.set("local", 0) == OFF
        order_id = await accept(store)
        first = await store.timers.set("local", 1)
        second = await store.timers.set("local", 3_600)
        assert first.trigger_at is not None
        assert second.trigger_at is not None
        assert second.trigger_at > first.trigger_at
        assert await store.timers.cancel_due() == 0
        assert await store.timers.set("local", 0) == OFF
        assert await store.timers.set("local", 0) == OFF
        assert await store.timers.cancel_due() == 0
        assert await read_statuses(store, order_id) == ["pending"]


@pytest.mark.parametrize("seconds", [0, 60])
async def test_what_has_triggered_is_carried_out_whatever_is_set_then(
    database_url: str, seconds: int
) -> None:
    async with open_store(database_url) as store:
        order_id = await accept(store)
        await store.timers.set("local", 10)
        await let_trigger(store)
        timer = await store.timers.set("local", seconds)
        assert timer.is_cancelling
        assert (timer.trigger_at is None) == (seconds == 0)
        later = await accept(store)
        assert await store.timers.cancel_due() == 1
        assert await read_statuses(store, order_id, later) == ["cancelled", "pending"]
        assert not (await store.timers.get("local")).is_cancelling


async def test_another_process_goes_on_where_one_was_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancel_timers, "PAGE_ORDERS", 10)

    class LostProcess(Cancellations):
        pages = 0

        async def cancel_many(self, *args: object, **fields: object) -> set[UUID]:
            if self.pages:
                raise ConnectionResetError("it was killed")
            self.pages += 1
            return await super().cancel_many(*args, **fields)  # type: ignore[arg-type]

    async with open_store(database_url) as store, open_store(database_url) as other:
        async with asyncio.TaskGroup() as group:
            accepting = [group.create_task(accept(store)) for _ in range(35)]
        ids = [task.result() for task in accepting]
        await store.timers.set("local", 10)
        await let_trigger(store)
        lost = CancelTimers(store.pool, LostProcess(store.pool, on_commit=lambda txid: None))
        with pytest.raises(ConnectionResetError):
            await lost.cancel_due()
        assert (await read_statuses(store, *ids)).count("cancelled") == 10
        assert (await other.timers.get("local")).is_cancelling
        assert await other.timers.cancel_due() == 25
        assert set(await read_statuses(store, *ids)) == {"cancelled"}


async def test_processes_that_do_it_at_once_cancel_each_order_once(database_url: str) -> None:
    async with open_store(database_url) as store, open_store(database_url) as other:
        async with asyncio.TaskGroup() as group:
            accepting = [group.create_task(accept(store)) for _ in range(200)]
        await store.timers.set("local", 10)
        await let_trigger(store)
        async with asyncio.TaskGroup() as group:
            rounds = [group.create_task(each.timers.cancel_due()) for each in (store, other) * 3]
        assert sum(each.result() for each in rounds) == 200
        for task in accepting:
            events = await store.feed.read_order_events(task.result(), 0)
            assert [event.status for event in events] == [Status.PENDING, Status.CANCELLED]
        assert not (await store.timers.get("local")).is_cancelling


async def test_an_order_that_is_submitted_then_is_cancelled_before_another_attempt(
    database_url: str,
) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await store.leases.claim(await accept(store))
        assert order is not None
        await store.journal.record(build_signed(order))
        await store.timers.set("local", 10)
        await let_trigger(store)
        assert await store.timers.cancel_due() == 0
        assert (await store.timers.get("local")).is_cancelling
        again = await store.leases.claim(order.id)
        assert again is not None
        step = advance(again.status, 1, Cause.SIGNATURE_EXPIRED)
        await store.journal.record(Transition(again, step, "{}", last_error="x: y", wait_ms=0))
        assert await store.timers.cancel_due() == 1
        assert await read_statuses(store, order.id) == ["cancelled"]
        assert not (await store.timers.get("local")).is_cancelling

"""Limits where transactions are stored: fed with what no route should tell, nothing passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import pytest

from backend.domain.errors import EngineError
from backend.domain.lifecycle import Cause
from backend.domain.limits.measures import ReferencePrice, RouteMeasure
from backend.domain.limits.refusals import LimitExceeded
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.execution.event_data import encode_json
from backend.execution.step_recorder import StepRecorder
from backend.store.journal import Journal
from backend.store.limits.known_limits import KnownLimits
from tests.integration.limit_rows import store_limits
from tests.integration.stores import LONG_LEASES, Store, new_order, open_store

USDC_100: Final = 100_000_000
NAN: Final = Decimal("NaN")
HUGE: Final = Decimal(10) ** 60
UNKNOWN: Final = "_unknown"


def build_measure(
    value: Any = USDC_100, impact: Any = Decimal(1), distance: Any = Decimal(1)
) -> RouteMeasure:
    reference = None if distance is None else ReferencePrice(distance, 3, 100)
    return RouteMeasure(value, impact, reference)


@asynccontextmanager
async def run_journal(store: Store) -> AsyncIterator[Journal]:
    """A journal that knows of no limits yet: so it has everything checked."""
    journal = Journal(
        store.pool, policy=LONG_LEASES, on_commit=lambda _: None, limits=KnownLimits()
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(journal.run())
        try:
            yield journal
        finally:
            running.cancel()


async def claim(store: Store) -> LeasedOrder:
    order = new_order()
    await store.intake.accept(order)
    leased = await store.leases.claim(order.id)
    assert leased is not None
    return leased


async def submit(journal: Journal, order: LeasedOrder, measure: RouteMeasure) -> StepRecorder:
    steps = StepRecorder(journal, order, attempts_max=3)
    steps.defer(Cause.ROUTED, {}, dex=Dex.RAYDIUM, route=encode_json({"dex": "raydium"}))
    signed = SignedTransaction(f"of {order.id}", b"bytes", 100)
    await steps.record(Cause.SIGNED, {"txHash": "x"}, signed=signed, measure=measure)
    return steps


Fields = dict[str, list[Any]]
VALUES: Final[dict[str, tuple[str | int, Fields, Fields, Fields]]] = {
    "maxOrderValue": (
        "100",
        {"value": [(USDC_100 + 1, "notional"), (10**40, "notional")]},
        {"value": [None, NAN, -1, 0]},
        {"value": [1, USDC_100]},
    ),
    "maxDailyVolume": (
        "100",
        {"value": [(USDC_100 + 1, "volume"), (10**40, "volume")]},
        {"value": [None, NAN, -1, 0]},
        {"value": [1]},
    ),
    "maxPriceImpactBps": (
        5,
        {"impact": [(Decimal("5.0001"), "price_impact"), (HUGE, "price_impact")]},
        {"impact": [None, NAN, Decimal(-1)]},
        {"impact": [Decimal(0), Decimal(5)]},
    ),
    "maxReferenceDistanceBps": (
        5,
        {"distance": [(Decimal("5.01"), "reference"), (HUGE, "reference")]},
        {"distance": [None, NAN]},
        {"distance": [Decimal(-3), Decimal(5)]},
    ),
}
"""By limit: its value, what exceeds it with the code, what is not known, and what passes."""


@pytest.mark.parametrize("name", VALUES)
async def test_a_transaction_is_stored_only_where_it_is_known_to_keep_a_limit(
    database_url: str, name: str
) -> None:
    limit, exceeding, unknown, passing = VALUES[name]
    await store_limits(database_url, {name: limit})
    async with open_store(database_url) as store, run_journal(store) as journal:
        for field, values in exceeding.items():
            for value, code in values:
                with pytest.raises(LimitExceeded, match=code) as refused:
                    await submit(journal, await claim(store), build_measure(**{field: value}))
                assert refused.value.members["limit"] == str(limit)
                assert refused.value.members["value"]
                assert refused.value.members["left"] == str(limit)
        for field, values in unknown.items():
            for value in values:
                with pytest.raises(EngineError) as refused_too:
                    await submit(journal, await claim(store), build_measure(**{field: value}))
                assert refused_too.value.code.endswith(UNKNOWN), value
                assert not isinstance(refused_too.value, LimitExceeded)
        for field, values in passing.items():
            for value in values:
                await submit(journal, await claim(store), build_measure(**{field: value}))
    assert await count_submitted(database_url) == sum(map(len, passing.values()))


async def count_submitted(database_url: str) -> int:
    async with open_store(database_url) as store:
        rows = await store.pool.read("SELECT FROM orders WHERE status = 'submitted'")
        return len(rows)


@pytest.mark.parametrize("value", ['"NaN"', "-5", '"12"', "[]", '"Infinity"', "{}", "true"])
async def test_a_limit_that_is_no_number_lets_nothing_pass(database_url: str, value: str) -> None:
    async with open_store(database_url) as store, run_journal(store) as journal:
        order = await claim(store)
        for name in VALUES:
            await store.pool.read(
                "INSERT INTO order_limits (owner, limits, set_by)"
                " VALUES ('', jsonb_build_object($1::text, $2::jsonb, 'reference', 'USDC'), 'me')"
                " ON CONFLICT (owner) DO UPDATE SET limits = excluded.limits",
                name,
                value,
            )
            with pytest.raises(EngineError):
                await submit(journal, order, build_measure(value=1, impact=0, distance=0))


async def test_transactions_that_are_stored_at_once_exceed_no_volume_together(
    database_url: str,
) -> None:
    await store_limits(database_url, {"maxDailyVolume": "1000"})
    async with (
        open_store(database_url) as store,
        run_journal(store) as one,
        run_journal(store) as other,
    ):
        orders = [await claim(store) for _ in range(30)]

        async def store_signed(journal: Journal, order: LeasedOrder) -> bool:
            try:
                await submit(journal, order, build_measure(value=70_000_000))
            except LimitExceeded:
                return False
            return True

        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(store_signed((one, other)[index % 2], order))
                for index, order in enumerate(orders)
            ]
        assert sum(each.result() for each in running) == 14


async def test_what_a_process_had_not_stored_when_it_was_killed_is_not_counted(
    database_url: str,
) -> None:
    await store_limits(database_url, {"maxDailyVolume": "100"})
    async with open_store(database_url) as store:
        order = await claim(store)
        async with store.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            rows = await connection.fetch(
                "SELECT * FROM admit_submissions("
                "$1::uuid[], $2::int[], $3::numeric[], $4::numeric[], $5::numeric[],"
                " 'USDC', 6, '{}', '{}')",
                [order.id],
                [order.epoch],
                [Decimal(USDC_100)],
                [Decimal(0)],
                [None],
            )
            assert [row["name"] for row in rows] == [None]
            connection.terminate()
        async with run_journal(store) as journal:
            await submit(journal, order, build_measure())

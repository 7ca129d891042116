"""The simulation's database model against a real PostgreSQL.

The same random operations run on both, by lease holders and by workers whose lease was lost; both
must return the same results and have the same content. Time passes by shifting the times in rows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import asyncpg
import pytest

from backend.domain.lifecycle import Cause, Status, advance
from backend.store.transitions import Transition, to_columns
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.drawn_transitions import SIGNED_TRANSACTION
from tests.integration.store_pair import (
    LEASE_POLICY,
    SHIFT_TIME,
    STEP_S,
    StorePair,
    record_together,
)
from tests.integration.stores import open_store
from tests.simulation.model.transition_write import parse_writes


@pytest.mark.parametrize("seed", range(1, 5))
async def test_the_model_behaves_as_postgresql_does(database_url: str, seed: int) -> None:
    random = Random(f"both {seed}")
    async with open_store(database_url, LEASE_POLICY) as store:
        pair = StorePair(store, random)
        for _ in range(8):
            await pair.accept()
        await pair.claim()
        operations = [
            pair.claim,
            pair.claim,
            pair.claim_signed,
            pair.record,
            pair.record,
            pair.record,
            pair.record,
        ]
        operations += [
            pair.renew,
            pair.release,
            pair.sweep,
            pair.cancel,
            pair.expire,
            pair.release_waiting,
            pair.claim_waiting,
            pair.shift_time,
            pair.accept,
            pair.accept_pair,
        ]
        for n in range(450):
            await random.choice(operations)()
            if n % 10 == 0:
                await pair.assert_equal()
        await pair.assert_equal()
        statuses = {event.status for row in pair.model.rows.values() for event in row.events}
        assert len(statuses) >= 6
        assert any(row.parent_id for row in pair.model.rows.values())
        reasons = {row.cancel_reason for row in pair.model.rows.values()}
        assert CancelReason.SIBLING_FILLED in reasons
        assert any(row.epoch > 1 for row in pair.model.rows.values())


async def test_the_model_has_the_constraints_of_the_table(database_url: str) -> None:
    async with open_store(database_url, LEASE_POLICY) as store:
        pair = StorePair(store, Random(1))
        await pair.accept()
        await pair.claim()
        [order] = pair.known_orders
        for status, signed in (
            (Status.SUBMITTED, None),
            (Status.WAITING, None),
            (Status.BUILDING, SIGNED_TRANSACTION),
            (Status.CONFIRMED, None),
            (Status.FAILED, None),
        ):
            step = replace(advance(order.status, 1, Cause.ROUTED), status=status)
            wrong = Transition(order, step, "{}", signed=signed)
            with pytest.raises(asyncpg.CheckViolationError):
                await store.journal.record(wrong)
            with pytest.raises(asyncpg.CheckViolationError):
                pair.model.record(pair.now, parse_writes(to_columns([wrong])), 1, 1)
        await pair.assert_equal()


async def test_of_two_claims_of_one_order_only_the_lease_holder_can_record(
    database_url: str,
) -> None:
    async with open_store(database_url, LEASE_POLICY) as store:
        pair = StorePair(store, Random(1))
        await pair.accept()
        await pair.claim()
        await store.pool.execute(SHIFT_TIME, timedelta(seconds=2 * STEP_S))
        [stale] = pair.known_orders
        holder = await store.leases.claim(stale.id)
        assert holder is not None
        step = advance(holder.status, 1, Cause.ROUTED)
        transitions = [Transition(order, step, "{}") for order in (stale, holder)]
        assert await record_together(store, transitions) == [False, True]

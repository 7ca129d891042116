"""The simulation's model of the tables, side by side with a real PostgreSQL.

Whatever is done to both, by holders of leases and by those who have lost theirs, both answer the
same and contain the same. Time is moved by moving the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from backend.domain.lifecycle import TABLE, Happening, Status, advance
from backend.domain.orders import Held, Signed
from backend.domain.quotes import Dex
from backend.store import journal
from backend.store.journal import LeaseTerms, LostLease, Passed, Transition
from tests.integration.stores import TERMS, Store, new_order, open_store
from tests.simulation.database import Database, Key
from tests.simulation.postgres import writes_of

LEASE_S, REKICK_S, WAIT_S, STEP_S = 150, 250, 50, 100
"""Sums of these are never near each other, so that it does not matter how long a test takes."""
LEASE = LeaseTerms(timedelta(seconds=LEASE_S), timedelta(seconds=REKICK_S))
SIGNED = Signed("signature", b"bytes", 7)

_AGE = """
UPDATE orders SET lease_until = lease_until - $1::interval, kick_at = kick_at - $1::interval,
                  next_attempt_at = next_attempt_at - $1::interval
"""
_ROWS = """
SELECT id, status, seq, attempts, epoch, dex, tx_hash, signed_tx, last_valid_height, amount_out,
       executed_price, last_error, open,
       extract(epoch FROM lease_until - now()) AS lease_s,
       extract(epoch FROM next_attempt_at - now()) AS wait_s,
       extract(epoch FROM kick_at - now()) AS kick_s
FROM orders
"""
_EVENTS = (
    "SELECT order_id, seq, status, attempt, data #>> '{}' AS data FROM order_events ORDER BY seq"
)


class Both:
    """The two stores, and what workers believe of the orders in them."""

    def __init__(self, store: Store, random: Random) -> None:
        self.store = store
        self.model = Database()
        self.random = random
        self.beliefs: list[Held] = []
        self.shifted_s = 0.0

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.shifted_s

    def some(self, among: Sequence[Any], most: int) -> list[Any]:
        return self.random.sample(among, min(len(among), self.random.randint(1, most)))

    async def accept(self) -> None:
        accepted = await self.store.intake.accept(new_order())
        self.model.accept(self.now, accepted.id, TERMS, REKICK_S)

    async def time_passes(self) -> None:
        seconds = self.random.choice((1, 1, 2)) * STEP_S
        await self.store.pool.execute(_AGE, timedelta(seconds=seconds))
        self.shifted_s += seconds

    async def claim(self) -> None:
        ids = self.some(list(self.model.rows), 5)
        async with asyncio.TaskGroup() as group:
            claims = [group.create_task(self.store.leases.claim(each)) for each in ids]
        held = {row.id: row.held() for row, _ in self.model.claim(self.now, ids, LEASE_S)}
        assert [claim.result() for claim in claims] == [held.get(each) for each in ids]
        self.beliefs += held.values()

    async def renew(self) -> None:
        held = self.some(self.beliefs, 5)
        modelled = self.model.renew(self.now, _keys(held), LEASE_S)
        assert await self.store.leases.renew(held) == set(modelled)

    async def release(self) -> None:
        held = self.some(self.beliefs, 2)
        self.model.release(self.now, _keys(held))
        await self.store.leases.release(held)

    async def sweep(self) -> None:
        patience_s = self.random.choice((0, REKICK_S))
        found = await self.store.leases.overdue(1_000, patience_s)
        assert set(found) == set(self.model.sweep(self.now, 1_000, REKICK_S, patience_s))

    async def record(self) -> None:
        """Some write what they believe to be the next step, all in one statement."""
        # A holder writes one step after the other, so there is one for each epoch of an order.
        among = self.beliefs if self.random.random() < 0.3 else self.beliefs[-4:]
        chosen = {(held.id, held.epoch): held for held in self.some(among, 6)}
        transitions = [self.transition(held) for held in chosen.values()]
        answers = await _recorded(self.store, transitions)
        writes = writes_of(journal._columns(transitions))
        moved = self.model.record(self.now, writes, LEASE_S, REKICK_S)
        moved_keys = [(each, self.model.rows[each].epoch) for each in moved]
        for transition, is_stored in zip(transitions, answers, strict=True):
            order = transition.order
            assert is_stored == ((order.id, order.epoch) in moved_keys)
            if is_stored and not transition.step.status.is_end:
                self.beliefs.append(_after(transition))

    def transition(self, held: Held) -> Transition:
        via = None
        at = held.status
        if at is Status.ROUTING and self.random.random() < 0.5:
            via = Passed(advance(at, held.attempt, Happening.ROUTED), '"on the way"')
            at = via.step.status
        happenings = [what for status, what in TABLE if status is at]
        what = self.random.choice([each for each in happenings if each is not Happening.CLAIMED])
        step = advance(at, held.attempt, what)
        is_end = step.status is Status.CONFIRMED
        return Transition(
            held,
            step,
            f'"{what.value}"',
            via,
            dex=Dex.METEORA if via or what is Happening.ROUTED else None,
            route="{}" if via or what is Happening.ROUTED else None,
            signed=SIGNED if what is Happening.SIGNED else None,
            amount_out=5 if is_end else None,
            executed_price="2.5" if is_end else None,
            last_error="why" if step.is_retry or step.status is Status.FAILED else None,
            wait_ms=WAIT_S * 1000 if step.is_retry else None,
        )

    async def compare(self) -> None:
        rows = {row["id"]: row for row in await self.store.pool.fetch(_ROWS)}
        assert set(rows) == set(self.model.rows)
        for row in self.model.rows.values():
            stored = rows[row.id]
            names = "status seq attempts epoch dex tx_hash signed_tx last_valid_height"
            for name in [*names.split(), "amount_out", "last_error", "open"]:
                assert stored[name] == getattr(row, name), name
            assert _text(stored["executed_price"]) == row.executed_price
            self.is_about(stored["lease_s"], row.lease_until)
            self.is_about(stored["wait_s"], row.next_attempt_at)
            self.is_about(stored["kick_s"], row.kick_at)
        written: dict[UUID, list[tuple[object, ...]]] = {}
        for event in await self.store.pool.fetch(_EVENTS):
            facts = (event["seq"], event["status"], event["attempt"])
            written.setdefault(event["order_id"], []).append(facts)
        for row in self.model.rows.values():
            assert written[row.id] == [(e.seq, e.status, e.attempt) for e in row.events]

    def is_about(self, stored_s: float | None, modelled: float | None) -> None:
        """Whether a time of a row is the same in both, as seconds from now."""
        assert (stored_s is None) == (modelled is None)
        if stored_s is not None and modelled is not None:
            assert abs(float(stored_s) - (modelled - self.now)) < WAIT_S / 2


@pytest.mark.parametrize("seed", range(4))
async def test_the_model_does_what_postgresql_does(database_url: str, seed: int) -> None:
    random = Random(f"both {seed}")
    async with open_store(database_url, LEASE) as store:
        both = Both(store, random)
        for _ in range(8):
            await both.accept()
        await both.claim()
        does = [both.claim, both.claim, both.record, both.record, both.record, both.record]
        does += [both.renew, both.release, both.sweep, both.time_passes, both.accept, both.accept]
        for n in range(300):
            await random.choice(does)()
            if n % 10 == 0:
                await both.compare()
        await both.compare()
        seen = {event.status for row in both.model.rows.values() for event in row.events}
        assert len(seen) >= 5
        assert any(row.epoch > 1 for row in both.model.rows.values())


async def test_the_model_has_the_constraints_of_the_table(database_url: str) -> None:
    async with open_store(database_url, LEASE) as store:
        both = Both(store, Random(1))
        await both.accept()
        await both.claim()
        [held] = both.beliefs
        for status, signed in (
            (Status.SUBMITTED, None),
            (Status.BUILDING, SIGNED),
            (Status.CONFIRMED, None),
            (Status.FAILED, None),
        ):
            step = replace(advance(held.status, 1, Happening.ROUTED), status=status)
            wrong = Transition(held, step, "{}", signed=signed)
            with pytest.raises(asyncpg.CheckViolationError):
                await store.journal.record(wrong)
            with pytest.raises(asyncpg.CheckViolationError):
                both.model.record(both.now, writes_of(journal._columns([wrong])), 1, 1)
        await both.compare()


async def test_of_two_drives_of_one_order_only_the_holder_hears_that_it_was_stored(
    database_url: str,
) -> None:
    async with open_store(database_url, LEASE) as store:
        both = Both(store, Random(1))
        await both.accept()
        await both.claim()
        await store.pool.execute(_AGE, timedelta(seconds=2 * STEP_S))
        [stale] = both.beliefs
        holder = await store.leases.claim(stale.id)
        assert holder is not None
        step = advance(holder.status, 1, Happening.ROUTED)
        transitions = [Transition(held, step, "{}") for held in (stale, holder)]
        assert await _recorded(store, transitions) == [False, True]


async def _recorded(store: Store, transitions: Sequence[Transition]) -> list[bool]:
    """Record these together; whether each was stored."""

    async def record(transition: Transition) -> bool:
        try:
            await store.journal.record(transition)
        except LostLease:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(record(each)) for each in transitions]
    return [task.result() for task in tasks]


def _after(transition: Transition) -> Held:
    order, step = transition.order, transition.step
    return replace(
        order,
        status=step.status,
        seq=order.seq + (1 if transition.via is None else 2),
        attempt=step.attempt,
        dex=transition.dex or order.dex,
        signed=transition.signed,
    )


def _keys(held: Sequence[Held]) -> list[Key]:
    return [Key(each.id, each.epoch) for each in held]


def _text(price: object) -> str | None:
    return None if price is None else str(price)

"""A store on a real PostgreSQL and the simulation's model of it, which do the same things."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from backend.domain.lifecycle import Status
from backend.domain.orders import LeasedOrder, SignedTransaction, TimeInForce
from backend.domain.terms_text import parse_terms_text
from backend.domain.tokens import TokenRegistry
from backend.engine.api_services import now
from backend.store.groups.confirmations import changes_others
from backend.store.journal import LeasePolicy
from backend.store.leases.outage_waits import OutageWaited
from backend.store.transitions import LeaseLost, Transition, to_columns
from backend.store.waiting.waiting_orders import MetTrigger
from backend.store.withdrawals.cancellations import CancelReason
from backend.store.withdrawals.expired_submissions import OrderExpired
from backend.store.withdrawals.expiries import ROWS_MAX
from tests.integration.drawn_transitions import WAIT, WAIT_S, build_claim, draw_transition
from tests.integration.stores import BRACKET, LIMIT_TERMS, ORDER_TERMS, Store, new_order
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.rows import LeaseKey
from tests.simulation.model.transition_write import parse_writes

LEASE_S, REKICK_S, STEP_S = 150, 250, 100
"""No two sums of these are close, so that the duration of a test does not matter."""
EXPIRY_S = 230
CLOCK_STEP_S = 3_600
"""By how much the clock is set back now and then."""
LEASE_POLICY = LeasePolicy(
    timedelta(seconds=LEASE_S), timedelta(seconds=REKICK_S), wait_max=timedelta(seconds=75)
)
AHEAD_S = LEASE_POLICY.ahead_max.total_seconds()
TOKENS = TokenRegistry()
SIGNED_TRANSACTION = SignedTransaction("signature", b"bytes", 7)

SHIFT_TIME = """
UPDATE orders SET lease_until = lease_until - $1::interval, kick_at = kick_at - $1::interval,
                  next_attempt_at = next_attempt_at - $1::interval,
                  waiting_since = waiting_since - $1::interval,
                  expires_at = expires_at - $1::interval
"""
_READ_ROWS = """
SELECT id, status, seq, attempts, epoch, dex, tx_hash, signed_tx, last_valid_height, amount_out,
       executed_price, last_error, open, oco_group, parent_id, cancel_reason,
       extract(epoch FROM lease_until - now()) AS lease_s,
       extract(epoch FROM next_attempt_at - now()) AS wait_s,
       extract(epoch FROM waiting_since - now()) AS waiting_s, amount_pending,
       extract(epoch FROM kick_at - now()) AS kick_s
FROM orders
"""
_READ_EVENTS = (
    "SELECT order_id, seq, status, attempt, data #>> '{}' AS data FROM order_events ORDER BY seq"
)


class StorePair:
    """The store and its model, and the orders as workers last saw them."""

    def __init__(self, store: Store, random: Random) -> None:
        self.store = store
        self.model = DatabaseModel()
        self.random = random
        self.known_orders: list[LeasedOrder] = []
        self.shifted_s = 0.0

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() + self.shifted_s

    def sample(self, items: Sequence[Any], count_max: int) -> list[Any]:
        return self.random.sample(items, min(len(items), self.random.randint(1, count_max)))

    async def accept(self) -> None:
        terms = self.random.choice((ORDER_TERMS, ORDER_TERMS, LIMIT_TERMS))
        bracket = self.random.choice((None, BRACKET))
        order, expires_at = new_order(terms=terms, bracket=bracket), None
        if self.random.random() < 0.3:
            after = timedelta(seconds=EXPIRY_S)
            expires_at = self.now + EXPIRY_S
            tif = self.random.choice((TimeInForce.GTD, TimeInForce.FOK))
            order = replace(order, time_in_force=tif, expires_at=now() + after)
        accepted = await self.store.intake.accept(order)
        self.model.accept(
            self.now,
            accepted.id,
            terms,
            REKICK_S,
            time_in_force=order.time_in_force,
            expires_at=expires_at,
            bracket=bracket,
        )

    async def accept_pair(self) -> None:
        """Two orders of a group, of which the second may have a bracket."""
        group = uuid7()
        for bracket in (None, self.random.choice((None, BRACKET))):
            order = new_order(terms=LIMIT_TERMS, oco_group=group, bracket=bracket)
            await self.store.intake.accept(order)
            self.model.accept(
                *(self.now, order.id, LIMIT_TERMS, REKICK_S), oco_group=group, bracket=bracket
            )

    async def shift_time(self) -> None:
        seconds = self.random.choice((1, 1, 1, 2, 2, -CLOCK_STEP_S / STEP_S)) * STEP_S
        await self.store.pool.execute(SHIFT_TIME, timedelta(seconds=seconds))
        self.shifted_s += seconds

    async def claim(self) -> None:
        ids = self.sample(list(self.model.rows), 5)
        async with asyncio.TaskGroup() as group:
            claims = [group.create_task(self.store.leases.claim(each)) for each in ids]
        now = self.now
        claimed = {
            row.id: row.to_leased_order(now)
            for row, _ in self.model.claim(now, ids, LEASE_S, AHEAD_S)
        }
        for each, claim in zip(ids, claims, strict=True):
            assert _without_wait(claim.result()) == _without_wait(claimed.get(each))
            if each in claimed and (order := claim.result()) is not None:
                assert abs(order.waited_s - claimed[each].waited_s) < WAIT_S / 2
        self.known_orders += claimed.values()

    async def claim_signed(self) -> None:
        """Claim orders by commits that submit them, some with the terms of other orders."""
        texts = [text for row in self.model.rows.values() if (text := row.terms_text)]
        chosen = self.sample(list(self.model.rows), 3)
        orders = [
            (order, text)
            for each in chosen
            for text in self.sample(texts, 1)
            if (order := parse_terms_text(each, text, TOKENS)) is not None
        ]
        transitions = [build_claim(order, text) for order, text in orders]
        transitions += transitions[:1]  # two jobs of one order
        results = await record_together(self.store, transitions)
        writes = parse_writes(to_columns(transitions))
        moved = self.model.record(self.now, writes, LEASE_S, REKICK_S)
        for transition, is_stored in zip(transitions, results, strict=True):
            assert is_stored == (transition.order.id in moved)
            if is_stored:
                self.known_orders.append(_apply_transition(transition))

    async def renew(self) -> None:
        orders = self.sample(self.known_orders, 5)
        waits = self.draw_waits(orders)
        expected = self.model.renew(self.now, _to_lease_keys(orders), LEASE_S, waits)
        assert await self.store.leases.renew(orders, waits) == set(expected)

    def draw_waits(self, orders: Sequence[LeasedOrder]) -> dict[UUID, OutageWaited]:
        return {order.id: WAIT for order in orders if self.random.random() < 0.3}

    async def release(self) -> None:
        orders = self.sample(self.known_orders, 2)
        waits = self.draw_waits(orders)
        self.model.release(self.now, _to_lease_keys(orders), waits)
        await self.store.leases.release(orders, waits)

    async def cancel(self) -> None:
        for order_id in self.sample(list(self.model.rows), 2):
            is_cancelled = self.model.cancel(self.now, order_id)
            cancelling = self.store.cancellations.cancel("local", order_id, CancelReason.REQUESTED)
            assert await cancelling == is_cancelled

    async def release_waiting(self) -> None:
        waiting = [row for row in self.model.rows.values() if row.status is Status.WAITING]
        met = [
            MetTrigger(
                *(row.id, row.seq - self.random.choice((0, 0, 0, 1)), "local", "{}"),
                oco_group=row.oco_group,
            )
            for row in self.sample(waiting, 3)
        ]
        expected = {
            each.id
            for each in met
            if self.model.release_waiting(self.now, each.id, each.seq, REKICK_S, AHEAD_S)
        }
        assert await self.store.waiting.release(met) == expected

    async def expire(self) -> None:
        expired = self.model.expire_due(self.now, ROWS_MAX)
        assert await self.store.expiries.expire_due() == len(expired)

    async def sweep(self) -> None:
        owners = await self.store.leases.find_overdue_owners()
        assert owners == self.model.find_overdue_owners(self.now, AHEAD_S)

    async def claim_waiting(self) -> None:
        await self.sweep()  # from the oldest on
        places = {"local": self.random.randint(1, 3)}
        claimed = await self.store.leases.claim_waiting(places)
        expected = self.model.claim_waiting(
            self.now, places, {"local": UUID(int=0)}, LEASE_S, AHEAD_S
        )
        orders = {row.id: row.to_leased_order(self.now) for row, _ in expected}
        assert {order.id: _without_wait(order) for _, order in claimed} == {
            each: _without_wait(order) for each, order in orders.items()
        }
        self.known_orders += orders.values()

    async def record(self) -> None:
        """Record a next step for some of the known orders, all in one statement."""
        # A worker writes one step after the other, so there is one for each epoch of an order.
        candidates = self.known_orders if self.random.random() < 0.3 else self.known_orders[-4:]
        chosen = {(order.id, order.epoch): order for order in self.sample(candidates, 6)}
        transitions = [draw_transition(self.random, order) for order in chosen.values()]
        results = await record_together(self.store, transitions)
        plain = [each for each in transitions if not changes_others(each)]
        writes = parse_writes(to_columns(plain)) if plain else []
        moved = self.model.record(self.now, writes, LEASE_S, REKICK_S)
        for each in transitions:
            if changes_others(each):
                write, seconds = parse_writes(to_columns([each])), (LEASE_S, REKICK_S)
                moved += self.model.record_confirmations(self.now, write, each.children, *seconds)
        moved_keys = [(each, self.model.rows[each].epoch) for each in moved]
        for transition, is_stored in zip(transitions, results, strict=True):
            order = transition.order
            assert is_stored == ((order.id, order.epoch) in moved_keys)
            if is_stored and not transition.step.status.is_final:
                self.known_orders.append(_apply_transition(transition))

    async def assert_equal(self) -> None:
        rows = {row["id"]: row for row in await self.store.pool.fetch(_READ_ROWS)}
        assert set(rows) == set(self.model.rows)
        for row in self.model.rows.values():
            stored = rows[row.id]
            names = "status seq attempts epoch dex tx_hash signed_tx last_valid_height"
            for name in [*names.split(), "amount_out", "last_error", "open"]:
                assert stored[name] == getattr(row, name), name
            assert _format_price(stored["executed_price"]) == row.executed_price
            self.assert_about(stored["lease_s"], row.lease_until)
            self.assert_about(stored["wait_s"], row.next_attempt_at)
            self.assert_about(stored["waiting_s"], row.waiting_since)
            assert stored["amount_pending"] == row.amount_pending
            for name in ("oco_group", "parent_id"):
                assert stored[name] == getattr(row, name), name
            is_by_group = stored["cancel_reason"] == CancelReason.SIBLING_FILLED
            assert is_by_group == (row.cancel_reason == CancelReason.SIBLING_FILLED)
            self.assert_about(stored["kick_s"], row.kick_at)
        written: dict[UUID, list[tuple[object, ...]]] = {}
        for event in await self.store.pool.fetch(_READ_EVENTS):
            fields = (event["seq"], event["status"], event["attempt"])
            written.setdefault(event["order_id"], []).append(fields)
        for row in self.model.rows.values():
            assert written[row.id] == [(e.seq, e.status, e.attempt) for e in row.events]

    def assert_about(self, stored_s: float | None, expected: float | None) -> None:
        """Assert that a time of a row is about the same in both, as seconds from now."""
        assert (stored_s is None) == (expected is None)
        if stored_s is not None and expected is not None:
            assert abs(float(stored_s) - (expected - self.now)) < WAIT_S / 2


async def record_together(store: Store, transitions: Sequence[Transition]) -> list[bool]:
    """Record transitions together, and return whether each was stored."""

    async def record(transition: Transition) -> bool:
        try:
            await store.journal.record(transition)
        except (LeaseLost, OrderExpired):
            return False
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(record(each)) for each in transitions]
    return [task.result() for task in tasks]


def _apply_transition(transition: Transition) -> LeasedOrder:
    order, step = transition.order, transition.step
    return replace(
        order,
        status=step.status,
        seq=order.seq + len(transition.steps_before) + 1,
        attempt=step.attempt,
        dex=transition.dex or order.dex,
        signed=transition.signed,
    )


def _to_lease_keys(orders: Sequence[LeasedOrder]) -> list[LeaseKey]:
    return [LeaseKey(each.id, each.epoch) for each in orders]


def _format_price(price: object) -> str | None:
    return None if price is None else str(price)


def _without_wait(order: LeasedOrder | None) -> LeasedOrder | None:
    return None if order is None else replace(order, waited_s=0)

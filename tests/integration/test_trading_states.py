"""Trading states in the store: what is not stored, claimed or released while one holds it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from backend.domain.lifecycle import Cause, Status
from backend.domain.orders import LeasedOrder, SignedTransaction
from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC, USDT
from backend.domain.trading.states import ALL_ORDERS, Scope, Target, TradingState, name_pair
from backend.execution.event_data import encode_json
from backend.execution.step_recorder import StepRecorder
from backend.store.audit_log.entries import Actor
from backend.store.database import open_pool
from backend.store.trading.changes import StateChange, lift_state, set_state
from backend.store.trading.held_orders import OrderHeld
from backend.store.trading.rules import read_rules
from backend.store.waiting.waiting_orders import MetTrigger
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.proxied_engine import open_live_engine
from tests.integration.stores import (
    EXPIRED_LEASES,
    LIMIT_TERMS,
    ORDER_TERMS,
    Store,
    new_order,
    open_store,
)

OPERATOR = Actor("operator", "127.0.0.1", "r-1")
SIGNED = SignedTransaction("signature", b"bytes", 100)
ROUTE = {"dex": "raydium", "legs": [{"dex": "raydium"}, {"dex": "meteora"}]}
HALTS = [
    ALL_ORDERS,
    Target(Scope.OWNER, "local"),
    Target(Scope.PAIR, name_pair("USDC", "SOL")),
    Target(Scope.DEX, "meteora"),
]
OTHERS = [
    Target(Scope.OWNER, "another"),
    Target(Scope.PAIR, name_pair("SOL", "USDT")),
    Target(Scope.DEX, "orca"),
]


def halt(target: Target, state: TradingState = TradingState.HALTED) -> StateChange:
    reference = USDC.symbol if state is TradingState.REDUCING else None
    return StateChange(target, state, "the reason", reference)


async def claim_new(store: Store, **fields: object) -> LeasedOrder:
    order = new_order(**fields)  # type: ignore[arg-type]
    await store.intake.accept(order)
    leased = await store.leases.claim(order.id)
    assert leased is not None
    return leased


async def submit(store: Store, order: LeasedOrder) -> None:
    steps = StepRecorder(store.journal, order, attempts_max=3)
    steps.defer(Cause.ROUTED, {}, dex=Dex.RAYDIUM, route=encode_json(ROUTE))
    await steps.record(Cause.SIGNED, {"txHash": SIGNED.signature}, signed=SIGNED)


@pytest.mark.parametrize("target", HALTS, ids=str)
async def test_a_signed_transaction_is_not_stored_while_its_order_is_held(
    database_url: str, target: Target
) -> None:
    async with open_store(database_url) as store:
        order = await claim_new(store)
        await set_state(store.pool, halt(target), OPERATOR)
        with pytest.raises(OrderHeld):
            await submit(store, order)
        await store.leases.release_held(order)
        assert await lift_state(store.pool, target, OPERATOR) is not None
        record = await store.orders.get("local", order.id)
        assert record is not None
        assert (record.status, record.attempts) == (Status.ROUTING, 1)


@pytest.mark.parametrize("target", OTHERS, ids=str)
async def test_what_is_halted_elsewhere_holds_no_order(database_url: str, target: Target) -> None:
    async with open_store(database_url) as store:
        await set_state(store.pool, halt(target), OPERATOR)
        await submit(store, await claim_new(store))


async def test_held_orders_are_neither_claimed_nor_overdue_and_are_both_afterwards(
    database_url: str,
) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = new_order()
        await store.intake.accept(order)
        await set_state(store.pool, halt(ALL_ORDERS), OPERATOR)
        assert await store.leases.claim(order.id) is None
        assert await store.leases.claim_waiting({"local": 10}) == []
        assert await store.leases.find_overdue_owners() == []
        await lift_state(store.pool, ALL_ORDERS, OPERATOR)
        assert await store.leases.find_overdue_owners() == ["local"]
        assert await store.leases.claim(order.id) is not None


async def test_a_submitted_order_is_claimed_and_ends_whatever_is_halted(database_url: str) -> None:
    async with open_store(database_url, EXPIRED_LEASES) as store:
        order = await claim_new(store)
        await submit(store, order)
        await set_state(store.pool, halt(ALL_ORDERS), OPERATOR)
        assert await store.leases.find_overdue_owners() == ["local"]
        *_, (_, again) = await store.leases.claim_waiting({"local": 10})
        assert again.status is Status.SUBMITTED
        steps = StepRecorder(store.journal, again, attempts_max=3)
        await steps.record(Cause.LANDED, {}, amount_out=1, executed_price="1")
        assert await store.count_open() == 0


async def test_a_waiting_order_is_not_released_and_can_be_cancelled(database_url: str) -> None:
    async with open_store(database_url) as store:
        order = new_order(terms=LIMIT_TERMS)
        await store.intake.accept(order)
        await set_state(store.pool, halt(ALL_ORDERS), OPERATOR)
        met = MetTrigger(order.id, 2, "local", "{}")
        assert await store.waiting.release([met]) == set()
        await lift_state(store.pool, ALL_ORDERS, OPERATOR)
        assert await store.waiting.release([met]) == {order.id}
        await set_state(store.pool, halt(ALL_ORDERS), OPERATOR)
        assert await store.cancellations.cancel("local", order.id, CancelReason.REQUESTED)


async def test_while_reducing_only_what_is_sold_into_the_reference_is_executed(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        await set_state(store.pool, halt(ALL_ORDERS, TradingState.REDUCING), OPERATOR)
        await submit(store, await claim_new(store))
        buy = new_order(terms=replace(ORDER_TERMS, token_in=USDC, token_out=SOL))
        await store.intake.accept(buy)
        assert await store.leases.claim(buy.id) is None
        [rule] = await read_rules(store.pool)
        assert rule.holds("local", USDC, SOL)
        assert rule.holds("local", SOL, USDT)
        assert not rule.holds("local", SOL, USDC)


async def test_a_halt_waits_for_the_commits_that_have_read_the_states_before(
    database_url: str,
) -> None:
    async with open_store(database_url) as store, store.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await connection.fetchval("SELECT fence_trading_states()") is None
        async with asyncio.TaskGroup() as group:
            setting = group.create_task(set_state(store.pool, halt(ALL_ORDERS), OPERATOR))
            while not await read_rules(store.pool):
                await asyncio.sleep(0)
            assert not setting.done()
            await transaction.commit()
        assert await connection.fetchval("SELECT fence_trading_states()") is not None


async def test_a_transaction_of_a_process_that_was_stopped_in_it_is_ended_by_a_halt(
    database_url: str,
) -> None:
    async with (
        open_pool(database_url, connections_max=1) as paused,
        open_store(database_url) as store,
    ):

        async def commit_after_a_halt() -> None:
            async with paused.acquire() as connection, connection.transaction():
                await connection.execute("SELECT fence_trading_states()")
                await set_state(store.pool, halt(ALL_ORDERS), OPERATOR)

        with pytest.raises(asyncpg.InterfaceError, match="closed"):
            await commit_after_a_halt()
        async with paused.acquire() as connection:
            assert await connection.fetchval("SELECT fence_trading_states()") is not None


async def test_a_halt_that_is_repeated_keeps_its_time_and_is_told_to_the_audit_log(
    database_url: str,
) -> None:
    async with open_store(database_url) as store:
        first = await set_state(store.pool, halt(ALL_ORDERS), OPERATOR)
        again = await set_state(store.pool, replace(halt(ALL_ORDERS), why="two"), OPERATOR)
        assert (again.since, again.why) == (first.since, "two")
        assert await lift_state(store.pool, OTHERS[0], OPERATOR) is None
        rows = await store.pool.read("SELECT * FROM audit_log ORDER BY id")
        assert [row["action"] for row in rows] == ["trading_state_set", "trading_state_set"]
        assert [row["id"] for row in rows] == [1, 2]
        assert rows[1]["previous"] == rows[0]["hash"]
        for statement in ("UPDATE audit_log SET who = ''", "DELETE FROM audit_log"):
            with pytest.raises(asyncpg.RaiseError):
                async with store.pool.acquire() as connection:
                    await connection.execute(statement)


async def test_with_a_preflight_a_held_order_steps_back_and_tells_why(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_live_engine(database_url, redis_url, data_dir) as live:
        engine = live.engine
        trading = engine.services.trading
        slow = await engine.inject_fault(
            fault="slow", methods=["simulateTransaction"], by_seconds=3
        )
        [order] = await engine.place_orders(engine.build_terms())
        await engine.wait_status(order, Status.BUILDING)
        await trading.halt(halt(ALL_ORDERS), OPERATOR, cancels=False)
        await engine.wait_until(order, lambda events: events[-1].status is Status.ROUTING)
        await engine.remove_faults(slow)
        await trading.resume(ALL_ORDERS, OPERATOR)
        history = await engine.wait_ended(order)
        assert history.record.status is Status.CONFIRMED
        assert history.record.attempts == 1
        assert "trading_halted" in [data.get("code") for data in history.event_data("routing")]

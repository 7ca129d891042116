"""The breaker: each of its reasons is fed by orders that are executed, in one worker or in two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from backend.domain.lifecycle import Status
from backend.domain.trading.states import TradingRule, TradingState
from backend.execution.trading.breaker import BreakerPolicy, find_failures, find_loss
from backend.store.database import open_pool
from backend.store.trading.breakers import ChainOutcome, fire, read_armed, read_outcomes
from tests.integration.operator_commands import run_command
from tests.scenario import EngineHarness, open_engine

FIRED = "SELECT data::jsonb->>'why' FROM audit_log WHERE action = 'breaker_fired'"
IS_ARMED = "SELECT is_armed FROM breakers WHERE reason = $1"
WAIT_S = 60
FAST = {"backoff_s": 0.01, "attempts_max": 10}


async def wait_halted(engine: EngineHarness) -> TradingRule:
    rules = engine.services.trading.rules
    async with asyncio.timeout(WAIT_S):
        while not rules.current:
            await asyncio.sleep(0.01)
    [rule] = rules.current
    assert (rule.state, rule.set_by) == (TradingState.HALTED, "the breaker")
    return rule


async def read_column(database_url: str, query: str, *arguments: object) -> list[object]:
    async with open_pool(database_url, connections_max=1) as pool:
        return [row[0] for row in await pool.read(query, *arguments)]


async def wait_armed(database_url: str, reason: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while await read_column(database_url, IS_ARMED, reason) != [True]:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
async def test_failures_on_chain_in_a_row_halt_trading_once(
    database_url: str, redis_url: str, data_dir: Path, workers: int
) -> None:
    settings = {**FAST, "breaker_failures": 6}
    async with open_engine(
        database_url, redis_url, data_dir, workers=workers, settings=settings
    ) as engine:
        await wait_armed(database_url, "failures")
        terms = [engine.build_terms() for _ in range(2 * workers)]
        await engine.wait_all_ended(await engine.place_orders(*terms))
        assert engine.services.trading.rules.current == []
        await engine.inject_fault(fault="fail", reason="slippage")
        ids = await engine.place_orders(*terms)
        rule = await wait_halted(engine)
        assert rule.why == "6 transactions in a row have failed on chain"
        await engine.remove_faults()
        await run_command(database_url, "resume")
        histories = await engine.wait_all_ended(ids)
        assert {each.record.status for each in histories} == {Status.CONFIRMED}
        assert await read_column(database_url, FIRED) == [rule.why]
        assert await read_column(database_url, IS_ARMED, "failures") == [True]


async def test_losses_against_quotes_halt_trading(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings = {**FAST, "breaker_loss_bps": 50, "breaker_loss_orders": 4}
    async with open_engine(
        database_url, redis_url, data_dir, workers=2, settings=settings
    ) as engine:
        await wait_armed(database_url, "loss")
        terms = engine.build_terms(slippage_bps=1_000)
        await engine.inject_fault(fault="moved_price", bps=-200)
        async with asyncio.timeout(WAIT_S):
            while not engine.services.trading.rules.current:
                await engine.place_orders(terms)
                await asyncio.sleep(0.05)
        rule = await wait_halted(engine)
        assert rule.why.startswith("the last 4 orders have received ")
        assert rule.why.endswith("than their quotes on average, more than 50")
        assert await read_column(database_url, FIRED) == [rule.why]


async def test_a_wallet_below_its_floor_halts_trading_once_until_it_was_above(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    settings = {"breaker_floor_sol": "100000000"}
    async with open_engine(
        database_url, redis_url, data_dir, workers=2, settings=settings
    ) as engine:
        rule = await wait_halted(engine)
        assert rule.why.endswith(", less than 100000000")
        await run_command(database_url, "resume")
        [order] = await engine.place_orders(engine.build_terms())
        assert (await engine.wait_ended(order)).record.status is Status.CONFIRMED
        assert await read_column(database_url, IS_ARMED, "floor") == [False]
        wallet = (await engine.control_node("state"))["wallet"]
        fund = {"owner": wallet, "token": "SOL", "amount": 2 * 10**17}
        await engine.control_node("fund", fund)
        await wait_armed(database_url, "floor")
        assert await read_column(database_url, FIRED) == [rule.why]


async def test_a_breaker_that_is_off_halts_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_engine(database_url, redis_url, data_dir, settings=FAST) as engine:
        await engine.inject_fault(fault="fail", reason="slippage", count=9)
        [order] = await engine.place_orders(engine.build_terms())
        assert (await engine.wait_ended(order)).record.attempts == 10
        assert await read_column(database_url, "SELECT reason FROM breakers") == []


async def test_many_that_fire_together_halt_once(database_url: str) -> None:
    async with open_pool(database_url, connections_max=8) as pool:
        reasons = BreakerPolicy(failures=1, floor_lamports=1).list_reasons()
        assert set(await read_armed(pool, reasons)) == set(reasons)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fire(pool, reasons[0], "why")) for _ in range(16)]
        assert [task.result() for task in tasks].count(True) == 1
        assert await fire(pool, reasons[1], "another")
        assert await read_column(database_url, FIRED) == ["why", "another"]
        assert await read_column(database_url, "SELECT why FROM trading_states") == ["why"]
        assert await read_armed(pool, reasons) == {}


_OUTCOMES = """
INSERT INTO order_events (order_id, seq, status, at, attempt, data)
SELECT gen_random_uuid(), 1, 'confirmed', now(), 1, value
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS v(value, n)
"""


async def test_what_is_no_finite_number_is_no_loss(database_url: str) -> None:
    values = ("NaN", "-Infinity", "x", "", None, "0.01", "-0.5", "1e30")
    data = orjson.dumps([{"realizedSlippage": value} for value in values] + [{}]).decode()
    async with open_pool(database_url, connections_max=1) as pool:
        await pool.read(_OUTCOMES, data)
        known = {each.loss_bps for each in await read_outcomes(pool, 0, 100)}
        assert known == {None, Decimal(100), Decimal(-5_000), Decimal("1e34")}


def outcomes(text: str) -> Sequence[ChainOutcome]:
    """Outcomes, the newest first: ``f`` has failed, a number is the loss in basis points."""
    return [
        ChainOutcome(is_filled=each != "f", loss_bps=None if each in "f?" else Decimal(each))
        for each in text.split()
    ]


@pytest.mark.parametrize(
    ("text", "halts"),
    [("f f f", True), ("f f", False), ("f 1 f f", False), ("1 f f f 1", True), ("", False)],
)
def test_only_failures_in_a_row_count(text: str, *, halts: bool) -> None:
    assert (find_failures(outcomes(text), 3) is not None) == halts


@pytest.mark.parametrize(
    ("text", "halts"),
    [
        ("60 60 60", True),
        ("60 60", False),
        ("50 50 50", False),
        ("51 50 50", True),
        ("60 f ? 60 60", True),
        ("-1000 60 60", False),
        ("1 1 1 9999", False),
    ],
)
def test_the_mean_of_the_latest_known_losses_counts(text: str, *, halts: bool) -> None:
    policy = BreakerPolicy(loss_bps=50, loss_orders=3)
    assert (find_loss(outcomes(text), policy) is not None) == halts

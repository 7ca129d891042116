"""Orders over the pools of five programs: found, split, executed in one transaction, and listed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from backend.config import Profile
from backend.domain.amounts import format_slippage, parse_amount
from backend.domain.orders import OrderTerms
from backend.domain.route_constraints import RouteConstraints
from backend.simulator.options import SimulatorOptions
from tests.scenario import HAPPY_PATH, EngineHarness, open_engine

POOLS_QUOTED = 13
"""Of the fifteen of the simulated pair, without the disabled one and the one that opens later."""


@asynccontextmanager
async def open_many_pools(
    database_url: str, redis_url: str, data_dir: Path, **settings: object
) -> AsyncIterator[EngineHarness]:
    """An engine that knows all pools of SOL and USDC, each side of a pool worth 1,000,000 USD."""
    options = SimulatorOptions(
        profile=Profile.INSTANT, has_moving_prices=False, pools="many", depth_usd=1_000_000
    )
    async with open_engine(
        database_url,
        redis_url,
        data_dir,
        options=options,
        settings={"pool_depth_min_bps": 0, **settings},
    ) as engine:
        await wait_for_pools(engine, engine.build_terms("1"))
        await engine.control_node("advance", {"blocks": 2})  # what these orders moved is over
        yield engine


async def wait_for_pools(engine: EngineHarness, terms: OrderTerms) -> None:
    """Place orders until one is quoted on all pools: a worker looks for them in the background."""
    quoted = 0
    async with asyncio.timeout(60):
        while quoted < POOLS_QUOTED:
            [order_id] = await engine.place_orders(terms)
            [building] = (await engine.wait_ended(order_id)).event_data("building")
            quoted = len(building["quotes"])


@pytest.mark.parametrize(("pair", "amount"), [(("SOL", "USDC"), "300"), (("USDC", "SOL"), "30000")])
async def test_a_large_order_is_split_and_every_source_agrees(
    database_url: str, redis_url: str, data_dir: Path, pair: tuple[str, str], amount: str
) -> None:
    async with open_many_pools(database_url, redis_url, data_dir) as engine:
        terms = engine.build_terms(amount, pair=pair)
        [order_id] = await engine.place_orders(terms)
        history = await engine.wait_ended(order_id)
        assert history.statuses == HAPPY_PATH
        [building], [confirmed] = (history.event_data(name) for name in ("building", "confirmed"))
        legs = building["legs"]
        assert len(legs) >= 2
        assert Decimal(building["improvementBps"]) > 0
        best = max(Decimal(quote["amountOut"]) for quote in building["quotes"])
        assert Decimal(building["expectedAmountOut"]) > best
        assert sum(Decimal(leg["amountIn"]) for leg in legs) == Decimal(amount)
        assert sum(Decimal(leg["minAmountOut"]) for leg in legs) == Decimal(
            building["minAmountOut"]
        )

        entry = (await engine.read_swaps())[history.record.tx_hash or ""]
        decimals = terms.token_out.decimals
        executed = {
            (swap["pool"], swap["amount_in"], swap["amount_out"]) for swap in entry["swaps"]
        }
        assert executed == {
            (
                leg["pool"],
                str(parse_amount(leg["amountIn"], terms.token_in.decimals)),
                str(parse_amount(leg["amountOut"], decimals)),
            )
            for leg in legs
        }
        # Nothing traded in between: what was quoted is what was received.
        assert confirmed["amountOut"] == building["expectedAmountOut"]
        assert history.record.amount_out == parse_amount(building["expectedAmountOut"], decimals)
        assert confirmed["realizedSlippage"] == format_slippage(1, 1)
        assert confirmed["dex"] == building["dex"] == history.record.dex


async def test_a_split_order_that_may_use_one_leg_takes_the_best_pool(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_many_pools(database_url, redis_url, data_dir) as engine:
        terms = replace(engine.build_terms("300"), constraints=RouteConstraints(max_legs=1))
        [order_id] = await engine.place_orders(terms)
        history = await engine.wait_ended(order_id)
        [building] = history.event_data("building")
        assert "legs" not in building
        best = max(building["quotes"], key=lambda quote: Decimal(quote["amountOut"]))
        assert building["pool"] == best["pool"]
        [swap] = (await engine.read_swaps())[history.record.tx_hash or ""]["swaps"]
        assert swap["pool"] == best["pool"]


@pytest.mark.parametrize("program", ["raydium/amm_v4", "raydium/clmm", "meteora/dlmm"])
async def test_an_order_is_executed_in_each_program_that_it_asks_for(
    database_url: str, redis_url: str, data_dir: Path, program: str
) -> None:
    async with open_many_pools(database_url, redis_url, data_dir, route_legs_max=1) as engine:
        for pair, amount in ((("SOL", "USDC"), "20"), (("USDC", "SOL"), "2000")):
            await engine.control_node("advance", {"blocks": 1})
            terms = engine.build_terms(amount, pair=pair)
            terms = replace(terms, constraints=RouteConstraints(dexes=(program,)))
            [order_id] = await engine.place_orders(terms)
            history = await engine.wait_ended(order_id)
            assert history.statuses == HAPPY_PATH
            [building], [confirmed] = (
                history.event_data(name) for name in ("building", "confirmed")
            )
            assert f"{building['dex']}/{building['program']}" == program
            assert {quote["program"] for quote in building["quotes"]} == {building["program"]}
            quoted = max(building["quotes"], key=lambda quote: Decimal(quote["amountOut"]))
            assert confirmed["amountOut"] == quoted["amountOut"]

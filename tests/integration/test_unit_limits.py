"""The limits of compute units in a running engine: from simulations, and raised where too low."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backend.chain.compute_budget import ComputeBudget
from backend.execution.budget.compute_units import LACKING_MAX
from tests.integration.node_proxy import Json
from tests.integration.proxied_engine import (
    ProxiedEngine,
    open_live_engine,
    open_proxied_engine,
    read_metric,
    refuse_methods,
)
from tests.integration.signed_transactions import Landed, read_landed
from tests.scenario import HAPPY_PATH

FIXED = ComputeBudget().unit_limit
SIMULATE = "simulateTransaction"
UNKNOWN_METHOD = refuse_methods(SIMULATE, code=-32601, message="Method not found")


async def execute(proxied: ProxiedEngine) -> Landed:
    engine = proxied.engine
    [order_id] = await engine.place_orders(engine.build_terms("0.1", slippage_bps=500))
    history = await engine.wait_ended(order_id)
    assert history.statuses == HAPPY_PATH
    return await read_landed(engine, history)


async def execute_until_learned(proxied: ProxiedEngine) -> Landed:
    async with asyncio.timeout(60):
        while (landed := await execute(proxied)).transaction.compute_unit_limit == FIXED:
            pass
    return landed


def read_limit(landed: Landed) -> int:
    """The limit of a transaction, which is what it has used and a fifth."""
    limit = landed.transaction.compute_unit_limit
    assert limit == -(-landed.units * 120 // 100)
    return limit


async def test_the_limit_of_a_shape_is_simulated_once_and_follows_what_is_used(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_proxied_engine(database_url, redis_url, data_dir) as proxied:
        limit = read_limit(await execute_until_learned(proxied))
        simulated = proxied.proxy.calls[SIMULATE]
        terms = proxied.engine.build_terms("0.2", slippage_bps=500)
        ids = await proxied.engine.place_orders(*[terms] * 20)
        for history in await proxied.engine.wait_all_ended(ids):
            assert history.statuses == HAPPY_PATH
            assert read_limit(await read_landed(proxied.engine, history)) == limit
        assert proxied.proxy.calls[SIMULATE] == simulated


async def test_a_node_that_does_not_simulate_has_the_fixed_limit_paid(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    unknown = read_metric("compute_units_unknown")
    async with open_proxied_engine(
        database_url, redis_url, data_dir, rule=UNKNOWN_METHOD
    ) as proxied:
        limits = {(await execute(proxied)).transaction.compute_unit_limit for _ in range(4)}
        assert limits == {FIXED}
        assert proxied.proxy.calls[SIMULATE] == 1, "it is asked again after a while only"
    assert read_metric("compute_units_unknown") > unknown


async def test_the_preflight_of_a_real_node_tells_the_limit_of_its_own_transaction(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_live_engine(database_url, redis_url, data_dir) as proxied:
        for number in range(1, 4):
            read_limit(await execute(proxied))
            assert proxied.proxy.calls[SIMULATE] == number


async def test_a_real_node_that_does_not_simulate_loses_no_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_live_engine(database_url, redis_url, data_dir, UNKNOWN_METHOD) as proxied:
        assert (await execute(proxied)).transaction.compute_unit_limit == FIXED


def tell_little(call: Json, answer: Json) -> Json | None:
    """A rule: simulations tell far fewer units than are used."""
    if call["method"] != SIMULATE:
        return None
    result = answer["result"]
    return {"result": {**result, "value": {**result["value"], "unitsConsumed": 20_000}}}


async def test_an_order_that_lacked_units_is_tried_again_with_far_more(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """As its row says it, whichever worker executes the next attempt."""
    exceeded = read_metric("compute_units_exceeded")
    async with open_live_engine(
        database_url, redis_url, data_dir, tell_little, attempts_max=2, backoff_s=0.01
    ) as proxied:
        engine = proxied.engine
        await engine.workers.start()
        ids = await engine.place_orders(*[engine.build_terms("0.1", slippage_bps=500)] * 6)
        for history in await engine.wait_all_ended(ids):
            assert history.record.status == "confirmed"
            assert history.record.attempts == 2
            landed = await read_landed(engine, history)
            assert landed.transaction.compute_unit_limit == LACKING_MAX * ComputeBudget().unit_limit
            [failed] = [event for event in history.events if "out_of_compute" in event.data]
            assert failed.status == "routing"
        ledger = await engine.read_ledger()
        reverted = [entry["err"] for entry in ledger if entry["err"] is not None]
        kinds = {kind for err in reverted for kind in err["InstructionError"][1:]}
        assert kinds == {"ProgramFailedToComplete"}
    assert read_metric("compute_units_exceeded") >= exceeded + 6

"""Sniper orders: bought once, from the first pool that is open and passes their guards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder, TimeInForce
from backend.domain.quotes import Dex
from backend.domain.waiting.guards import Guards
from backend.store.withdrawals.cancellations import CancelReason
from tests.integration.node_proxy import Json
from tests.integration.proxied_engine import open_live_engine
from tests.integration.sniping import (
    RELEASED,
    SAFE,
    TIMEOUT_S,
    build_terms,
    launch,
    launch_mint,
    open_sniping,
    read_order,
    release,
    snipe,
    wait_bought,
    wait_for_reason,
    wait_watched,
)
from tests.scenario import EngineHarness


@pytest.mark.parametrize("dex", list(Dex))
@pytest.mark.parametrize("is_default", [True, False])
async def test_a_sniper_buys_from_the_pool_that_is_launched_after_it(
    dex: Dex, is_default: bool, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        order_id = await snipe(engine, await launch_mint(engine, decimals=3))
        mint = (await read_order(engine, order_id))["token_out"]
        pool = await launch(engine, venue=dex, mint=mint, default=is_default)
        history = await wait_bought(engine, order_id, pool["pool"])
        assert history.record.is_triggered
        data = history.event_data("routing")[0]
        assert data["dex"] == dex
        assert Decimal(str(data["executablePrice"])) > 0


@pytest.mark.parametrize(
    ("trap", "reason"),
    [
        ({"trap": "mint_authority"}, "can still mint more of the token"),
        ({"trap": "freeze_authority"}, "can freeze accounts of the token"),
        ({"trap": "transfer_fee"}, "the transfer fee of 25 % is above the cap of 0 %"),
        ({"trap": "shallow"}, "less than the minimum of 100"),
        (
            {"trap": "high_fee", "venue": "meteora"},
            "fee of 90 % is above the cap of 1 %",
        ),
        ({"locked_bps": 8_999}, "of the liquidity is locked, less than the minimum of 90 %"),
        ({"quote_amount": 10**11, "amount": 10**12}, "the price impact is above the cap of 5 %"),
    ],
)
async def test_a_trap_is_left_alone_with_its_reason(
    trap: Mapping[str, object], reason: str, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        pool = await launch(engine, **trap)
        guards = replace(SAFE, min_liquidity=1) if "quote_amount" in trap else SAFE
        terms = await build_terms(engine, pool["mint"], guards, "10")
        [order_id] = await engine.store_orders(terms)
        await wait_for_reason(engine, order_id, reason)
        assert pool["pool"] in (await read_order(engine, order_id))["last_error"]
        assert await engine.read_swaps() == {}


async def test_a_pool_that_passes_is_bought_beside_a_trap(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        trap = await launch(engine, trap="shallow")
        order_id = await snipe(engine, trap["mint"])
        await wait_for_reason(engine, order_id, "less than the minimum of 100")
        pool = await launch(engine, mint=trap["mint"], default=False)
        await wait_bought(engine, order_id, pool["pool"])


async def test_a_token_with_a_transfer_fee_is_bought_where_no_guard_forbids_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        pool = await launch(engine, token={"transfer_fee_bps": 100})
        order_id = await snipe(engine, pool["mint"], Guards(max_transfer_fee_bps=100))
        await wait_bought(engine, order_id, pool["pool"])


@pytest.mark.parametrize("dex", list(Dex))
async def test_a_pool_is_waited_for_until_it_opens_and_until_looks_agree(
    dex: Dex, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir, slot_s=0.1) as engine:
        pool = await launch(engine, venue=dex, opens_in_seconds=3_600)
        guards = Guards(looks=4, max_pool_age_s=60)
        once, often = (
            await snipe(engine, pool["mint"], Guards()),
            await snipe(engine, pool["mint"], guards),
        )
        await wait_for_reason(engine, once, "not open yet")
        opened = await engine.control_node("advance", {"blocks": 36_000})
        history = await engine.wait_ended(once)
        assert history.statuses == RELEASED
        slots = {}
        for order_id in (once, often):
            history = await engine.wait_ended(order_id)
            assert history.statuses == RELEASED
            slots[order_id] = int(str(history.event_data("routing")[0]["slot"]))
        assert slots[once] >= opened["slot"]
        assert slots[often] >= slots[once] + 3


async def test_what_was_bought_is_sold_again(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        pool = await launch(engine, default=False, token={"transfer_fee_bps": 100})
        buying = await snipe(engine, pool["mint"], Guards())
        bought = await wait_bought(engine, buying, pool["pool"])
        assert bought.record.amount_out is not None
        terms = await build_terms(engine, pool["mint"], Guards())
        selling = replace(
            terms,
            token_in=terms.token_out,
            token_out=terms.token_in,
            amount_in=bought.record.amount_out,
        )
        [order_id] = await engine.store_orders(selling)
        sold = await engine.wait_ended(order_id)
        assert sold.statuses == RELEASED
        assert 0 < (sold.record.amount_out or 0) < terms.amount_in


async def test_the_guards_are_checked_again_at_the_quote(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    """Whatever releases an order, nothing is bought from a pool that does not pass."""
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        trap = await launch(engine, trap="shallow")
        order_id = await snipe(engine, trap["mint"])
        await wait_for_reason(engine, order_id, "less than the minimum of 100")
        await release(engine, order_id)
        await engine.wait_until(
            order_id, lambda events: any("guards_not_met" in event.data for event in events)
        )
        pool = await launch(engine, venue="meteora", mint=trap["mint"])
        history = await engine.wait_ended(order_id)
        assert history.statuses[-1] == "confirmed"
        [swap] = (await engine.read_swaps()).values()
        assert swap["pool"] == pool["pool"]


async def test_an_order_that_is_cancelled_or_expired_buys_nothing(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        mint = await launch_mint(engine)
        cancelled = await snipe(engine, mint)
        terms = await build_terms(engine, mint)
        expired = NewOrder(
            engine.services.new_id(),
            "local",
            terms,
            b"",
            time_in_force=TimeInForce.GTD,
            expires_at=engine.services.now() + timedelta(seconds=1),
        )
        await engine.services.intake.accept(expired)
        reason = CancelReason.REQUESTED
        await engine.services.withdrawals.cancellations.cancel("local", cancelled, reason)
        assert (await engine.wait_ended(expired.id)).statuses == ["pending", "waiting", "expired"]
        pool = await launch(engine, mint=mint)
        await wait_bought(engine, await snipe(engine, mint), pool["pool"])
        assert (await engine.wait_ended(cancelled)).statuses == ["pending", "waiting", "cancelled"]


async def read_slot(engine: EngineHarness) -> int:
    options = {"commitment": "confirmed"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": [options]}
    async with engine.node.post("/", json=body) as response:
        return int((await response.json())["result"])


@pytest.mark.parametrize("dex", list(Dex))
async def test_a_preflight_on_a_node_without_the_new_pool_costs_no_attempt(
    dex: Dex, database_url: str, redis_url: str, data_dir: Path
) -> None:
    """The blockhash is older than the pool: the first simulations meet a node between the two."""
    behind: list[int] = []

    def answer_from_behind(call: Json, answer: Json) -> Json | None:
        if call["method"] != "simulateTransaction" or not behind:
            return None
        if call["params"][1]["minContextSlot"] > behind.pop():
            return {"error": {"code": -32016, "message": "behind"}}
        refused = {"err": {"InstructionError": [0, {"Custom": 6000}]}, "logs": []}
        return {"result": {**answer["result"], "value": refused}}

    live = open_live_engine(
        database_url, redis_url, data_dir, answer_from_behind, trigger_interval_s=0.05
    )
    async with live as proxied:
        engine = proxied.engine
        await wait_watched(engine)
        mint = await launch_mint(engine)
        order_id = await snipe(engine, mint)
        [market] = await engine.place_orders(engine.build_terms("0.1"))
        await engine.wait_status(market, Status.SUBMITTED)  # its blockhash is used for a second
        behind += [await read_slot(engine)] * 3
        async with asyncio.timeout(TIMEOUT_S):
            while await read_slot(engine) == behind[0]:
                await asyncio.sleep(0.01)
        await launch(engine, mint=mint, venue=dex)
        history = await engine.wait_ended(order_id)
        assert history.statuses[-1] == "confirmed"
        assert history.record.attempts == 1
        assert behind == []

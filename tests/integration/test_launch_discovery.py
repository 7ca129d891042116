"""New pools are found by what the node lists, by what it tells, or at their derived addresses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from backend.triggers.launches import sniper_orders
from tests.integration.sniping import (
    TIMEOUT_S,
    launch,
    launch_mint,
    open_sniping,
    read_order,
    snipe,
    wait_bought,
    wait_for_reason,
)


async def test_a_node_that_lists_nothing_is_named_and_its_notifications_are_enough(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    with capture_logs() as logs:
        async with open_sniping(database_url, redis_url, data_dir, has_socket=True) as engine:
            await engine.inject_fault(fault="refuse_method", methods=["getProgramAccounts"])
            order_id = await snipe(engine, await launch_mint(engine))
            mint = (await read_order(engine, order_id))["token_out"]
            async with asyncio.timeout(TIMEOUT_S):
                while (await engine.control_node("state"))["subscriptions"] < 4:
                    await asyncio.sleep(0.02)
            pool = await launch(engine, mint=mint, default=False)
            await wait_bought(engine, order_id, pool["pool"])
            assert "-32601" in await engine.services.probes.listing.check()
    assert any(each["event"] == "node lists no pools" for each in logs)


async def test_what_was_launched_while_the_socket_was_closed_is_found(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir, has_socket=True) as engine:
        order_id = await snipe(engine, await launch_mint(engine))
        mint = (await read_order(engine, order_id))["token_out"]
        async with asyncio.timeout(TIMEOUT_S):
            while (await engine.control_node("state"))["subscriptions"] < 4:
                await asyncio.sleep(0.02)
        await engine.inject_fault(fault="close_socket", methods=["programNotification"], count=1)
        pool = await launch(engine, mint=mint, default=False)
        await wait_bought(engine, order_id, pool["pool"])


async def test_the_default_pools_are_found_where_nothing_is_listed_or_told(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        await engine.inject_fault(fault="refuse_method", methods=["getProgramAccounts"])
        order_id = await snipe(engine, await launch_mint(engine))
        mint = (await read_order(engine, order_id))["token_out"]
        pool = await launch(engine, mint=mint)
        await wait_bought(engine, order_id, pool["pool"])


async def test_an_order_that_no_pool_suits_is_judged_by_the_next_one_at_once(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WAIT_S", "WAIT_S_MAX"):
        monkeypatch.setattr(sniper_orders, name, 10 * TIMEOUT_S)
    async with open_sniping(database_url, redis_url, data_dir) as engine:
        mint = await launch_mint(engine)
        order_id = await snipe(engine, mint)
        await launch(engine, mint=mint, locked_bps=0)
        await wait_for_reason(engine, order_id, "of the liquidity is locked")
        pool = await launch(engine, mint=mint, venue="meteora")
        await wait_bought(engine, order_id, pool["pool"])

"""Reads of several venues in one request, and reads that begin before their order is claimed."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from backend.domain.quotes import Dex
from backend.domain.tokens import SOL, USDC
from backend.routing.joint_reader import APART_S
from tests.unit.test_routing import MemoryNode, create_pools, make_terms, run_router


@pytest.mark.looptime
async def test_a_venue_that_is_not_answered_costs_its_own_quote_and_one_wait() -> None:
    now = asyncio.get_running_loop().time
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node) as router:
        assert len((await router.route(make_terms())).quotes) == 2
        node.stalled = Dex.METEORA
        offers = await router.collect_offers(make_terms())
        assert [quote.dex for quote in offers.quotes] == [Dex.RAYDIUM]
        assert [missing.error.code for missing in offers.missing] == ["venue_timeout"]
        node.stalled = None
        await asyncio.sleep(APART_S)
        node.reads.clear()
        started_at = now()
        assert len((await router.route(make_terms())).quotes) == 2
        assert now() == started_at
    assert len(node.reads) == 1


async def test_after_a_failure_the_venues_are_read_apart_for_a_while() -> None:
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node) as router:
        await router.route(make_terms())
        node.down = Dex.RAYDIUM
        node.reads.clear()
        for reads in (3, 5):  # together, then each alone; from then on only alone
            assert len((await router.route(make_terms())).quotes) == 1
            assert len(node.reads) == reads


async def test_a_node_that_limits_calls_is_not_asked_again_for_each_venue() -> None:
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node) as router:
        await router.route(make_terms())
        node.down, node.error_code = Dex.RAYDIUM, "rate_limited"
        node.reads.clear()
        assert not (await router.collect_offers(make_terms())).quotes
    assert len(node.reads) == 1


async def test_a_read_that_was_begun_ahead_is_used_by_the_orders_that_follow() -> None:
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node, 3_600) as router:
        router.prefetch(SOL, USDC)
        router.prefetch(USDC, SOL)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(router.route(make_terms()))
            second = tasks.create_task(router.route(make_terms()))
            await asyncio.sleep(0)
            first.cancel()
        assert len(second.result().quotes) == 2
        reads = len(node.reads)
        assert len((await router.route(make_terms())).quotes) == 2
    assert len(node.reads) == reads <= 2  # the pools with the names of their accounts, and these


async def test_nothing_is_read_ahead_where_each_quote_reads_for_itself() -> None:
    node = MemoryNode(create_pools(Random(1)))
    async with run_router(node) as router:
        router.prefetch(SOL, USDC)
        assert len((await router.route(make_terms())).quotes) == 2
    assert len(node.reads) == 2

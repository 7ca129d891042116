"""What orders wait for before the pools of their pair are known, and which of them they may use."""

from __future__ import annotations

import asyncio

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected, Unavailable
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import SOL, USDC
from backend.routing.pool_registry import SEARCH_S_MAX
from backend.routing.router import Router
from backend.store.launches.found_pools import StoredPool
from backend.venues import CPMM
from tests.unit.pool_registries import (
    MINTS,
    ONE_SOL,
    PAIR,
    POLL_S,
    TERMS,
    MemoryNode,
    Store,
    addresses,
    make_default_pools,
    make_pool,
    make_silent,
    run_registry,
    wait_for,
)


async def test_the_first_order_of_a_pair_waits_for_what_was_found_before() -> None:
    """So a worker that starts again routes its first orders over all pools, too."""
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool], lists=False)
    stored = StoredPool(str(pool.address), str(CPMM.program), str(PAIR[0]), str(PAIR[1]), 5)
    async with run_registry(node, Store([stored])) as (_, router):
        assert len((await router.route(TERMS)).quotes) == 3


async def test_an_order_whose_pools_may_still_be_found_is_not_refused() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool], is_down=True)
    async with run_registry(node) as (_, router):
        with pytest.raises(Unavailable):
            await router.route(_ask(RouteConstraints(pools=(str(pool.address),))))


async def test_the_first_order_of_a_pair_without_default_pools_waits_for_the_search() -> None:
    node = MemoryNode([make_pool(1)])
    async with run_registry(node) as (_, router):
        assert (await router.route(TERMS)).quote.pool == str(node.pools[0].address)


async def test_that_no_pool_is_there_is_final_once_the_node_was_asked() -> None:
    node = MemoryNode(lists=False)
    async with run_registry(node) as (_, router):
        with pytest.raises(Rejected, match="no venue has a pool of SOL and USDC") as caught:
            await router.route(TERMS)
        assert caught.value.code == "no_pool"
        [read] = await router.read_pools([(SOL, USDC)])
        assert (read.read, {type(each.error) for each in read.missing}) == ([], {Rejected})
        assert read.has_none(None)


async def test_a_pool_that_is_not_open_yet_is_no_missing_pool() -> None:
    node = MemoryNode([make_pool(1, open_time=2**40)])
    async with run_registry(node) as (_, router):
        with pytest.raises(Rejected, match="not open yet"):
            await router.route(TERMS)
        node.pools = [make_pool(1)]
        assert (await router.route(TERMS)).quote.pool == str(node.pools[0].address)


async def test_that_no_pool_is_there_is_not_final_while_the_node_was_not_asked() -> None:
    node = MemoryNode([make_pool(1)])
    async with run_registry(node) as (_, router):
        [read] = await router.read_pools([(SOL, USDC)])
        assert (read.read, {type(each.error) for each in read.missing}) == ([], {Unavailable})
        assert not read.has_none(None)
        await router.await_pools([(SOL, USDC)])
        [read] = await router.read_pools([(SOL, USDC)])
        assert [each.address for each in read.select_pools(None)] == [node.pools[0].address]


@pytest.mark.looptime
async def test_a_look_that_could_not_read_all_pools_is_repeated_soon() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool], lists=False, is_down=True)
    stored = StoredPool(str(pool.address), str(CPMM.program), str(PAIR[0]), str(PAIR[1]), 5)
    async with run_registry(node, Store([stored])) as (registry, _):
        registry.list_pools(*MINTS)
        async with asyncio.timeout(60):
            while (judged := registry.list_pools(*MINTS).judged) is not None:
                await asyncio.wait([judged])
        assert not registry.is_settled(*MINTS)
        node.is_down = False
        await wait_for(registry, addresses(node.pools))
        assert registry.is_settled(*MINTS)


async def test_an_order_is_quoted_only_on_the_pools_that_it_allows() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool])
    async with run_registry(node) as (registry, router):
        await wait_for(registry, addresses(node.pools))
        for constraints, expected in (
            (RouteConstraints(dexes=("meteora",)), {node.pools[1].address}),
            (RouteConstraints(exclude_dexes=("raydium/cpmm",)), {node.pools[1].address}),
            (RouteConstraints(pools=(str(pool.address),)), {pool.address}),
        ):
            route = await router.route(_ask(constraints))
            assert {Pubkey.from_string(quote.pool) for quote in route.quotes} == expected
        nowhere = RouteConstraints(dexes=("raydium/clmm",))
        refusal = await _catch_refusal(router, _ask(nowhere))
        assert (refusal.code, refusal.reason) == (
            "no_pool",
            "none of the pools that are quoted for these tokens is one that the order allows",
        )


def _ask(constraints: RouteConstraints) -> OrderTerms:
    return OrderTerms(OrderType.MARKET, SOL, USDC, ONE_SOL, None, 50, constraints=constraints)


async def _catch_refusal(router: Router, terms: OrderTerms) -> Rejected:
    while True:
        try:
            await router.route(terms)
        except Rejected as error:
            return error
        except Unavailable:  # the look is not over
            await asyncio.sleep(POLL_S)
        else:
            raise AssertionError("it was routed")


async def test_a_low_price_is_that_of_all_pools_only_once_they_were_looked_for() -> None:
    node = make_silent(*make_default_pools(), make_pool(1))
    async with run_registry(node) as (_, router):
        [read] = await router.read_pools([(SOL, USDC)])
        assert len(read.read) == 2
        assert not read.is_complete(None)
        node.silence.set()
        async with asyncio.timeout(60):
            while not read.is_complete(None):
                [read] = await router.read_pools([(SOL, USDC)])
                await asyncio.sleep(0)
        assert len(read.read) == 3


@pytest.mark.looptime
async def test_a_low_price_is_judged_in_the_end_though_the_node_never_lists() -> None:
    async with run_registry(make_silent(*make_default_pools())) as (_, router):
        await router.read_pools([(SOL, USDC)])
        await asyncio.sleep(SEARCH_S_MAX)
        [read] = await router.read_pools([(SOL, USDC)])
        assert read.is_complete(None)
        assert not read.is_settled


async def test_the_known_pools_of_a_pair_wait_for_no_search_of_another_pair() -> None:
    pool = make_pool(1)
    one, other = map(str, PAIR)
    stored = StoredPool(str(pool.address), str(CPMM.program), one, other, 5)
    node = make_silent(*make_default_pools(), pool)
    async with run_registry(node, Store([stored])) as (registry, _):
        for number in range(50):
            registry.list_pools(MINTS[0], Pubkey(bytes([7, number] * 16)))
        await wait_for(registry, addresses(node.pools))
        assert registry.list_pools(*MINTS).judged is None
        # What was searched before the restart of a process is judged at once.
        assert registry.is_searched(*MINTS)
        assert registry.find_search(*MINTS) is None

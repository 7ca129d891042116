"""The pools that a pair is quoted on: default ones, found ones, pinned ones, and which are left."""

from __future__ import annotations

import asyncio

import pytest
from solders.pubkey import Pubkey

from backend.domain.quotes import Dex
from backend.routing import pool_reader
from backend.routing.pool_directory import PAIRS_MAX
from backend.routing.pool_registry import QUOTED_MAX, PoolPreferences
from backend.store.launches.found_pools import StoredPool
from backend.venues import AMM_V4, CPMM, DAMM_V2, MAINNET_VENUES
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
    run_registry,
    wait_for,
)


async def test_the_default_pools_are_quoted_at_once_and_found_ones_as_soon_as_they_are() -> None:
    node = MemoryNode(
        [
            *make_default_pools(),
            make_pool(1),
            AMM_V4.create_pool(*MINTS, 500 * ONE_SOL, 500 * 100 * 10**6, fee_e9=2_500_000),
        ]
    )
    store = Store()
    async with run_registry(node, store) as (registry, router):
        assert addresses(registry.list_pools(*MINTS).quoted) == addresses(node.pools[:2])
        await wait_for(registry, addresses(node.pools))
        route = await router.route(TERMS)
        assert len(route.quotes) == 4
        assert {quote.program for quote in route.quotes} == {"cpmm", "damm_v2", "amm_v4"}
        assert registry.list_pools(*MINTS[::-1]).quoted == registry.list_pools(*MINTS).quoted
    assert {each.address for each in store.stored} == {str(each.address) for each in node.pools}


async def test_what_another_process_found_is_known_where_the_node_lists_nothing() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool], lists=False)
    one, other = map(str, PAIR)
    stored = StoredPool(str(pool.address), str(CPMM.program), one, other, 5)
    async with run_registry(node, Store([stored])) as (registry, _):
        await wait_for(registry, addresses(node.pools))


async def test_a_node_that_lists_nothing_leaves_the_default_and_the_pinned_pools() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool, make_pool(2)], lists=False)
    preferences = PoolPreferences(pinned=[pool.address])
    async with run_registry(node, preferences=preferences) as (registry, _):
        await wait_for(registry, addresses(node.pools[:3]))


async def test_without_a_search_only_default_and_pinned_pools_are_quoted() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool, make_pool(2)])
    preferences = PoolPreferences(pinned=[pool.address])
    async with run_registry(node, preferences=preferences, interval_s=0) as (registry, _):
        await wait_for(registry, addresses(node.pools[:3]))
    assert node.listings == 0


async def test_excluded_pools_are_never_quoted() -> None:
    default, other = make_default_pools()
    node = MemoryNode([default, other, make_pool(1)])
    preferences = PoolPreferences(excluded=[default.address])
    async with run_registry(node, preferences=preferences) as (registry, _):
        await wait_for(registry, addresses(node.pools[1:]))


async def test_a_pool_that_does_not_swap_is_not_quoted_until_it_does() -> None:
    closed = make_pool(1, open_time=2**40)
    node = MemoryNode([*make_default_pools(), closed, make_pool(2)])
    async with run_registry(node, interval_s=0.001) as (registry, _):
        await wait_for(registry, addresses([*node.pools[:2], node.pools[3]]))
        node.pools[2] = make_pool(1)
        await wait_for(registry, addresses(node.pools))


async def test_shallow_pools_are_left_out_and_counted() -> None:
    node = MemoryNode([*make_default_pools(), make_pool(1, depth=1), make_pool(2, depth=100)])
    preferences = PoolPreferences(depth_min_bps=100)
    async with run_registry(node, preferences=preferences) as (registry, router):
        await wait_for(registry, addresses([*node.pools[:2], node.pools[3]]))
        assert registry.list_pools(*MINTS).left_out == 1
        route = await router.route(TERMS)
        assert route.to_json(TERMS)["leftOut"] == 1


async def test_of_many_pools_the_deepest_are_quoted() -> None:
    pools = [make_pool(number, depth=100 + number) for number in range(1, 30)]
    node = MemoryNode([*make_default_pools(), *pools])
    async with run_registry(node) as (registry, router):
        deepest = [*node.pools[:2], *pools[-(QUOTED_MAX - 2) :]]
        await wait_for(registry, addresses(deepest))
        assert registry.list_pools(*MINTS).left_out == len(node.pools) - QUOTED_MAX
        assert len((await router.route(TERMS)).quotes) == QUOTED_MAX


async def test_a_default_pool_that_does_not_exist_is_no_longer_asked_for() -> None:
    node = MemoryNode([make_default_pools()[1], make_pool(1)])
    async with run_registry(node) as (registry, router):
        await wait_for(registry, addresses(node.pools))
        assert "unavailable" not in (await router.route(TERMS)).to_json(TERMS)


async def test_an_exchange_without_any_pool_is_named() -> None:
    node = MemoryNode([make_pool(1)])
    async with run_registry(node) as (registry, router):
        default = DAMM_V2.derive_pool_address(*MINTS)
        await wait_for(registry, {node.pools[0].address, default})
        [missing] = (await router.route(TERMS)).to_json(TERMS)["unavailable"]
        assert missing == {
            "dex": Dex.METEORA.value,
            "code": "no_pool",
            "reason": "meteora has no pool of these tokens",
        }


@pytest.mark.looptime
async def test_a_refused_quote_has_the_pair_looked_at_again() -> None:
    node = MemoryNode([*make_default_pools(), make_pool(1)])
    async with run_registry(node) as (registry, router):
        await wait_for(registry, addresses(node.pools))
        node.pools[2] = make_pool(1, open_time=2**40)
        async with asyncio.timeout(60):
            while len(registry.list_pools(*MINTS).quoted) == 3:
                await router.route(TERMS)
                await asyncio.sleep(POLL_S)


@pytest.mark.looptime
async def test_a_node_that_does_not_answer_takes_no_pool_away() -> None:
    node = MemoryNode([*make_default_pools(), make_pool(1)])
    async with run_registry(node, interval_s=0.001) as (registry, _):
        await wait_for(registry, addresses(node.pools))
        listings, node.is_down = node.listings, True
        async with asyncio.timeout(60):
            while node.listings < listings + 3 * 2 * len(MAINNET_VENUES.all):
                registry.list_pools(*MINTS)
                await asyncio.sleep(POLL_S)
        assert addresses(registry.list_pools(*MINTS).quoted) == addresses(node.pools)


async def test_pairs_that_are_asked_for_once_displace_none_that_is_looked_at() -> None:
    node = MemoryNode([*make_default_pools(), make_pool(1)])
    async with run_registry(node) as (registry, _):
        await wait_for(registry, addresses(node.pools))
        for number in range(PAIRS_MAX):
            registry.list_pools(MINTS[0], Pubkey(number.to_bytes(32)))
        assert addresses(registry.list_pools(*MINTS).quoted) == addresses(node.pools)


async def test_a_pool_that_a_reader_has_forgotten_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_reader, "POOLS_MAX", 1)
    node = MemoryNode([*make_default_pools(), make_pool(1), make_pool(2)])
    async with run_registry(node) as (registry, router):
        await wait_for(registry, addresses(node.pools))
        for _ in range(3):
            assert len((await router.route(TERMS)).quotes) == len(node.pools)

"""The pools that a pair is quoted on: default ones, found ones, pinned ones, and which are left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected, Transient, Unavailable
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.quotes import Dex
from backend.domain.route_constraints import RouteConstraints
from backend.domain.tokens import SOL, USDC
from backend.routing.pool_finder import FoundPool, PoolFinder, sort_pair
from backend.routing.pool_registry import QUOTED_MAX, PoolPreferences, PoolRegistry
from backend.routing.router import Router
from backend.store.launches.found_pools import FoundPools, StoredPool
from backend.venues import AMM_V4, CPMM, DAMM_V2, DEFAULT_VENUES, VENUES
from backend.venues.hosting import HostedPool
from backend.venues.spl import CLOCK_SYSVAR
from backend.venues.venue import Account
from tests.pools import make_clock_account

MINTS = Pubkey.from_string(SOL.mint), Pubkey.from_string(USDC.mint)
PAIR = sort_pair(*MINTS)
ONE_SOL = 10**9
TERMS = OrderTerms(OrderType.MARKET, SOL, USDC, ONE_SOL, None, 50)


@dataclass
class MemoryNode:
    """A node that serves and lists some pools from memory."""

    pools: list[HostedPool] = field(default_factory=list)
    lists: bool = True
    is_down: bool = False
    listings: int = 0

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        if self.is_down:
            raise Transient("node_timeout", "no answer")
        accounts: dict[Pubkey, Account] = {CLOCK_SYSVAR: make_clock_account()}
        for pool in self.pools:
            accounts |= pool.encode_accounts()
        await asyncio.sleep(0)
        return 7, [accounts.get(key) for key in keys]

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Any]
    ) -> tuple[int, dict[Pubkey, Account]]:
        self.listings += 1
        if not self.lists:
            raise Rejected("method_not_found", "this node lists nothing")
        size = filters[0]["dataSize"]
        found = {}
        for pool in self.pools:
            account = pool.encode_accounts()[pool.address]
            is_matching = all(
                account.data[each["memcmp"]["offset"] :][:32]
                == bytes(Pubkey.from_string(each["memcmp"]["bytes"]))
                for each in filters[1:]
            )
            if account.owner == program and len(account.data) == size and is_matching:
                found[pool.address] = account
        return 7, found


@dataclass
class Store:
    """Keeps found pools, as every process sees them."""

    stored: list[StoredPool] = field(default_factory=list)

    async def load(self, pairs: Sequence[tuple[str, str]]) -> list[StoredPool]:
        return [each for each in self.stored if (each.mint_one, each.mint_other) in pairs]

    async def add(self, pools: Sequence[StoredPool]) -> None:
        self.stored += pools


def make_pool(number: int, depth: int = 1_000, *, open_time: int = 0) -> HostedPool:
    """A pool besides the default ones, of so many SOL at 100 USDC each."""
    return CPMM.create_pool(
        *MINTS,
        depth * ONE_SOL,
        depth * 100 * 10**6,
        fee_e9=3_000_000,
        open_time=open_time,
        address=Pubkey(bytes([9, number] * 16)),
    )


def make_default_pools() -> list[HostedPool]:
    reserves = 1_000 * ONE_SOL, 1_000 * 100 * 10**6
    return [
        CPMM.create_pool(*MINTS, *reserves, fee_e9=3_000_000),
        DAMM_V2.create_pool(*MINTS, *reserves, fee_e9=2_000_000),
    ]


@asynccontextmanager
async def run_registry(
    node: MemoryNode,
    store: Store | None = None,
    *,
    preferences: PoolPreferences | None = None,
    interval_s: float = 3_600,
) -> AsyncIterator[tuple[PoolRegistry, Router]]:
    finder = PoolFinder(VENUES, node, cast(FoundPools, store or Store()))
    registry = PoolRegistry(
        finder,
        DEFAULT_VENUES,
        preferences=preferences or PoolPreferences(),
        interval_s=interval_s,
    )
    router = Router(VENUES, node, timeout_s=5, directory=registry)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(router.run())
        try:
            yield registry, router
        finally:
            task.cancel()


async def wait_for(registry: PoolRegistry, expected: set[Pubkey]) -> None:
    """Wait until just these pools are quoted."""
    async with asyncio.timeout(20):
        while {each.address for each in registry.list_pools(*MINTS).quoted} != expected:
            await asyncio.sleep(0)


def addresses(pools: Sequence[HostedPool | FoundPool]) -> set[Pubkey]:
    return {each.address for each in pools}


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


async def test_a_refused_quote_has_the_pair_looked_at_again() -> None:
    node = MemoryNode([*make_default_pools(), make_pool(1)])
    async with run_registry(node) as (registry, router):
        await wait_for(registry, addresses(node.pools))
        node.pools[2] = make_pool(1, open_time=2**40)
        async with asyncio.timeout(30):
            while len(registry.list_pools(*MINTS).quoted) == 3:
                await router.route(TERMS)


async def test_a_node_that_does_not_answer_takes_no_pool_away() -> None:
    node = MemoryNode([*make_default_pools(), make_pool(1)])
    async with run_registry(node, interval_s=0.001) as (registry, _):
        await wait_for(registry, addresses(node.pools))
        listings, node.is_down = node.listings, True
        async with asyncio.timeout(20):
            while node.listings < listings + 3 * 2 * len(VENUES):
                registry.list_pools(*MINTS)
                await asyncio.sleep(0)
        assert addresses(registry.list_pools(*MINTS).quoted) == addresses(node.pools)


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


async def test_a_look_that_could_not_read_all_pools_is_repeated_soon() -> None:
    pool = make_pool(1)
    node = MemoryNode([*make_default_pools(), pool], lists=False, is_down=True)
    stored = StoredPool(str(pool.address), str(CPMM.program), str(PAIR[0]), str(PAIR[1]), 5)
    async with run_registry(node, Store([stored])) as (registry, _):
        registry.list_pools(*MINTS)
        async with asyncio.timeout(20):
            while (known := registry.find_wait(*MINTS)) is not None:
                await asyncio.wait([known])
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
            await asyncio.sleep(0)
        else:
            raise AssertionError("it was routed")

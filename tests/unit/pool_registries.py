"""Registries of pools on a node in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from solders.pubkey import Pubkey

from backend.chain.unit_prices import UnitPrices
from backend.domain.errors import Rejected, Transient
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.route_constraints import LEGS_MAX
from backend.domain.tokens import SOL, USDC
from backend.routing.hops.hop_router import HopPreferences, HopRouter
from backend.routing.pool_finder import FoundPool, PoolFinder, sort_pair
from backend.routing.pool_registry import PoolPreferences, PoolRegistry
from backend.routing.router import Router
from backend.routing.splitter import Splitter
from backend.store.launches.found_pools import FoundPools, StoredPool
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.hosting import HostedPool
from backend.venues.spl import CLOCK_SYSVAR
from backend.venues.venue import Account
from tests.pools import make_clock_account

MINTS = Pubkey.from_string(SOL.mint), Pubkey.from_string(USDC.mint)
PAIR = sort_pair(*MINTS)
ONE_SOL = 10**9
TERMS = OrderTerms(OrderType.MARKET, SOL, USDC, ONE_SOL, None, 50)
POLL_S = 0.01
"""How long a test waits before it looks again: without it, it would take all of a core."""


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


class SilentLister(MemoryNode):
    """A node that does not say which pools there are as long as ``silence`` lasts."""

    silence: asyncio.Event

    async def get_program_accounts(
        self, program: Pubkey, filters: Sequence[Any]
    ) -> tuple[int, dict[Pubkey, Account]]:
        await self.silence.wait()
        return await super().get_program_accounts(program, filters)


def make_silent(*pools: HostedPool) -> SilentLister:
    node = SilentLister(list(pools))
    node.silence = asyncio.Event()
    return node


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
    hops: HopPreferences | None = None,
) -> AsyncIterator[tuple[PoolRegistry, Router]]:
    finder = PoolFinder(
        MAINNET_VENUES.all,
        node,
        cast(FoundPools, store or Store()),
        excluded=preferences.excluded if preferences else (),
    )
    registry = PoolRegistry(
        finder,
        MAINNET_VENUES.default,
        preferences=preferences or PoolPreferences(),
        interval_s=interval_s,
    )
    splitter = Splitter(legs_max=LEGS_MAX, prices=UnitPrices(0)) if hops else None
    router = Router(
        MAINNET_VENUES.all,
        node,
        timeout_s=5,
        directory=registry,
        splitter=splitter,
        hops=HopRouter(hops, splitter) if hops and splitter else None,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(router.run())
        try:
            yield registry, router
        finally:
            task.cancel()


async def wait_for(registry: PoolRegistry, expected: set[Pubkey]) -> None:
    """Wait until just these pools are quoted."""
    async with asyncio.timeout(60):
        while {each.address for each in registry.list_pools(*MINTS).quoted} != expected:
            await asyncio.sleep(POLL_S)


def addresses(pools: Sequence[HostedPool | FoundPool]) -> set[Pubkey]:
    return {each.address for each in pools}

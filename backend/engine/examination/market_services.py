"""What quotes orders and builds their transactions, without PostgreSQL, Redis and a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.lookup_tables import LookupTables
from backend.chain.nodes.solana_node import SolanaNode
from backend.config import Settings
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry, is_public_key
from backend.engine.fees import build_fees
from backend.engine.nodes.clients import open_node
from backend.engine.nodes.cluster import Cluster, find_cluster
from backend.engine.router import build_router, read_pool_preferences
from backend.engine.wallets.funds import build_budget
from backend.execution.budget.priority_fees import PriorityFees
from backend.routing.launches.launched_pools import LaunchedPoolReader
from backend.routing.pool_finder import PoolFinder
from backend.routing.pool_registry import PoolPreferences
from backend.routing.prices.price_sampler import PriceSampler
from backend.routing.router import Router
from backend.runtime.background import run_in_background
from backend.store.launches.found_pools import StoredPool
from backend.venues.mint import read_mint


class MarketServices(NamedTuple):
    """The node, and what quotes orders on it as a worker would; ``fees`` is that of a worker."""

    settings: Settings
    rpc: SolanaNode
    cluster: Cluster
    tokens: TokenRegistry
    finder: PoolFinder
    preferences: PoolPreferences
    router: Router
    tables: LookupTables
    budget: ComputeBudget
    fees: PriorityFees

    async def find_token(self, name: str, field: str) -> Token:
        """Find the token with a symbol or a mint; one that is not listed is read from the chain.

        Raises ``EngineError``: ``InvalidInput`` if there is none.
        """
        if name in self.tokens or not is_public_key(name):
            return self.tokens.find(name, field)
        mint = Pubkey.from_string(name)
        _, [account] = await self.rpc.get_multiple_accounts([mint])
        if account is None:
            raise InvalidInput(field, "is not the mint of a token: the chain has no such account")
        token = Token(name, name, read_mint(mint, account, 0).decimals)
        self.tokens.add([token])
        return token


class _Pools(NamedTuple):
    """What the router wants to know of pools; nothing waits for a new one here."""

    finder: PoolFinder
    reader: LaunchedPoolReader
    preferences: PoolPreferences


class _NoStore:
    """The store of found pools of a process without a database: what it finds it knows itself."""

    async def load(self, pairs: Sequence[tuple[str, str]]) -> list[StoredPool]:
        """None: no other process has found any."""
        return []

    async def add(self, pools: Sequence[StoredPool]) -> None:
        """Store nothing."""


@asynccontextmanager
async def open_market_services(
    settings: Settings, urls: Sequence[str]
) -> AsyncIterator[MarketServices]:
    """Open what quotes orders on the nodes at ``urls``.

    Pools are read for each quote: nothing is subscribed to. Raises ``ConfigurationError``, and
    ``EngineError`` if no node tells which cluster it is of.
    """
    preferences = read_pool_preferences(settings)
    async with open_node(settings, urls) as rpc:
        cluster = await find_cluster(settings, rpc)
        venues = cluster.venues
        finder = PoolFinder(venues.all, rpc, _NoStore(), excluded=preferences.excluded)
        tables = LookupTables(rpc, list(map(Pubkey.from_string, settings.lookup_tables)))
        pools = _Pools(finder, LaunchedPoolReader(rpc), preferences)
        sampler = PriceSampler(TokenRegistry().find(settings.reference_token, "reference_token"))
        market = None, finder, pools, tables, sampler
        router = build_router(settings, venues, rpc, *market)
        async with run_in_background(tables.run, router.run):
            yield MarketServices(
                settings,
                rpc,
                cluster,
                TokenRegistry(),
                finder,
                preferences,
                router,
                tables,
                build_budget(settings),
                build_fees(settings, rpc, router),
            )

"""The router of a process, wired from the settings, and the pools that an operator names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from solders.pubkey import Pubkey

from backend.chain.lookup_tables import LookupTables
from backend.chain.subscriptions.client import NodeSubscriptions
from backend.chain.unit_prices import UnitPrices
from backend.config import ConfigurationError, Settings
from backend.domain.tokens import TokenRegistry
from backend.routing.hops.hop_router import HopPreferences, HopRouter
from backend.routing.launches.launch_router import LaunchRouter
from backend.routing.launches.launched_pools import LaunchedPoolReader
from backend.routing.pool_finder import PoolFinder
from backend.routing.pool_reader import AccountReader
from backend.routing.pool_registry import PoolPreferences, PoolRegistry
from backend.routing.prices.price_sampler import PriceSampler
from backend.routing.router import Router
from backend.routing.splitter import Splitter
from backend.routing.subscribed_pools import SubscribedPools
from backend.venues import Venues

_FIELDS: Final = ("pin", "exclude")


class LaunchPools(Protocol):
    """What finds and reads the pools of orders that wait for one, and what an operator says."""

    @property
    def finder(self) -> PoolFinder:
        """Finds the pools of pairs."""
        ...

    @property
    def reader(self) -> LaunchedPoolReader:
        """Reads pools at any address."""
        ...

    @property
    def preferences(self) -> PoolPreferences:
        """The pools that are always quoted, and those that never are."""
        ...


def build_router(
    settings: Settings,
    venues: Venues,
    reader: AccountReader,
    subscriptions: NodeSubscriptions | None,
    finder: PoolFinder,
    launches: LaunchPools,
    tables: LookupTables,
    prices: PriceSampler,
) -> Router:
    """Build the router; ``finder`` finds the pools of all venues, swaps can use ``tables``.

    ``prices`` samples the pools that it reads.
    """
    registry = PoolRegistry(
        finder,
        venues.default,
        preferences=launches.preferences,
        interval_s=settings.pool_search_s,
    )
    splitter = _build_splitter(settings, tables)
    return Router(
        venues.all,
        reader,
        timeout_s=settings.quote_timeout_s,
        age_max_s=settings.quote_age_s,
        directory=registry,
        max_price_impact_bps=settings.max_price_impact_bps,
        subscribed=_build_subscribed(settings, subscriptions),
        launches=LaunchRouter(launches.finder, launches.reader),
        splitter=splitter,
        hops=_build_hops(settings, splitter),
        prices=prices,
    )


def _build_hops(settings: Settings, splitter: Splitter) -> HopRouter:
    listed = TokenRegistry()
    hops = HopPreferences(
        [listed.find(symbol, "hop_tokens") for symbol in settings.hop_tokens],
        settings.route_hops_max,
        settings.hop_impact_min_bps,
    )
    return HopRouter(hops, splitter)


def _build_splitter(settings: Settings, tables: LookupTables) -> Splitter:
    is_auto = settings.priority_fee == "auto"
    prices = UnitPrices(settings.priority_fee_microlamports, is_auto=is_auto)
    return Splitter(legs_max=settings.route_legs_max, prices=prices, tables=tables)


def _build_subscribed(
    settings: Settings, subscriptions: NodeSubscriptions | None
) -> SubscribedPools | None:
    if subscriptions is None or not (settings.quote_age_s and settings.quote_slots_max):
        return None
    return SubscribedPools(subscriptions, slots_max=settings.quote_slots_max)


def read_pool_preferences(settings: Settings) -> PoolPreferences:
    """Read the file of pools. Raises ``ConfigurationError`` with what is wrong in it."""
    pinned: Sequence[Pubkey] = ()
    excluded: Sequence[Pubkey] = ()
    if settings.pools_file:
        name = f"ORDER_ENGINE_POOLS_FILE ({settings.pools_file})"
        try:
            content = tomllib.loads(Path(settings.pools_file).read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{name} cannot be read: {error}") from None
        for field in content:
            if field not in _FIELDS:
                raise ConfigurationError(f"{name} has the unknown field {field!r}")
        pinned, excluded = (_read_addresses(name, content, field) for field in _FIELDS)
        if both := set(pinned) & set(excluded):
            raise ConfigurationError(f"{name} both pins and excludes {min(map(str, both))}")
    return PoolPreferences(tuple(pinned), frozenset(excluded), settings.pool_depth_min_bps)


def _read_addresses(name: str, content: Mapping[str, Any], field: str) -> list[Pubkey]:
    entries = content.get(field, [])
    if not isinstance(entries, list):
        raise ConfigurationError(f"{name}: {field} must be a list of addresses")
    addresses: list[Pubkey] = []
    for number, entry in enumerate(entries, start=1):
        try:
            addresses.append(Pubkey.from_string(entry))
        except (TypeError, ValueError):
            reason = f"entry {number} of {field} is no address: {entry!r}"
            raise ConfigurationError(f"{name}: {reason}") from None
    return list(dict.fromkeys(addresses))

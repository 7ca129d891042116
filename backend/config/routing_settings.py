"""The settings of routes: which pools are quoted, and over how many of them an order is split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode

from backend.domain.errors import InvalidInput
from backend.domain.route_constraints import HOPS_MAX, LEGS_MAX
from backend.domain.tokens import TokenRegistry, is_public_key

LOOKUP_TABLES_MAX: Final = 16
"""Most lookup tables that a process reads."""


class RoutingSettings(BaseSettings):
    """The settings of routes, with their defaults."""

    route_legs_max: int = Field(
        3,
        ge=1,
        le=LEGS_MAX,
        description="Maximum number of pools that an order is split over, in one transaction; 1"
        " never splits.",
    )
    hop_tokens: Annotated[tuple[str, ...], NoDecode] = Field(
        ("SOL", "USDC", "USDT"),
        description="Tokens that a route may lead through, by symbol or mint, separated by commas."
        " Without any, every order is swapped in the pools of its own pair.",
    )
    route_hops_max: int = Field(
        2,
        ge=1,
        le=HOPS_MAX,
        description="Maximum number of swaps that follow each other in a route; 1 swaps every order"
        " in the pools of its own pair.",
    )
    hop_impact_min_bps: int = Field(
        50,
        ge=0,
        le=10_000,
        description="Routes through other tokens are looked for if those of the order's own pair"
        " have at least this price impact, in basis points, if they do not fill it, or if it has a"
        " `maxHops` above 1.",
    )
    pool_search_s: float = Field(
        600,
        ge=0,
        le=86_400,
        description="Interval at which the pools of a pair that is quoted are looked for, in"
        " seconds, by `getProgramAccounts`. 0 quotes only the default pools and pinned ones.",
    )
    pool_depth_min_bps: int = Field(
        10,
        ge=0,
        le=10_000,
        description="A pool is not quoted if its depth is below this share of that of the deepest"
        " pool of its pair, in basis points.",
    )
    pools_file: str = Field(
        "",
        description="Path of a TOML file with two lists of pool addresses: `pin` for pools that are"
        " always quoted, `exclude` for pools that never are.",
    )
    lookup_tables: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses of address lookup tables, separated by commas, that name accounts of"
        " pools: with them, a transaction has room for more pools of an order. One that does not"
        " exist, or is deactivated, is not used. `up --pools many` sets that of its own node.",
    )


def check_hop_tokens(setting: str | Sequence[str]) -> tuple[str, ...]:
    """The symbols of the tokens of a setting, each once. Raises ``ValueError`` with the entry."""
    if not setting:
        return ()
    entries = setting.split(",") if isinstance(setting, str) else setting
    registry, symbols = TokenRegistry(), []
    for number, entry in enumerate(entries, start=1):
        try:
            symbols.append(registry.find(entry.strip(), "hop_tokens").symbol)
        except InvalidInput:
            listed = ", ".join(token.symbol for token in registry)
            raise ValueError(f"entry {number} is none of the listed tokens: {listed}") from None
    return tuple(dict.fromkeys(symbols))


def check_lookup_tables(setting: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses of a setting, each once. Raises ``ValueError`` with the entry."""
    if not setting:
        return ()
    entries = setting.split(",") if isinstance(setting, str) else setting
    for number, entry in enumerate(entries, start=1):
        if not is_public_key(entry.strip()):
            raise ValueError(f"entry {number} is no address in base58")
    addresses = tuple(dict.fromkeys(entry.strip() for entry in entries))
    if len(addresses) > LOOKUP_TABLES_MAX:
        raise ValueError(f"there are {len(addresses)} tables, {LOOKUP_TABLES_MAX} are possible")
    return addresses

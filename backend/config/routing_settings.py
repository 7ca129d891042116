"""The settings of routes: which pools are quoted, and over how many of them an order is split."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class RoutingSettings(BaseSettings):
    """The settings of routes, with their defaults."""

    route_legs_max: int = Field(
        3,
        ge=1,
        le=4,
        description="Maximum number of pools that an order is split over, in one transaction; 1"
        " never splits.",
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

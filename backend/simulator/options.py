"""The options of a simulated chain, fixed when the node starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLOCKHASH_BLOCKS: Final = 150
"""How many blocks after its own a blockhash stays valid."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The latencies of a node, in seconds, and the slots until a block is confirmed or finalized.

    A sent transaction lands ``landing_min_s`` to ``landing_max_s`` later; with ``is_slot_aligned``
    at the next start of a slot, otherwise within the slot.
    """

    read_s: float
    landing_min_s: float
    landing_max_s: float
    is_slot_aligned: bool
    confirmed_slots: int
    finalized_slots: int


PROFILES: Final = {
    # Landing plus one more slot until confirmed: 2 to 3 s after the send.
    "demo": Timing(0.2, 1.6, 2.2, is_slot_aligned=True, confirmed_slots=1, finalized_slots=32),
    "instant": Timing(0, 0.002, 0.002, is_slot_aligned=False, confirmed_slots=0, finalized_slots=0),
}
"""Timings by profile name; the names are those of ``config.Profile``."""


DEPTHS_USD: Final = (10_000, 1_000_000_000)
"""The least and the largest depth of a chain's pools."""
NODE_TABLE_ADDRESS: Final = "9Zj7qVh6cncjyeNz1qPDQbvWCsQC5o4CrAC5wDJer7ZG"
"""The lookup table of a chain with many pools: see ``wire.lookup_tables``."""
NODE_PORT_STEP: Final = 10
"""The distance of the ports of several nodes."""
NODES_MAX: Final = 8
POOL_SETS: Final = ("default", "many")
"""Which pools a chain has; see ``market.pool_plan``."""
DRESS_NAMES: Final = ("simulated", "mainnet", "devnet")
"""Which cluster a chain can look like; see ``dress``."""


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """The options of one chain.

    Prices are a function of ``seed`` and the slot, or constant without ``has_moving_prices``.
    ``sol_price`` is the price of one SOL in dollars, ``depth_usd`` the value of each side of a
    pool. ``confirmed_slots`` and ``finalized_slots`` override those of the profile. ``pools`` is
    one of ``POOL_SETS``, ``nodes`` the number of nodes that serve the chain, ``dress`` the cluster
    that it looks like: one of ``DRESS_NAMES``.
    """

    profile: str = "demo"
    seed: int = 1
    sol_price: int = 100
    depth_usd: int = 200_000_000
    has_moving_prices: bool = True
    slot_s: float = 0.4
    confirmed_slots: int | None = None
    finalized_slots: int | None = None
    pools: str = POOL_SETS[0]
    nodes: int = 1
    dress: str = DRESS_NAMES[0]

    def __post_init__(self) -> None:
        assert self.profile in PROFILES
        assert self.pools in POOL_SETS
        assert self.dress in DRESS_NAMES
        assert 1 <= self.sol_price <= 1_000_000
        assert DEPTHS_USD[0] <= self.depth_usd <= DEPTHS_USD[1]
        assert 1 <= self.nodes <= NODES_MAX
        assert 0.01 <= self.slot_s <= 3_600

    @property
    def has_many_pools(self) -> bool:
        """Whether the chain has many pools of some pairs, in all programs."""
        return self.pools == "many"

    @property
    def timing(self) -> Timing:
        """The timing of the profile."""
        return PROFILES[self.profile]

    def confirmation_depth(self, *, is_finalized: bool) -> int:
        """How many slots must follow a block until it is confirmed, or finalized."""
        timing = self.timing
        override = self.finalized_slots if is_finalized else self.confirmed_slots
        default = timing.finalized_slots if is_finalized else timing.confirmed_slots
        return default if override is None else override

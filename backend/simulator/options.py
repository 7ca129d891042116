"""What a simulated chain is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLOCKHASH_BLOCKS: Final = 150
"""How many blocks a blockhash is valid after the one that it belongs to."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take, in seconds, and how many slots until a block is sure.

    A sent transaction lands ``landing_min_s`` to ``landing_max_s`` later, with ``by_slot`` at the
    next start of a slot, else as soon as the entry under way is closed.
    """

    read_s: float
    landing_min_s: float
    landing_max_s: float
    by_slot: bool
    confirmed_slots: int
    finalized_slots: int


PROFILES: Final = {
    # Landing and one more slot to be confirmed: 2 to 3 s after the send.
    "demo": Timing(0.2, 1.6, 2.2, by_slot=True, confirmed_slots=1, finalized_slots=32),
    "instant": Timing(0, 0.002, 0.002, by_slot=False, confirmed_slots=0, finalized_slots=0),
}
"""Timings by the name of a profile; the names are those of ``config.Profile``."""


@dataclass(frozen=True, slots=True)
class SimulatedOptions:
    """A chain. Prices are a function of ``seed`` and the slot; ``wander`` 0 keeps them still.

    ``sol_price`` is dollars for one SOL, ``depth_usd`` what each side of a pool is worth.
    ``confirmed_slots`` and ``finalized_slots`` replace those of the profile.
    """

    profile: str = "demo"
    seed: int = 1
    sol_price: int = 100
    depth_usd: int = 200_000_000
    wander: bool = True
    slot_s: float = 0.4
    confirmed_slots: int | None = None
    finalized_slots: int | None = None

    def __post_init__(self) -> None:
        assert self.profile in PROFILES
        assert 1 <= self.sol_price <= 1_000_000
        assert 10_000 <= self.depth_usd <= 1_000_000_000
        assert 0.01 <= self.slot_s <= 3_600

    @property
    def timing(self) -> Timing:
        """The profile's timing."""
        return PROFILES[self.profile]

    def depth_of(self, *, finalized: bool) -> int:
        """How many slots must follow a block until it is confirmed or finalized."""
        timing = self.timing
        given = self.finalized_slots if finalized else self.confirmed_slots
        usual = timing.finalized_slots if finalized else timing.confirmed_slots
        return usual if given is None else given

"""The instructions of a swap: built once, then measured, priced and compiled.

What they are apart from amounts is their shape: transactions of one shape take about the same
compute units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from solders.instruction import Instruction
from solders.pubkey import Pubkey

LEG_COMPUTE_UNITS: Final = 60_000
"""What one more swap of a transaction takes at most, besides its arrays of ticks or bins."""
_ARRAYS_COMPUTE_UNITS: Final = 100_000
"""What a swap takes at most for the arrays of ticks or bins that it crosses."""


class RouteShape(NamedTuple):
    """What the compute units of a swap depend on, apart from amounts.

    ``legs`` are the programs of its swaps in their order, each with the number of its accounts:
    they name the arrays of ticks or bins that are read. ``accounts`` are the token accounts that
    it creates where they are missing, and ``are_missing`` whether one is: to derive an address
    takes more or less of the program. ``wraps`` if SOL is among its tokens.
    """

    legs: tuple[tuple[Pubkey, int], ...]
    accounts: tuple[Pubkey, ...]
    wraps: bool
    are_missing: bool = False


class SwapInstructions(NamedTuple):
    """The instructions of one swap for its ``owner``, all but those of the compute budget.

    ``created`` are the token accounts that it creates where they are missing, ``own`` are all
    accounts of the owner. ``wraps`` if a temporary account of wrapped SOL is among them.
    ``pool_programs`` are those of its pools, and ``array_swaps`` is how many of its swaps read
    arrays of ticks or bins.
    """

    owner: Pubkey
    before: Sequence[Instruction]
    swaps: Sequence[Instruction]
    after: Sequence[Instruction]
    own: tuple[Pubkey, ...]
    created: tuple[Pubkey, ...]
    wraps: bool
    pool_programs: frozenset[Pubkey]
    array_swaps: int

    def list_locked_accounts(self) -> tuple[Pubkey, ...]:
        """List the accounts of pools that the swaps lock for writing: the same for all owners."""
        locked: dict[Pubkey, None] = {}
        for swap in self.swaps:
            written = (meta.pubkey for meta in swap.accounts if meta.is_writable)
            locked.update(dict.fromkeys(key for key in written if key not in self.own))
        return tuple(locked)

    def find_shape(self, *, are_missing: bool) -> RouteShape:
        """Find the shape; ``are_missing`` if one of the accounts that it creates is not there."""
        legs = tuple([(swap.program_id, len(swap.accounts)) for swap in self.swaps])
        return RouteShape(legs, self.created, self.wraps, are_missing)

    def estimate_units(self, single: int) -> int:
        """The compute units that it takes at most, by ``single``, those of one swap without arrays.

        It is a bound by experience, for programs that behave as usual.
        """
        legs = (len(self.swaps) - 1) * LEG_COMPUTE_UNITS
        return single + legs + self.array_swaps * _ARRAYS_COMPUTE_UNITS

"""What a client asks of an order's route, in the terms of the aggregators that it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEGS_MAX: Final = 4
"""Most pools that a route swaps in: more do not fit a transaction."""
HOPS_MAX: Final = 3
"""Most swaps that follow each other in a route."""
POOLS_MAX: Final = 16
"""Most pools that an order may name."""


@dataclass(frozen=True, slots=True)
class RouteConstraints:
    """The pools that an order's route may use, and how many; ``None`` or empty leaves that open.

    ``dexes`` and ``exclude_dexes`` have names of exchanges and of their programs, such as
    ``raydium`` and ``raydium/clmm``; ``pools`` are addresses. ``max_hops`` is the number of swaps
    that follow each other at most: 1 for a direct route.
    """

    dexes: tuple[str, ...] = ()
    exclude_dexes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    max_legs: int | None = None
    max_hops: int | None = None

    def allows(self, dex: str, program: str, pool: str) -> bool:
        """Whether the route may use a pool of a program."""
        names = {dex, f"{dex}/{program}"}
        return (
            (not self.dexes or not names.isdisjoint(self.dexes))
            and names.isdisjoint(self.exclude_dexes)
            and (not self.pools or pool in self.pools)
        )

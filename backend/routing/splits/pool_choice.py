"""Which of a pair's pools share an order, if only so many may.

At a common root, the surplus of a pool is what it pays beyond what its amount would bring at that
price. Whatever the root, no set of pools pays more than the amount at that price and the surpluses
of its pools, less what its legs cost; so the set with the largest surpluses at its own root is the
best there is. Where no set is that, all that such bounds do not rule out are tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from backend.routing.splits.allocation import Allocation, BoundedCurve, allocate

_SWAPS_MAX: Final = 6
_CONTENDERS_MAX: Final = 8
"""Most pools whose sets are tried one by one."""
_TRIALS_MAX: Final = 40
_INDIFFERENCE: Final = 1e-6
"""Sets that cannot be better than the best one by more than this share are not tried."""


class PoolChoice(NamedTuple):
    """Pools that share an order, the amount of each, and what they pay less the cost of legs."""

    pools: tuple[BoundedCurve, ...]
    allocation: Allocation
    value: float


def choose_pools(
    pools: Sequence[BoundedCurve], amount: int, legs_max: int, leg_cost: float
) -> PoolChoice | None:
    """Choose at most ``legs_max`` pools; ``leg_cost`` is in base units of the token out.

    ``None`` if no such set takes the amount.
    """
    return _PoolSearch(pools, amount, legs_max, leg_cost).find()


class _PoolSearch:
    def __init__(
        self, pools: Sequence[BoundedCurve], amount: int, legs_max: int, leg_cost: float
    ) -> None:
        self._pools: Final = pools
        self._amount: Final = float(amount)
        self._legs_max: Final = legs_max
        self._leg_cost: Final = leg_cost
        self._best: PoolChoice | None = None
        self._roots: Final[list[tuple[float, list[float]]]] = []
        self._tried: Final[set[tuple[int, ...]]] = set()

    def find(self) -> PoolChoice | None:
        everything = allocate(self._pools, self._amount)
        if everything is None:
            return None
        largest = self._list_largest(everything.root)
        used = tuple(n for n, each in enumerate(everything.amounts) if each > 0)
        if used == largest:
            amounts = tuple(everything.amounts[n] for n in largest)
            return self._build_choice(largest, everything._replace(amounts=amounts))
        for _ in range(_SWAPS_MAX):
            if largest in self._tried:
                break
            choice = self._try(largest, everything.root)
            if choice is None:
                break
            following = self._list_largest(choice.allocation.root)
            if following == largest:
                return choice
            largest = following
        self._try_contenders(everything.root)
        return self._best

    def _list_largest(self, root: float) -> tuple[int, ...]:
        """The pools with the largest surpluses that are worth a leg, in their order; at least one.

        The surpluses are remembered: they bound what any set can pay.
        """
        surpluses = [pool.compute_surplus(root) for pool in self._pools]
        self._roots.append((root, surpluses))
        order = sorted(range(len(surpluses)), key=surpluses.__getitem__, reverse=True)
        worth = [n for n in order[: self._legs_max] if surpluses[n] > self._leg_cost]
        return tuple(sorted(worth or order[:1]))

    def _try(self, members: tuple[int, ...], near: float) -> PoolChoice | None:
        self._tried.add(members)
        allocation = allocate([self._pools[n] for n in members], self._amount, near)
        if allocation is None:
            return None
        choice = self._build_choice(members, allocation)
        if self._best is None or choice.value > self._best.value:
            self._best = choice
        return choice

    def _build_choice(self, members: tuple[int, ...], allocation: Allocation) -> PoolChoice:
        pools = tuple(self._pools[n] for n in members)
        out = 0.0
        for pool, amount in zip(pools, allocation.amounts, strict=True):
            if amount:
                out += pool.curve.compute_out(amount) - self._leg_cost
        return PoolChoice(pools, allocation, out + self._leg_cost)

    def _try_contenders(self, near: float) -> None:
        """Try all sets that may be better than the best one, the most promising first."""
        bounded = [(self._bound(members), members) for members in self._list_sets()]
        bounded.sort(key=lambda each: (-each[0], each[1]))
        for bound, members in bounded[:_TRIALS_MAX]:
            if self._best is not None and bound <= self._best.value * (1 + _INDIFFERENCE):
                break
            if members not in self._tried:
                self._try(members, near)

    def _list_sets(self) -> Iterator[tuple[int, ...]]:
        _, surpluses = self._roots[0]
        order = sorted(range(len(surpluses)), key=surpluses.__getitem__, reverse=True)
        contenders = sorted(order[: max(_CONTENDERS_MAX, self._legs_max)])
        for count in range(1, min(self._legs_max, len(contenders)) + 1):
            yield from combinations(contenders, count)

    def _bound(self, members: tuple[int, ...]) -> float:
        """The most that a set can pay less the cost of its legs, as far as it is known."""
        cost = self._leg_cost * (len(members) - 1)
        return min(
            self._amount / (root * root) + sum(surpluses[n] for n in members) - cost
            for root, surpluses in self._roots
        )

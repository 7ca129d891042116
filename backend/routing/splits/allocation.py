"""The amounts at which several pools pay the same for the next base unit: water-filling."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from backend.routing.splits.pool_curve import PoolCurve

_ROUNDS_MAX: Final = 120
_TOLERANCE: Final = 1e-12


class BoundedCurve(NamedTuple):
    """A pool's curve up to an amount in; ``number`` is the pool's place among all of the pair."""

    number: int
    curve: PoolCurve
    limit: float

    def measure_amount(self, root: float) -> float:
        """Measure what the pool takes at a root."""
        return min(self.curve.measure(root).amount_in, self.limit)

    def compute_surplus(self, root: float) -> float:
        """Compute what the pool pays at a root beyond what its amount would bring elsewhere."""
        amount = self.measure_amount(root)
        return self.curve.compute_out(amount) - amount / (root * root) if amount else 0.0


class Allocation(NamedTuple):
    """The common root, and the amount of each pool."""

    root: float
    amounts: tuple[float, ...]


def allocate(
    pools: Sequence[BoundedCurve], amount: float, near: float | None = None
) -> Allocation | None:
    """Allocate an amount to pools, so that all that get some pay the same for the next unit.

    ``near`` is a guess of the common root. ``None`` if the pools together do not take the amount.
    """
    high = _find_upper_root(pools, amount)
    if high is None:
        return None
    low = min(pool.curve.first_root for pool in pools)
    start = near if near is not None and low < near < high else low
    root = high if len(pools) == 1 else _find_common_root(pools, amount, low, high, start)
    return Allocation(root, tuple(pool.measure_amount(root) for pool in pools))


def _find_upper_root(pools: Sequence[BoundedCurve], amount: float) -> float | None:
    """A root at which the pools take at least the amount, if they ever do."""
    high = inf
    # Those without an end first: they bound how far the others are traced.
    for pool in sorted(pools, key=lambda each: not each.curve.is_endless):
        if pool.limit >= amount:
            high = min(high, pool.curve.find_root(amount, high))
    if high < inf:
        return high
    ends = []
    total = 0.0
    for pool in pools:
        root = pool.curve.find_root(min(pool.limit, amount), inf)
        if root < inf:
            ends.append(root)
            total += pool.limit
        else:
            end, most = pool.curve.find_end()
            ends.append(end)
            total += most
    return max(ends) if total >= amount else None


def _find_common_root(
    pools: Sequence[BoundedCurve], amount: float, low: float, high: float, root: float
) -> float:
    """Find the root at which the pools together take the amount.

    The sum is piecewise linear: each round looks at one piece, which has the solution or rules out
    all on one side. Right after a piece that is too low, the next one is tried.
    """
    low_total, high_total = 0.0, inf
    is_next_piece = False
    for n in range(_ROUNDS_MAX):
        total, slope, following = _sum_points(pools, root)
        missing = amount - total
        solution = root + missing / slope if slope else inf
        # A solution that rounds to the root itself is as near as floating point comes.
        if abs(missing) <= _TOLERANCE * amount or solution == root:
            return root
        if missing > 0 and solution <= following:
            return solution
        if missing < 0:
            high, high_total = root, total
        else:
            low, low_total = following, total + (slope * (following - root) if slope else 0.0)
            if not low < high:
                return high
            if not is_next_piece:
                root, is_next_piece = low, True
                continue
            solution = low + (high - low) * (amount - low_total) / (high_total - low_total)
        is_next_piece = False
        root = solution if n % 3 != 2 and low < solution < high else (low + high) / 2
    return high


def _sum_points(pools: Sequence[BoundedCurve], root: float) -> tuple[float, float, float]:
    """What all pools take at a root, how much more for each unit of it, and up to which root."""
    total = slope = 0.0
    following = inf
    for pool in pools:
        amount, own_slope, own_following = pool.curve.measure(root)
        if amount >= pool.limit:
            total += pool.limit
            continue
        total += amount
        if own_slope:
            slope += own_slope
            own_following = min(own_following, root + (pool.limit - amount) / own_slope)
        following = min(following, own_following)
    return total, slope, following

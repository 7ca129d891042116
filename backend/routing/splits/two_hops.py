"""Routes through a token in between: two splits, of which the second spends what the first ensures.

The amount of the second is fixed in its instructions before the first is executed. So it is the sum
of the minimum outputs of the first's legs; what they pay above that stays in the wallet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from backend.domain.amounts import ceil_div, compute_min_out
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splits.split import Split


class HopTerms(NamedTuple):
    """What an order asks of a route of two hops; ``leg_cost`` is in units of the token out.

    ``slippage_bps`` is by how much each leg of the first hop may pay less than its quote.
    """

    amount_in: int
    slippage_bps: int
    legs_max: int
    leg_cost: int = 0
    max_price_impact_bps: int | None = None


@dataclass(frozen=True, slots=True)
class TwoHops:
    """A split into a token in between, and one of what it ensures into the token out."""

    first: Split
    second: Split

    @property
    def amount_out(self) -> int:
        """What the second hop pays, in base units."""
        return self.second.amount_out

    @property
    def legs(self) -> int:
        """How many legs both hops have."""
        return len(self.first.parts) + len(self.second.parts)

    @property
    def residual(self) -> int:
        """What is expected to stay in the wallet, in base units of the token in between."""
        return self.first.amount_out - self.second.amount_in

    def compute_value(self, leg_cost: int) -> int:
        """What it pays less the cost of each leg but the first; the residual is not counted."""
        return self.amount_out - leg_cost * (self.legs - 1)


def find_two_hops(first: PoolCurves, second: PoolCurves, terms: HopTerms) -> TwoHops | None:
    """Find the route of two hops that is worth most; ``None`` if there is none.

    ``first`` are the pools of the token in and the one in between, ``second`` those of the latter
    and the token out. Both hops together have at most ``legs_max`` legs, and no leg has a price
    impact above the cap.
    """
    best: TwoHops | None = None
    for route in _list_routes(first, second, terms):
        if best is None or route.compute_value(terms.leg_cost) > best.compute_value(terms.leg_cost):
            best = route
    return best


def _list_routes(first: PoolCurves, second: PoolCurves, terms: HopTerms) -> Iterator[TwoHops]:
    """The best route for each number of legs that the first hop may have, the fewest first."""
    cost_between = 0
    legs_before = 0
    for legs_max in range(1, terms.legs_max):
        one = first.split(
            terms.amount_in,
            legs_max=legs_max,
            leg_cost=cost_between,
            max_price_impact_bps=terms.max_price_impact_bps,
        )
        if one is None:
            continue
        if len(one.parts) == legs_before:  # more legs gain nothing
            return
        legs_before = len(one.parts)
        ensured = _compute_ensured(one, terms.slippage_bps)
        other = second.split(
            ensured,
            legs_max=terms.legs_max - len(one.parts),
            leg_cost=terms.leg_cost,
            max_price_impact_bps=terms.max_price_impact_bps,
        )
        if other is None:
            continue
        # What a leg costs, converted at the price of the second hop.
        cost_between = ceil_div(terms.leg_cost * other.amount_in, other.amount_out)
        yield TwoHops(one, other)


def _compute_ensured(split: Split, slippage_bps: int) -> int:
    """What a split pays at least: the sum of the minimum outputs of its legs."""
    return sum(compute_min_out(part.quote.amount_out, slippage_bps) for part in split.parts)

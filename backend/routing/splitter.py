"""Splits orders over the pools of their pair, as far as one transaction permits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from operator import is_
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.transactions import LEG_COMPUTE_UNITS, WIRE_BYTES_MAX, SwapLeg, measure_swap
from backend.domain.orders import OrderTerms
from backend.domain.quotes import Quote
from backend.domain.route_constraints import LEGS_MAX
from backend.domain.tokens import SOL
from backend.routing.splits import PoolCurves, Split
from backend.venues.venue import Pool

CURVES_MAX: Final = 64
"""Most pairs, by direction, whose curves are kept for the orders of one read."""
_MICROLAMPORTS: Final = 1_000_000


_Direction = tuple[Pubkey, Pubkey]
"""The first pool of a pair, and the mint that is paid in."""


class Splitter:
    """Finds what several pools pay together, if that is more than one of them pays.

    ``unit_price`` is that of the compute units, in micro-lamports: a leg has to bring more than it
    costs, as far as that can be told in the token out.
    """

    def __init__(self, *, legs_max: int, unit_price: int) -> None:
        assert 1 <= legs_max <= LEGS_MAX
        self._legs_max = legs_max
        self._leg_lamports = LEG_COMPUTE_UNITS * unit_price // _MICROLAMPORTS
        self._curves: OrderedDict[_Direction, tuple[Sequence[Pool], PoolCurves]] = OrderedDict()

    def split(
        self, terms: OrderTerms, pools: Sequence[Pool], quotes: Sequence[Quote]
    ) -> Split | None:
        """Split an order over several pools; ``None`` if one of them does as well, or none can.

        ``quotes`` are those of the pools that take the whole amount.
        """
        asked = terms.constraints.max_legs if terms.constraints is not None else None
        legs_max = min(self._legs_max, asked or LEGS_MAX, len(pools))
        if legs_max < 2:
            return None
        curves = self._find_curves(pools, Pubkey.from_string(terms.token_in.mint))
        leg_cost = self._compute_leg_cost(terms, quotes)
        while legs_max > 1:
            split = curves.split(
                terms.amount_in,
                legs_max=legs_max,
                leg_cost=leg_cost,
                max_price_impact_bps=terms.max_price_impact_bps,
            )
            if split is None or len(split.parts) < 2:
                return None
            if _fits(terms, split):
                return split
            legs_max = len(split.parts) - 1
        return None

    def _find_curves(self, pools: Sequence[Pool], mint_in: Pubkey) -> PoolCurves:
        """The curves of pools as they are now, which many orders share."""
        direction = pools[0].address, mint_in
        kept = self._curves.get(direction)
        if kept is not None and len(kept[0]) == len(pools) and all(map(is_, kept[0], pools)):
            return kept[1]
        curves = PoolCurves(pools, mint_in)
        self._curves[direction] = tuple(pools), curves
        self._curves.move_to_end(direction)
        if len(self._curves) > CURVES_MAX:
            self._curves.popitem(last=False)
        return curves

    def _compute_leg_cost(self, terms: OrderTerms, quotes: Sequence[Quote]) -> int:
        """What one more leg costs, in base units of the token out; 0 where that is not known."""
        if terms.token_out == SOL:
            return self._leg_lamports
        if terms.token_in == SOL and quotes:
            best = max(quote.amount_out for quote in quotes)
            return self._leg_lamports * best // terms.amount_in
        return 0


def _fits(terms: OrderTerms, split: Split) -> bool:
    """Whether a transaction can hold all legs."""
    mint_in, mint_out = (Pubkey.from_string(t.mint) for t in (terms.token_in, terms.token_out))
    legs = [SwapLeg(part.pool, part.quote.amount_in, part.quote.amount_out) for part in split.parts]
    return measure_swap(legs, mint_in, mint_out) <= WIRE_BYTES_MAX

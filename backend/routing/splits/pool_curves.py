"""The pools of a pair in one direction, and the best splits of orders over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import Quote
from backend.routing.splits.exact_quotes import CappedQuotes, ExactQuotes
from backend.routing.splits.pool_curve import PoolCurve
from backend.routing.splits.split import Split, SplitPart
from backend.routing.splits.split_search import Parts, SplitSearch, SplitTerms
from backend.venues.venue import Pool


class PoolCurves:
    """The curves of several pools of one pair in one direction, for many orders.

    The pools are snapshots of one read; what is computed of them once serves all orders.
    """

    def __init__(self, pools: Sequence[Pool], mint_in: Pubkey) -> None:
        self._pools: Final = tuple(pools)
        self._mint_in: Final = mint_in
        self._quotes: Final = ExactQuotes(self._pools, mint_in)

    def estimate_out(self, amount_in: float) -> float:
        """Estimate what the best pool alone pays, for as much of an amount as it takes."""
        curves = (curve for curve in self._curves if not curve.is_empty)
        return max((curve.compute_out(amount_in) for curve in curves), default=0.0)

    def split(
        self,
        amount_in: int,
        *,
        legs_max: int,
        leg_cost: int = 0,
        max_price_impact_bps: int | None = None,
    ) -> Split | None:
        """Split an amount over at most ``legs_max`` pools so that they together pay most.

        ``leg_cost`` is what each leg but the first costs, in base units of the token out; the split
        is worth no less, after that, than the best single pool pays. No part has a price impact
        above the cap, and a pool that refuses large amounts, or needs accounts for them that were
        not read, is used as far as it quotes. ``None`` if that leaves nothing for all the amount.
        """
        assert amount_in > 0
        assert legs_max > 0
        assert leg_cost >= 0
        quotes = CappedQuotes(self._quotes, max_price_impact_bps)
        parts: Parts | None
        if len(self._pools) == 1:
            parts = {0: amount_in} if quotes.find(0, amount_in) is not None else None
        else:
            terms = SplitTerms(amount_in, legs_max, leg_cost, max_price_impact_bps)
            parts = SplitSearch(self._curves, quotes, terms).find()
        return None if parts is None else self._build_split(parts)

    @cached_property
    def _curves(self) -> list[PoolCurve]:
        return [_make_curve(pool, self._mint_in) for pool in self._pools]

    def _build_split(self, parts: Parts) -> Split:
        order = sorted(parts, key=lambda index: (-parts[index], index))
        found = []
        for index in order:
            quote = self._quotes.get(index, parts[index])
            assert isinstance(quote, Quote)
            found.append(SplitPart(self._pools[index], quote))
        return Split(tuple(found))


def _make_curve(pool: Pool, mint_in: Pubkey) -> PoolCurve:
    """The pool's curve; an empty one where it does not trade the token."""
    try:
        return PoolCurve(pool.trace_curve(mint_in))
    except Rejected:
        return PoolCurve(iter(()))

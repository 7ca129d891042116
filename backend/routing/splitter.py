"""Splits orders over the pools of their pair, as far as one transaction permits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import is_
from typing import Final, NamedTuple

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from backend.chain.lookup_tables import LookupTables
from backend.chain.swap_instructions import LEG_COMPUTE_UNITS
from backend.chain.transactions import SwapLeg, fits_transaction, measure_swap
from backend.chain.unit_prices import UnitPrices
from backend.domain.errors import EngineError
from backend.domain.fees.order_fees import MICROLAMPORTS
from backend.domain.orders import OrderTerms
from backend.domain.quotes import E9, Quote
from backend.domain.route_constraints import LEGS_MAX
from backend.domain.tokens import SOL
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splits.split import Split, SplitPart
from backend.venues.venue import Pool

CURVES_MAX: Final = 64
"""Most pairs, by direction, whose curves are kept for the orders of one read."""
_ROUNDING_MARGIN: Final = 1 + 1e-12


class Offer(NamedTuple):
    """A pool with what it pays for the whole amount of an order."""

    pool: Pool
    quote: Quote


class _PairCurves:
    """The pools of one read in one direction, with what is computed of them once."""

    def __init__(self, pools: Sequence[Pool], mint_in: Pubkey) -> None:
        self.pools: Final = tuple(pools)
        self._mint_in: Final = mint_in
        self._curves: dict[tuple[int, ...], PoolCurves] = {}
        self.splits: dict[tuple[int, int, int | None, int], Split | None] = {}
        """Those of orders of one amount, number of legs, cap and cost of a leg: they share them."""

    def is_of(self, pools: Sequence[Pool]) -> bool:
        """Whether these are the same states of the same pools."""
        return len(pools) == len(self.pools) and all(map(is_, pools, self.pools))

    def get_curves(self, pools: Sequence[Pool]) -> PoolCurves:
        """The curves of some of these pools."""
        key = tuple(map(id, pools))
        curves = self._curves.get(key)
        if curves is None:
            curves = self._curves[key] = PoolCurves(pools, self._mint_in)
        return curves

    @cached_property
    def _first_prices(self) -> dict[Pubkey, float]:
        """What each pool pays for the first unit; nothing is said of one that does not tell."""
        prices = {}
        for pool in self.pools:
            try:
                price = pool.marginal_price(self._mint_in)
            except EngineError:
                prices[pool.address] = float("inf")
            else:
                prices[pool.address] = price.numerator / price.denominator
        return prices

    def may_gain(self, best: Offer | None) -> bool:
        """Whether some pool may pay more for a part of an order than the best one for the last.

        Along x · y = k the last unit has the price of the whole amount, less its impact once more.
        """
        if best is None or not best.pool.is_single_curve:
            return True
        own, quote = best.pool.address, best.quote
        last_price = quote.amount_out * (E9 - quote.price_impact_e9) / (quote.amount_in * E9)
        most = max(price for address, price in self._first_prices.items() if address != own)
        return most * _ROUNDING_MARGIN > last_price


_Direction = tuple[Pubkey, Pubkey]
"""The first pool of a pair, and the mint that is paid in."""


class Splitter:
    """Finds what several pools pay together, if that is more than one of them pays.

    ``prices`` are those of the compute units: a leg has to bring more than it costs, as far as that
    can be told in the token out. ``tables`` are the lookup tables that its transaction can use.
    """

    def __init__(
        self, *, legs_max: int, prices: UnitPrices, tables: LookupTables | None = None
    ) -> None:
        assert 1 <= legs_max <= LEGS_MAX
        self.legs_max: Final = legs_max
        self.prices: Final = prices
        self._tables = tables
        self._curves: OrderedDict[_Direction, _PairCurves] = OrderedDict()

    def split(self, terms: OrderTerms, pools: Sequence[Pool], best: Offer | None) -> Split | None:
        """Split an order over several pools; ``None`` if one of them does as well, or none can.

        ``best`` is the best offer of a pool that takes the whole amount within the order's cap.
        """
        asked = terms.constraints.max_legs if terms.constraints is not None else None
        legs_max = min(self.legs_max, asked or LEGS_MAX, len(pools))
        if legs_max < 2:
            return None
        pair = self._find_curves(pools, Pubkey.from_string(terms.token_in.mint))
        if not pair.may_gain(best):
            return None
        amount_out = best.quote.amount_out if best is not None else None
        leg_cost = self.compute_leg_cost(terms, amount_out, pools)
        key = terms.amount_in, legs_max, terms.max_price_impact_bps, leg_cost
        if key not in pair.splits:
            pair.splits[key] = self._find_better(pair, terms, best, legs_max, leg_cost)
        return pair.splits[key]

    def _find_better(
        self,
        pair: _PairCurves,
        terms: OrderTerms,
        best: Offer | None,
        legs_max: int,
        leg_cost: int,
    ) -> Split | None:
        """The best split that pays more than the best pool alone, less what its legs cost."""
        split = _find_fitting(pair, terms, legs_max, leg_cost, self._list_tables())
        if split is None or best is None:
            return split
        return split if split.compute_value(leg_cost) > best.quote.amount_out else None

    def _find_curves(self, pools: Sequence[Pool], mint_in: Pubkey) -> _PairCurves:
        """The curves of pools as they are now, which many orders share."""
        direction = pools[0].address, mint_in
        kept = self._curves.get(direction)
        if kept is None or not kept.is_of(pools):
            kept = self._curves[direction] = _PairCurves(pools, mint_in)
            self._curves.move_to_end(direction)
            if len(self._curves) > CURVES_MAX:
                self._curves.popitem(last=False)
        return kept

    def compute_leg_cost(
        self, terms: OrderTerms, amount_out: int | None, pools: Iterable[Pool]
    ) -> int:
        """What one more leg costs, in base units of the token out; 0 where that is not known.

        ``amount_out`` is what some route pays for the order's amount, ``pools`` are those that the
        leg may be in.
        """
        if SOL not in {terms.token_in, terms.token_out}:
            return 0
        unit_price = self.prices.find((pool.address for pool in pools), terms.fees)
        lamports = LEG_COMPUTE_UNITS * unit_price // MICROLAMPORTS
        if terms.token_out == SOL:
            return lamports
        return 0 if amount_out is None else lamports * amount_out // terms.amount_in

    def find_curves(self, pools: Sequence[Pool], mint_in: Pubkey) -> PoolCurves:
        """The curves of the pools of two tokens, which many orders share."""
        return self._find_curves(pools, mint_in).get_curves(pools)

    def fits(self, legs: Sequence[SwapLeg], mint_in: Pubkey, mint_out: Pubkey) -> bool:
        """Whether one transaction can have all legs of a swap."""
        return fits_transaction(legs, mint_in, mint_out, self._list_tables())

    def _list_tables(self) -> Sequence[AddressLookupTableAccount]:
        return self._tables.usable if self._tables is not None else ()


def _find_fitting(
    pair: _PairCurves,
    terms: OrderTerms,
    legs_max: int,
    leg_cost: int,
    tables: Sequence[AddressLookupTableAccount],
) -> Split | None:
    """The best split over several pools that fits a transaction, as far as a few tries tell.

    Of a split that does not fit, first a leg is dropped, then the pool that takes most room.
    """
    pools: Sequence[Pool] = pair.pools
    while legs_max > 1 and len(pools) > 1:
        split = pair.get_curves(pools).split(
            terms.amount_in,
            legs_max=legs_max,
            leg_cost=leg_cost,
            max_price_impact_bps=terms.max_price_impact_bps,
        )
        if split is None or len(split.parts) < 2:
            return None
        if fits_transaction(*_build_legs(terms, split.parts), tables):
            return split
        legs_max = min(legs_max, len(split.parts))
        if legs_max > 2:
            legs_max -= 1
        else:
            largest = max(split.parts, key=lambda part: _measure(terms, part)).pool
            pools = [pool for pool in pools if pool is not largest]
    return None


def _measure(terms: OrderTerms, part: SplitPart) -> int:
    """The bytes of the transaction that swaps one part."""
    return measure_swap(*_build_legs(terms, [part]))


def _build_legs(
    terms: OrderTerms, parts: Sequence[SplitPart]
) -> tuple[list[SwapLeg], Pubkey, Pubkey]:
    """The legs that swap some parts, and their two mints."""
    mint_in, mint_out = (Pubkey.from_string(t.mint) for t in (terms.token_in, terms.token_out))
    legs = [SwapLeg(part.pool, part.quote.amount_in, part.quote.amount_out) for part in parts]
    return legs, mint_in, mint_out

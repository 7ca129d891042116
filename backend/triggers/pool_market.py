"""A market made of pools: executable prices, and bounds of them for amounts of similar size.

A pool's price falls with the amount, apart from rounding: what a pool pays for a is f(a) with f
concave and f(0) = 0, rounded down by a few base units of either token. So the price of the least
amount of a range, with that remainder added, bounds the range from above, and the price of its
largest from below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX, ceil_div
from backend.domain.conditions import LOWEST_PRICE
from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import E9, Quote, best_quote
from backend.venues.spl import TOKEN_2022_PROGRAM
from backend.venues.venue import Pool

HIGHEST_PRICE: Final = PriceRatio(U64_MAX, 1)
_ROUNDINGS: Final = 4
"""No venue rounds more often, by one base unit of the token in or out each time."""


@dataclass(frozen=True, slots=True)
class PoolMarket:
    """The pools of a pair as they were read, all of them unless ``is_complete`` is false.

    A token with a transfer fee has no bounds: its fee may have a maximum, so that a larger amount
    can have a better price.
    """

    mint_in: Pubkey
    mint_out: Pubkey
    pools: Sequence[Pool]
    slot: int
    is_complete: bool = True

    def quote(self, amount_in: int, max_price_impact_bps: int | None = None) -> Quote | None:
        """The best quote within the cap; ``None`` if no pool gives one."""
        quotes: list[Quote] = []
        for pool in self.pools:
            quote = self._quote(pool, amount_in)
            if isinstance(quote, Quote) and (
                max_price_impact_bps is None or quote.is_within_impact(max_price_impact_bps)
            ):
                quotes.append(quote)
        return best_quote(quotes) if quotes else None

    def find_ceiling(self, low: int, high: int) -> PriceRatio:
        """A price that no amount from ``low`` to ``high`` exceeds."""
        del high
        return max((self._find_ceiling(pool, low) for pool in self.pools), default=LOWEST_PRICE)

    def find_floor(self, low: int, high: int) -> PriceRatio:
        """A price that every amount from ``low`` to ``high`` has at least; 0 if one has none."""
        floors = (self._find_floor(pool, low, min(high, U64_MAX)) for pool in self.pools)
        return max(floors, default=LOWEST_PRICE)

    def _find_ceiling(self, pool: Pool, low: int) -> PriceRatio:
        quote = self._quote(pool, low)
        if self._has_transfer_fee(pool):
            return HIGHEST_PRICE
        if isinstance(quote, Rejected):  # what is too small now may pay for a larger amount
            return HIGHEST_PRICE if quote.code == "zero_output" else LOWEST_PRICE
        remainder = _bound_remainder(quote)
        return HIGHEST_PRICE if remainder is None else PriceRatio(quote.amount_out + remainder, low)

    def _find_floor(self, pool: Pool, low: int, high: int) -> PriceRatio:
        quote = self._quote(pool, high)
        if isinstance(quote, Rejected) or self._has_transfer_fee(pool):
            return LOWEST_PRICE
        small = self._quote(pool, low)
        remainder = None if isinstance(small, Rejected) else _bound_remainder(small)
        if remainder is None:
            return LOWEST_PRICE
        # f(a) ≥ a · f(high) / high, less what rounding takes from the least amount.
        numerator = quote.amount_out * low - remainder * high
        return PriceRatio(max(numerator, 0), high * low)

    def _quote(self, pool: Pool, amount_in: int) -> Quote | Rejected:
        try:
            return pool.quote(self.mint_in, amount_in)
        except Rejected as error:
            return error

    def _has_transfer_fee(self, pool: Pool) -> bool:
        programs = {pool.token_program(self.mint_in), pool.token_program(self.mint_out)}
        return TOKEN_2022_PROGRAM in programs


def _bound_remainder(quote: Quote) -> int | None:
    """How much more a quote would pay without rounding, at most; ``None`` without a bound.

    A rounding of the token in costs its spot price, which is the price of the quote without its
    impact and fee. Rates are rounded to parts per billion.
    """
    kept_e9 = E9 - quote.price_impact_e9 - quote.fee_e9 - _ROUNDINGS
    if kept_e9 <= 0:
        return None
    spot = ceil_div((quote.amount_out + _ROUNDINGS) * E9, quote.amount_in * kept_e9)
    return _ROUNDINGS * (1 + spot + ceil_div((quote.amount_out + 1), E9))

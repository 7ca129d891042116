"""A market made of pools: executable prices, and bounds of them for amounts of similar size.

A pool's price falls with the amount, apart from rounding: what a pool pays for a is f(a) with f
concave and f(0) = 0, rounded down by a few base units of either token. So the price of the least
amount of a range, with that remainder added, bounds the range from above, and the price of its
largest from below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX, ceil_div
from backend.domain.conditions import LOWEST_PRICE
from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.domain.quotes import E9, Quote, best_quote
from backend.triggers.peaks import Payment, PeakPool
from backend.venues.spl import TOKEN_2022_PROGRAM
from backend.venues.venue import AccountsMissing, Pool

HIGHEST_PRICE: Final = PriceRatio(U64_MAX, 1)
_ROUNDINGS: Final = 4
"""No single curve rounds more often, by one base unit of the token in or out each time."""


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
    _spans: dict[Pubkey, _Span] = field(default_factory=dict, init=False, repr=False, compare=False)
    _followed: PoolMarket | None = field(default=None, init=False, repr=False, compare=False)

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

    def select_followed(self) -> PoolMarket:
        """The market that trailing stops follow: of the pools that move along one curve, if any.

        What others have paid cannot be remembered for every amount, so following them as well
        would cost a quote of each order in every slot.
        """
        if self._followed is None:
            pools = [pool for pool in self.pools if pool.is_single_curve] or self.pools
            followed = self if len(pools) == len(self.pools) else replace(self, pools=pools)
            object.__setattr__(self, "_followed", followed)
        assert self._followed is not None
        return self._followed

    def list_peak_pools(self) -> Sequence[PeakPool] | None:
        """The pools as peaks for trailing stops; ``None`` if one has no flat fee."""
        if not all(pool.has_flat_fee(self.mint_in) for pool in self.pools):
            return None
        return [DirectedPool(pool, self.mint_in) for pool in self.pools]

    def _find_ceiling(self, pool: Pool, low: int) -> PriceRatio:
        if self._has_transfer_fee(pool):
            return HIGHEST_PRICE
        if not pool.is_single_curve:
            return self._find_marginal_price(pool)
        quote = self._quote(pool, low)
        if isinstance(quote, Rejected):  # what is too small now may pay for a larger amount
            return HIGHEST_PRICE if quote.code == "zero_output" else LOWEST_PRICE
        remainder = _bound_remainder(quote)
        return HIGHEST_PRICE if remainder is None else PriceRatio(quote.amount_out + remainder, low)

    def _find_marginal_price(self, pool: Pool) -> PriceRatio:
        """What no amount is paid more than, by a pool of several curves, each worse than the last.

        How much rounding takes from an amount there depends on how many it crosses.
        """
        try:
            return pool.marginal_price(self.mint_in)
        except (Rejected, AccountsMissing):
            return HIGHEST_PRICE  # its first price is further away

    def _find_floor(self, pool: Pool, low: int, high: int) -> PriceRatio:
        if not pool.is_single_curve:
            return LOWEST_PRICE
        span = self._spans.get(pool.address)
        if span is not None and span.low <= low and high <= span.high:
            return span.find_floor(low, high)
        quote = self._quote(pool, high)
        if isinstance(quote, Rejected) or self._has_transfer_fee(pool):
            return LOWEST_PRICE
        remainder = _bound_remainder(quote)
        if remainder is None:
            return LOWEST_PRICE
        least = self._quote(pool, low)
        if low < high and isinstance(least, Quote) and pool.has_flat_fee(self.mint_in):
            self._spans[pool.address] = _Span(
                low, high, least.amount_out, quote.amount_out, remainder
            )
        # f(a) ≥ a · f(high) / high, less what rounding takes, which is most of the largest amount.
        numerator = quote.amount_out * low - remainder * high
        return PriceRatio(max(numerator, 0), high * low)

    def _quote(self, pool: Pool, amount_in: int) -> Quote | Rejected:
        try:
            return pool.quote(self.mint_in, amount_in)
        except Rejected as error:
            return error
        except AccountsMissing as error:  # so far away that nobody has read it
            return Rejected(error.code, error.reason)

    def _has_transfer_fee(self, pool: Pool) -> bool:
        programs = {pool.token_program(self.mint_in), pool.token_program(self.mint_out)}
        return TOKEN_2022_PROGRAM in programs


class _Span(NamedTuple):
    """What a pool with a flat fee pays for two amounts, which bounds what it pays in between.

    What one base unit in costs is linear in the amount, apart from rounding: ``remainder`` bounds
    what that takes from any of the amounts.
    """

    low: int
    high: int
    low_out: int
    high_out: int
    remainder: int

    def find_floor(self, low: int, high: int) -> PriceRatio:
        """A price that every amount from ``low`` to ``high``, within the span, has at least."""
        numerator = self.low_out * self.high_out * (self.high - self.low)
        denominator = self.low * self.high_out * (self.high - high) + self.high * self.low_out * (
            high - self.low
        )
        floor = numerator * low - self.remainder * denominator
        return PriceRatio(max(floor, 0), denominator * low)


@dataclass(frozen=True, slots=True)
class DirectedPool:
    """A pool in one direction of trade."""

    pool: Pool
    mint_in: Pubkey

    @property
    def slot(self) -> int:
        """The slot that it was read in."""
        return self.pool.slot

    def pay(self, amount_in: int) -> Payment | None:
        """What it pays for an amount; ``None`` if it does not swap it."""
        quote = self.quote(amount_in)
        return None if quote is None else Payment(quote.amount_out, _bound_remainder(quote))

    def quote(self, amount_in: int) -> Quote | None:
        """The quote of an amount; ``None`` if it does not swap it."""
        try:
            return self.pool.quote(self.mint_in, amount_in)
        except (Rejected, AccountsMissing):
            return None

    def pays_at_least(self, other: PeakPool) -> bool:
        """Whether it certainly pays what ``other`` pays for every amount, or more."""
        return (
            isinstance(other, DirectedPool)
            and self.pool.address == other.pool.address
            and self.pool.pays_at_least(other.pool, self.mint_in)
        )


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

"""Prices as exact ratios: what orders wait for, and what a route pays.

A price is base units of the token out for one base unit of the token in, after all fees. It is
parsed once, from a decimal that a client wrote for either token, and stays a ratio of integers:
"buy SOL at 95 USDC" has no finite decimal the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import total_ordering
from math import gcd
from typing import Final

from backend.domain.amounts import (
    BPS,
    U64_MAX,
    ceil_div,
    floor_div,
    format_amount,
    format_ratio,
    parse_decimal,
)

DISTANCE_MAX_BPS: Final = 10**9
"""Distances are shown up to here: a hundred thousand times the price."""
_DIGITS_MAX: Final = 40
"""Most significant digits of a price that a client writes, and of one that is shown exactly."""


class PriceOf(StrEnum):
    """Which token a decimal price is the price of."""

    TOKEN_IN = "tokenIn"  # noqa: S105 - a token of a pair
    """What one token in brings, in tokens out."""
    TOKEN_OUT = "tokenOut"  # noqa: S105 - a token of a pair
    """What one token out costs, in tokens in."""


@total_ordering
@dataclass(frozen=True, slots=True)
class PriceRatio:
    """Base units of the token out for one of the token in: ``numerator / denominator``.

    It is always in lowest terms, so that equal prices are equal values.
    """

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        assert self.numerator >= 0
        assert self.denominator > 0
        divisor = gcd(self.numerator, self.denominator)
        if divisor > 1:
            object.__setattr__(self, "numerator", self.numerator // divisor)
            object.__setattr__(self, "denominator", self.denominator // divisor)

    def __lt__(self, other: PriceRatio) -> bool:
        return self.numerator * other.denominator < other.numerator * self.denominator

    def min_amount_out(self, amount_in: int) -> int:
        """The least output at which ``amount_in`` is swapped at this price or better: rounded up.

        ⌈amount in · price⌉, and at least 1: a minimum of 0 is no protection.
        """
        return max(ceil_div(amount_in * self.numerator, self.denominator), 1)

    def scale_bps(self, bps: int) -> PriceRatio:
        """So many basis points of this price, exactly."""
        return PriceRatio(self.numerator * bps, self.denominator * BPS)

    def invert(self) -> PriceRatio:
        """The same price of the token out, in tokens in; a price of 0 has none."""
        return PriceRatio(self.denominator, self.numerator)

    def distance_bps(self, executable: PriceRatio) -> int:
        """How far this price is above ``executable``, in basis points of ``executable``.

        It is below 0 for a lower price. Rounded away from 0, so that it is 0 only for equal prices,
        and bounded by ``DISTANCE_MAX_BPS``.
        """
        ours = self.numerator * executable.denominator
        theirs = executable.numerator * self.denominator
        if ours == theirs:
            return 0
        if ours > theirs:
            if not theirs:
                return DISTANCE_MAX_BPS
            return min(ceil_div((ours - theirs) * BPS, theirs), DISTANCE_MAX_BPS)
        return max(floor_div((ours - theirs) * BPS, theirs), -DISTANCE_MAX_BPS)

    def format(
        self, decimals_in: int, decimals_out: int, price_of: PriceOf = PriceOf.TOKEN_IN
    ) -> str:
        """The price as a plain decimal in token units, of either token.

        Exact where a decimal of at most 40 significant digits can be, which every price is in the
        direction in which it was written; otherwise rounded down to 12 significant digits. A price
        of 0 has no price of the token out: it is 0 as well.
        """
        numerator = self.numerator * 10**decimals_in
        denominator = self.denominator * 10**decimals_out
        if price_of is PriceOf.TOKEN_OUT and numerator:
            numerator, denominator = denominator, numerator
        return _format_exactly(numerator, denominator) or format_ratio(numerator, denominator)


def parse_price(
    value: str | int | Decimal,
    decimals_in: int,
    decimals_out: int,
    price_of: PriceOf = PriceOf.TOKEN_IN,
) -> PriceRatio:
    """Convert a decimal price in token units to the exact ratio of base units.

    Raises ``ValueError`` with a reason if it is not a number, not positive, has too many digits, or
    is a price at which no 64-bit amounts can be swapped.
    """
    number = parse_decimal(value)
    if number <= 0:
        raise ValueError("must be greater than 0")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) > _DIGITS_MAX:
        raise ValueError(f"must have at most {_DIGITS_MAX} digits")
    numerator, denominator = int("".join(map(str, digits))), 1
    if exponent >= 0:
        numerator *= 10**exponent
    else:
        denominator = 10**-exponent
    if price_of is PriceOf.TOKEN_OUT:
        numerator, denominator = denominator, numerator
    price = PriceRatio(numerator * 10**decimals_out, denominator * 10**decimals_in)
    if not _is_possible(price):
        raise ValueError("is out of range")
    return price


def _is_possible(price: PriceRatio) -> bool:
    """Whether two amounts of 64 bits can have this price or lie on both sides of it."""
    return (
        price.numerator <= price.denominator * U64_MAX
        and price.denominator <= price.numerator * U64_MAX
    )


def _format_exactly(numerator: int, denominator: int) -> str | None:
    """The ratio as a finite decimal of at most 40 significant digits; ``None`` if it is none."""
    divisor = gcd(numerator, denominator)
    numerator, denominator = numerator // divisor, denominator // divisor
    fives, rest = _count_factor(5, denominator)
    twos, rest = _count_factor(2, rest)
    if rest != 1:
        return None
    decimals = max(twos, fives)
    scaled = numerator * 10**decimals // denominator
    if len(str(scaled).rstrip("0")) > _DIGITS_MAX:
        return None
    return format_amount(scaled, decimals)


def _count_factor(factor: int, number: int) -> tuple[int, int]:
    """How often ``factor`` divides ``number``, and the rest."""
    count = 0
    while number % factor == 0:
        number //= factor
        count += 1
    return count, number

"""The curves of Meteora DAMM v2: integers in, integers out, without fees.

Every rounding is in the pool's favour: the price moves too little for the input, and the output
is rounded down. The trader loses the remainder.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from backend.domain.amounts import ceil_div, floor_div
from backend.domain.errors import Rejected

Q128 = 2**128

MIN_SQRT_PRICE = 4295048016
MAX_SQRT_PRICE = 79226673521066979257578248091
"""The permitted range of a pool's √price, in Q64.64."""


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Liquidity in a single price range; prices are √(b per a) in Q64.64."""

    liquidity: int
    sqrt_price: int
    sqrt_min: int
    sqrt_max: int

    def sell_a(self, net: int) -> tuple[int, int]:
        """Compute the amount of b for ``net`` of a, and the next √price.

        s' = ⌈L·s / (L + net·s)⌉, out = ⌊L·(s - s') / 2¹²⁸⌋.
        Raises ``Rejected`` (``amount_too_large``) below the range.
        """
        liquidity, sqrt = self.liquidity, self.sqrt_price
        after = ceil_div(liquidity * sqrt, liquidity + net * sqrt)
        if after < self.sqrt_min:
            raise Rejected("amount_too_large", "the price would leave the pool's range")
        return floor_div(liquidity * (sqrt - after), Q128), after

    def sell_b(self, net: int) -> tuple[int, int]:
        """Compute the amount of a for ``net`` of b, and the next √price.

        s' = s + ⌊net·2¹²⁸ / L⌋, out = ⌊L·(s' - s) / (s·s')⌋.
        Raises ``Rejected`` (``amount_too_large``) above the range.
        """
        liquidity, sqrt = self.liquidity, self.sqrt_price
        after = sqrt + floor_div(net * Q128, liquidity)
        if after > self.sqrt_max:
            raise Rejected("amount_too_large", "the price would leave the pool's range")
        return floor_div(liquidity * (after - sqrt), sqrt * after), after

    def pays_at_least(self, other: PriceRange | ConstantProduct, *, sells_a: bool) -> bool:
        """Whether every output is at least that of ``other``: the same range at a better price."""
        return (
            isinstance(other, PriceRange)
            and self.liquidity == other.liquidity
            and self.sqrt_min == other.sqrt_min
            and self.sqrt_max == other.sqrt_max
            and (
                self.sqrt_price >= other.sqrt_price
                if sells_a
                else self.sqrt_price <= other.sqrt_price
            )
        )

    def spot_price(self) -> tuple[int, int]:
        """The price at which an infinitesimal trade happens: b per a as a ratio."""
        return self.sqrt_price**2, Q128

    def reserves(self) -> tuple[int, int]:
        """Compute the reserves that back the range, rounded up: the providers pay the remainder.

        a = ⌈L·(max - s) / (s·max)⌉, b = ⌈L·(s - min) / 2¹²⁸⌉.
        """
        sqrt, top = self.sqrt_price, self.sqrt_max
        return (
            ceil_div(self.liquidity * (top - sqrt), sqrt * top),
            ceil_div(self.liquidity * (sqrt - self.sqrt_min), Q128),
        )


@dataclass(frozen=True, slots=True)
class ConstantProduct:
    """A constant product of two reserves.

    Its next √price follows from the reserves once the fee that stays in the pool is added, so
    the ``sell_`` methods return 0 for it.
    """

    amount_a: int
    amount_b: int

    def sell_a(self, net: int) -> tuple[int, int]:
        """Compute the amount of b for ``net`` of a: ⌊b·net / (a + net)⌋."""
        return floor_div(self.amount_b * net, self.amount_a + net), 0

    def sell_b(self, net: int) -> tuple[int, int]:
        """Compute the amount of a for ``net`` of b: ⌊a·net / (b + net)⌋."""
        return floor_div(self.amount_a * net, self.amount_b + net), 0

    def pays_at_least(self, other: PriceRange | ConstantProduct, *, sells_a: bool) -> bool:
        """Whether every output is at least that of ``other``."""
        if not isinstance(other, ConstantProduct):
            return False
        if sells_a:
            return self.amount_a <= other.amount_a and self.amount_b >= other.amount_b
        return self.amount_a >= other.amount_a and self.amount_b <= other.amount_b

    def spot_price(self) -> tuple[int, int]:
        """The price at which an infinitesimal trade happens: b per a as a ratio."""
        return self.amount_b, self.amount_a


def compute_sqrt_price(amount_a: int, amount_b: int) -> int:
    """Compute ⌊√(b·2¹²⁸ / a)⌋, the √price in Q64.64 at which one a is worth ``b / a`` of b."""
    return isqrt(floor_div(amount_b * Q128, amount_a))


def create_full_range(amount_a: int, amount_b: int) -> PriceRange:
    """Create the widest range at the price b / a whose reserves do not exceed the two amounts.

    Raises ``ValueError`` if a pool may not have that price.
    """
    sqrt = compute_sqrt_price(amount_a, amount_b)
    if not MIN_SQRT_PRICE < sqrt < MAX_SQRT_PRICE:
        raise ValueError("the price is outside of what a pool may have")
    by_a = floor_div(amount_a * sqrt * MAX_SQRT_PRICE, MAX_SQRT_PRICE - sqrt)
    by_b = floor_div(amount_b * Q128, sqrt - MIN_SQRT_PRICE)
    return PriceRange(min(by_a, by_b), sqrt, MIN_SQRT_PRICE, MAX_SQRT_PRICE)

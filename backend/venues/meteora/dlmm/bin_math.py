"""Prices of Meteora DLMM's bins: (1 + bin step)ⁱᵈ in Q64.64, of token y for one token x.

A bin trades all that it holds at its price. The roundings of the power are those of the program.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from backend.domain.amounts import BPS

Q64: Final = 1 << 64
_U128_MAX: Final = (1 << 128) - 1
_EXPONENT_BITS: Final = 19
_PRICE_CACHE_MAX: Final = 16_384


@lru_cache(_PRICE_CACHE_MAX)
def compute_bin_price(bin_id: int, bin_step: int) -> int:
    """Compute the price of a bin, whose step is in basis points; 0 if it is out of range."""
    if not bin_id:
        return Q64
    # Squares of a base below 1 stay within 64 bits, so the program squares the reciprocal.
    square = _U128_MAX // (Q64 + (bin_step << 64) // BPS)
    result, rest = Q64, abs(bin_id)
    if rest >> _EXPONENT_BITS:
        return 0
    while rest:
        if rest & 1:
            result = result * square >> 64
        square = square * square >> 64
        rest >>= 1
    if bin_id < 0 or not result:
        return result
    return _U128_MAX // result


def find_bin(price: int, bin_step: int, low: int, high: int) -> int:
    """Find the bin from ``low`` to ``high`` whose price is the nearest to a Q64.64 price."""
    last = high
    while low < high:
        middle = (low + high + 1) // 2
        if compute_bin_price(middle, bin_step) <= price:
            low = middle
        else:
            high = middle - 1
    if low == last:
        return low
    # The nearest as a ratio: p² against the product of its neighbours.
    neighbours = compute_bin_price(low, bin_step) * compute_bin_price(low + 1, bin_step)
    return low + 1 if price * price > neighbours else low

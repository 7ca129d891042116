"""Prices of a pool: what it pays at the margin, and moves by arbitrage along its curve."""

from __future__ import annotations

from math import isqrt
from typing import Final

from backend.domain.amounts import U64_MAX, floor_div
from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.venues.pool_side import compute_price_impact_e9
from backend.venues.raydium.clmm.fees import RATE_ONE, FeeOn, FeeTerms
from backend.venues.raydium.clmm.swap import Curve, CurveSwap, TickSource, swap_exact_in
from backend.venues.raydium.clmm.tick_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE

_NO_FEES: Final = FeeTerms(0, 0, 0, FeeOn.INPUT, None)


def find_sqrt_price(numerator: int, denominator: int) -> int:
    """Find the √price where one token 0 is worth ``numerator / denominator`` of token 1."""
    price = isqrt(floor_div(numerator << 128, denominator))
    return min(max(price, MIN_SQRT_PRICE + 1), MAX_SQRT_PRICE - 1)


def compute_marginal_price(
    curve: Curve, fees: FeeTerms, now: int, *, zero_for_one: bool
) -> PriceRatio:
    """Compute the price less the fee; raises ``Rejected`` where there is no liquidity."""
    if not curve.liquidity:
        raise Rejected("no_liquidity", "the pool has no liquidity at its price")
    index, dynamic = curve.tick // curve.tick_spacing, fees.dynamic
    if dynamic is not None:
        dynamic = dynamic.with_time(index, now).with_index(index)
    kept = RATE_ONE - fees.compute_rate(dynamic, curve.tick_spacing)
    square, one = curve.sqrt_price**2, 1 << 128
    if zero_for_one:
        return PriceRatio(square * kept, one * RATE_ONE)
    return PriceRatio(one * kept, square * RATE_ONE)


def compute_impact_e9(sqrt_price: int, net_in: int, gross_out: int, *, zero_for_one: bool) -> int:
    """Compute how much worse than at the price before it a swap pays, apart from its fee."""
    square = sqrt_price**2
    if zero_for_one:
        return compute_price_impact_e9(net_in * square, gross_out << 128)
    return compute_price_impact_e9(net_in << 128, gross_out * square)


def move_price(curve: Curve, source: TickSource, target: int, now: int) -> CurveSwap | None:
    """Compute the swap that moves the √price to ``target``.

    ``None`` if it is there already, or no swap reaches it.
    """
    if target == curve.sqrt_price:
        return None
    try:
        return swap_exact_in(
            curve,
            _NO_FEES,
            source,
            U64_MAX,
            zero_for_one=target < curve.sqrt_price,
            now=now,
            price_limit=target,
        )
    except Rejected:
        return None

"""Prices of a pool: what it pays at the margin and further on, and moves along its curve."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Final

from backend.domain.amounts import U64_MAX, floor_div
from backend.domain.errors import Rejected
from backend.domain.prices import PriceRatio
from backend.venues.curve_segment import CurveSegment, KeptShares, make_level_segment
from backend.venues.pool_side import compute_price_impact_e9
from backend.venues.raydium.clmm.fees import RATE_ONE, FeeOn, FeeTerms
from backend.venues.raydium.clmm.swap import Curve, CurveSwap, TickSource, swap_exact_in
from backend.venues.raydium.clmm.tick_array import Tick
from backend.venues.raydium.clmm.tick_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    Q64,
    compute_sqrt_price,
)
from backend.venues.venue import AccountsMissing

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


def trace_curve(
    curve: Curve,
    fees: FeeTerms,
    source: TickSource,
    kept: KeptShares,
    *,
    zero_for_one: bool,
    now: int,
) -> Iterator[CurveSegment]:
    """Trace the ranges that a swap would meet, and the limit orders, up to where ``source`` ends.

    ``kept`` are the shares that remain after the tokens' transfer fees.
    """
    tracer = _CurveTracer(curve, fees, kept, zero_for_one, now)
    number = curve.tick
    while True:
        try:
            tick = source.find_next(number, zero_for_one=zero_for_one)
        except (AccountsMissing, Rejected):
            return
        yield from tracer.trace_to_tick(tick)
        number = tick.tick - 1 if zero_for_one else tick.tick


class _CurveTracer:
    """The price, the liquidity and the fee between the ticks of a curve that is traced."""

    def __init__(
        self, curve: Curve, fees: FeeTerms, kept: KeptShares, zero_for_one: bool, now: int
    ) -> None:
        self._fees: Final = fees
        self._kept: Final = kept
        self._zero_for_one: Final = zero_for_one
        self._is_fee_on_input: Final = fees.is_on_input(zero_for_one=zero_for_one)
        self._spacing: Final = curve.tick_spacing
        self._root = curve.sqrt_price / Q64
        self._liquidity = curve.liquidity
        self._index = curve.tick // curve.tick_spacing
        self._dynamic = fees.dynamic
        if fees.dynamic is not None:
            self._dynamic = fees.dynamic.with_time(self._index, now)

    def trace_to_tick(self, tick: Tick) -> Iterator[CurveSegment]:
        """The ranges up to a tick, each with one fee rate, and the limit orders of the tick."""
        target = min(max(tick.tick, MIN_TICK), MAX_TICK)
        while True:
            if self._dynamic is not None:
                self._dynamic = self._dynamic.with_index(self._index)
            end = self._find_end(target)
            kept = self._compute_kept()
            yield from self._trace_range(compute_sqrt_price(end) / Q64, kept)
            if end == target:
                break
            self._index += -1 if self._zero_for_one else 1
        unfilled = tick.orders + tick.part_filled
        if unfilled:
            price = self._root**2 if self._zero_for_one else self._root**-2
            yield make_level_segment(price, unfilled / price, kept)
        self._liquidity += -tick.liquidity_net if self._zero_for_one else tick.liquidity_net
        self._index = target // self._spacing
        if self._zero_for_one:
            self._index -= 1

    def _find_end(self, target: int) -> int:
        """The tick up to which one fee rate holds."""
        dynamic = self._dynamic
        if dynamic is None or dynamic.is_at_maximum or not self._liquidity:
            return target
        if self._zero_for_one:
            return max(target, self._index * self._spacing)
        return min(target, (self._index + 1) * self._spacing)

    def _compute_kept(self) -> KeptShares:
        rate = self._fees.compute_rate(self._dynamic, self._spacing) / RATE_ONE
        return self._kept.after_fee(rate, is_on_input=self._is_fee_on_input)

    def _trace_range(self, root: float, kept: KeptShares) -> Iterator[CurveSegment]:
        start, liquidity = self._root, float(self._liquidity)
        self._root = root
        if liquidity and root != start:
            reserve0, reserve1 = liquidity / start, liquidity * start
            if self._zero_for_one:
                yield CurveSegment(reserve0, reserve1, kept, liquidity / root - reserve0)
            else:
                yield CurveSegment(reserve1, reserve0, kept, liquidity * root - reserve1)

"""The curves of Meteora DAMM v2 in floating point, in pieces of one fee rate each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import NamedTuple

from backend.domain.amounts import BPS, floor_div
from backend.domain.quotes import E9
from backend.venues.curve_segment import CurveSegment, KeptShares
from backend.venues.meteora.damm_v2.accounts import RateLimiter
from backend.venues.meteora.damm_v2.curve import Q128, ConstantProduct, PriceRange


class RateStep(NamedTuple):
    """The rate of the fee on a part of an amount in, which includes the fee; a fraction."""

    amount_in: float
    rate: float


def list_limiter_steps(limiter: RateLimiter, cliff_e9: int) -> Iterator[tuple[float, int]]:
    """The amounts in that pay a rate more each, and the rates in parts per billion."""
    increment, top = limiter.increment_bps * E9 // BPS, limiter.max_fee_bps * E9 // BPS
    count = floor_div(top - cliff_e9, increment)
    for n in range(count + 1):
        yield float(limiter.reference_amount), cliff_e9 + increment * n
    yield inf, top


def trace_curve(
    curve: PriceRange | ConstantProduct,
    steps: Iterable[RateStep],
    kept: KeptShares,
    *,
    sells_a: bool,
    is_fee_on_input: bool,
) -> Iterator[CurveSegment]:
    """Trace a curve whose fee has a rate for each part of the amount in.

    ``kept`` are the shares that remain after the tokens' transfer fees.
    """
    reserve_in, reserve_out, left = _compute_reserves(curve, sells_a)
    if not reserve_in or not reserve_out:
        return
    for step in steps:
        net_in = step.amount_in * (1 - step.rate) if is_fee_on_input else step.amount_in
        net_in = min(net_in, left)
        kept_here = kept.after_fee(step.rate, is_on_input=is_fee_on_input)
        yield CurveSegment(reserve_in, reserve_out, kept_here, net_in)
        left -= net_in
        if not left > 0:
            return
        reserve_out *= reserve_in / (reserve_in + net_in)
        reserve_in += net_in


def _compute_reserves(
    curve: PriceRange | ConstantProduct, sells_a: bool
) -> tuple[float, float, float]:
    """The virtual reserves of the token in and of the token out, and the most that is taken in."""
    if isinstance(curve, ConstantProduct):
        a, b = float(curve.amount_a), float(curve.amount_b)
        return (a, b, inf) if sells_a else (b, a, inf)
    liquidity, sqrt = curve.liquidity, curve.sqrt_price
    a, b = liquidity / sqrt, liquidity * sqrt / Q128
    # Of integers, as the ends of a narrow range differ little.
    if sells_a:
        return a, b, liquidity * (sqrt - curve.sqrt_min) / (sqrt * curve.sqrt_min)
    return b, a, liquidity * (curve.sqrt_max - sqrt) / Q128

"""One step of a swap: along constant liquidity to the next price, or against a tick's limit orders.

Everything rounds against the trader: the input up, the output down, the price towards where it was.
"""

from __future__ import annotations

from typing import NamedTuple

from backend.domain.amounts import U64_MAX, ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.venues.raydium.clmm.fees import RATE_ONE
from backend.venues.raydium.clmm.tick_array import Tick
from backend.venues.raydium.clmm.tick_math import Q64


class Step(NamedTuple):
    """What a step moves: ``fee`` is charged besides the input, or was taken from the output."""

    amount_in: int
    amount_out: int
    fee: int


def compute_amounts(low: int, high: int, liquidity: int, *, zero_for_one: bool) -> tuple[int, int]:
    """Compute input and output of a move between two √prices, in either direction.

    Token 1 is L · Δ√p, token 0 is L · Δ√p / (√p · √p').
    """
    amount1 = liquidity * (high - low)
    product = low * high
    if zero_for_one:
        return ceil_div(amount1 << 64, product), amount1 >> 64
    return ceil_div(amount1, Q64), floor_div(amount1 << 64, product)


def trade_along_curve(
    sqrt_price: int,
    target: int,
    liquidity: int,
    amount: int,
    rate: int,
    *,
    zero_for_one: bool,
    is_fee_on_input: bool,
) -> tuple[int, Step]:
    """Trade at most ``amount`` up to the √price ``target``; returns the √price that is reached.

    Raises ``Rejected`` (``amount_too_large``) where the program's integers overflow.
    """
    net = floor_div(amount * (RATE_ONE - rate), RATE_ONE) if is_fee_on_input else amount
    low, high = (target, sqrt_price) if zero_for_one else (sqrt_price, target)
    amount_in, amount_out = compute_amounts(low, high, liquidity, zero_for_one=zero_for_one)
    reached = target
    if net < amount_in or max(amount_in, amount_out) > U64_MAX:
        reached = _compute_next_price(sqrt_price, liquidity, net, zero_for_one)
        low, high = (reached, sqrt_price) if zero_for_one else (sqrt_price, reached)
        amount_in, amount_out = compute_amounts(low, high, liquidity, zero_for_one=zero_for_one)
        if max(amount_in, amount_out) > U64_MAX or not (
            target <= reached if zero_for_one else reached <= target
        ):
            raise Rejected("amount_too_large", "the amount is too large for the pool")
    if is_fee_on_input:
        # All that is left over short of the target is a fee.
        is_full = reached == target
        fee = ceil_div(amount_in * rate, RATE_ONE - rate) if is_full else amount - amount_in
        return reached, Step(amount_in, amount_out, fee)
    fee = ceil_div(amount_out * rate, RATE_ONE)
    return reached, Step(amount_in if reached == target else amount, amount_out - fee, fee)


def _compute_next_price(sqrt_price: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    """Compute the √price after an input: L · √p / (L + Δ₀ · √p), or √p + Δ₁ / L."""
    if not liquidity:
        raise Rejected("amount_too_large", "the amount is too large for the pool")
    if not zero_for_one:
        return sqrt_price + floor_div(amount << 64, liquidity)
    scaled = liquidity << 64
    return ceil_div(scaled * sqrt_price, scaled + amount * sqrt_price)


def match_orders(
    tick: Tick,
    sqrt_price: int,
    amount: int,
    rate: int,
    *,
    zero_for_one: bool,
    is_fee_on_input: bool,
) -> tuple[Tick, Step]:
    """Trade at most ``amount`` with the limit orders of a tick, at its price, the oldest first."""
    unfilled = tick.orders + tick.part_filled
    if not amount or not unfilled:
        return tick, Step(0, 0, 0)
    # A high price favours the orders that sell token 0, a low one those that sell token 1.
    square = sqrt_price * sqrt_price
    price = square >> 64 if zero_for_one else ceil_div(square, Q64)
    fee = ceil_div(amount * rate, RATE_ONE) if is_fee_on_input else 0
    amount_in = amount - fee
    amount_out = (
        floor_div(amount_in * price, Q64) if zero_for_one else floor_div(amount_in << 64, price)
    )
    if amount_out > unfilled:
        amount_out = unfilled
        amount_in = (
            ceil_div(unfilled << 64, price) if zero_for_one else ceil_div(unfilled * price, Q64)
        )
        if is_fee_on_input:
            fee = ceil_div(amount_in * rate, RATE_ONE - rate)
    after = _fill_orders(tick, amount_out)
    if not is_fee_on_input:
        fee = ceil_div(amount_out * rate, RATE_ONE)
        amount_out -= fee
    return after, Step(amount_in, amount_out, fee)


def _fill_orders(tick: Tick, amount: int) -> Tick:
    """Fill older orders first; the newer ones become the older ones once they are touched."""
    from_older = min(tick.part_filled, amount)
    if from_older:
        left = tick.part_filled - from_older
        ratio = floor_div(tick.unfilled_ratio * left, tick.part_filled)
        tick = tick._replace(part_filled=left, unfilled_ratio=ratio)
    amount -= from_older
    if amount:
        left = tick.orders - amount
        tick = tick._replace(
            order_phase=tick.order_phase + 1,
            unfilled_ratio=floor_div(Q64 * left, tick.orders),
            part_filled=left,
            orders=0,
        )
    return tick

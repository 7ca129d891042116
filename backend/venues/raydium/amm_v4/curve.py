"""The maths of Raydium AMM v4: integers in, integers out, in the program's order of rounding.

Every rounding is against the trader: the fee rounds up, the output rounds down, a required input
rounds up.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.amounts import ceil_div, floor_div
from backend.domain.errors import Rejected


@dataclass(frozen=True, slots=True)
class FeeRate:
    """The trading fee as a fraction of the input, such as 25 / 10,000."""

    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class CurveSwap:
    """A swap on the curve; ``fee`` is a part of ``amount_in`` and stays in the pool."""

    amount_in: int
    fee: int
    amount_out: int


def swap_exact_in(amount: int, reserve_in: int, reserve_out: int, rate: FeeRate) -> CurveSwap:
    """Compute the swap of exactly ``amount``, whose output may be 0."""
    fee = ceil_div(amount * rate.numerator, rate.denominator)
    net = amount - fee
    # (x + net) · (y - out) ≥ x · y: rounded down, the trader loses.
    return CurveSwap(amount, fee, floor_div(net * reserve_out, reserve_in + net))


def swap_exact_out(amount_out: int, reserve_in: int, reserve_out: int, rate: FeeRate) -> CurveSwap:
    """Compute the swap that pays exactly ``amount_out``.

    Raises ``Rejected`` (``amount_too_large``) if the pool does not hold more than that.
    """
    if amount_out >= reserve_out:
        raise Rejected("amount_too_large", "the pool does not hold that much")
    net = ceil_div(reserve_in * amount_out, reserve_out - amount_out)
    amount = ceil_div(net * rate.denominator, rate.denominator - rate.numerator)
    return CurveSwap(amount, amount - net, amount_out)

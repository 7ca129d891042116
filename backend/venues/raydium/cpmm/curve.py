"""The maths of Raydium CPMM: integers in, integers out, in the program's order of rounding.

Every rounding is against the trader: fees round up, the output rounds down, a required input
rounds up. Only the shares of the trading fee round down, in favour of the liquidity providers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.domain.amounts import ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.venues.curve_segment import CurveSegment, KeptShares

RATE_ONE = 1_000_000
"""Rates are parts per million."""


@dataclass(frozen=True, slots=True)
class FeeRates:
    """The fee rates of a swap in one direction.

    ``protocol`` and ``fund`` are shares of the trading fee. ``creator`` is charged on the input
    together with ``trade``, or on the output, as ``is_creator_on_input`` says.
    """

    trade: int
    creator: int
    protocol: int
    fund: int
    is_creator_on_input: bool

    @property
    def by_side(self) -> tuple[int, int]:
        """The rates that are charged on the input and on the output."""
        if self.is_creator_on_input:
            return self.trade + self.creator, 0
        return self.trade, self.creator

    def make_segments(
        self, reserve_in: int, reserve_out: int, kept: KeptShares
    ) -> Sequence[CurveSegment]:
        """Make the one piece of the curve in floating point; there is none of an empty pool.

        ``kept`` are the shares that remain after the tokens' transfer fees.
        """
        if not reserve_in or not reserve_out:
            return ()
        on_input, on_output = self.by_side
        kept = kept.after_fee(on_input / RATE_ONE, is_on_input=True)
        kept = kept.after_fee(on_output / RATE_ONE, is_on_input=False)
        return (CurveSegment(float(reserve_in), float(reserve_out), kept),)


@dataclass(frozen=True, slots=True)
class CurveSwap:
    """A swap on the curve, without the tokens' own transfer fees.

    ``reserve_in`` and ``reserve_out`` are the reserves after the swap; the part of the trading
    fee that no one withdraws is added to the input reserve afterwards.
    """

    amount_in: int
    net_in: int
    gross_out: int
    amount_out: int
    trade_fee: int
    creator_fee: int
    protocol_fee: int
    fund_fee: int
    reserve_in: int
    reserve_out: int


def swap_exact_in(amount: int, reserve_in: int, reserve_out: int, rates: FeeRates) -> CurveSwap:
    """Compute the swap of exactly ``amount``, whose output may be 0.

    Raises ``Rejected`` (``zero_output``) where the program fails because fees leave nothing.
    """
    if rates.is_creator_on_input:
        # One rounding over both fees, then the split: fee = ⌈amount · (t + c) / 10⁶⌉, of which
        # the creator gets ⌊fee · c / (t + c)⌋. The trader loses by the first rounding, the creator
        # by the second.
        total_rate = rates.trade + rates.creator
        fee = ceil_div(amount * total_rate, RATE_ONE)
        if not total_rate or fee > amount:
            raise Rejected("zero_output", "the fees leave nothing to swap")
        creator_fee = floor_div(fee * rates.creator, total_rate)
        trade_fee = fee - creator_fee
    else:
        fee = trade_fee = ceil_div(amount * rates.trade, RATE_ONE)
        if fee > amount:
            raise Rejected("zero_output", "the fees leave nothing to swap")
        creator_fee = 0
    net = amount - fee
    # (x + net) · (y - out) ≥ x · y: rounded down, the trader loses.
    gross = floor_div(net * reserve_out, reserve_in + net)
    if not rates.is_creator_on_input:
        creator_fee = ceil_div(gross * rates.creator, RATE_ONE)  # up: the trader loses
    return CurveSwap(
        amount_in=amount,
        net_in=net,
        gross_out=gross,
        amount_out=gross if rates.is_creator_on_input else gross - creator_fee,
        trade_fee=trade_fee,
        creator_fee=creator_fee,
        protocol_fee=floor_div(trade_fee * rates.protocol, RATE_ONE),
        fund_fee=floor_div(trade_fee * rates.fund, RATE_ONE),
        reserve_in=reserve_in + net,
        reserve_out=reserve_out - gross,
    )


def swap_exact_out(
    amount_out: int, reserve_in: int, reserve_out: int, rates: FeeRates
) -> CurveSwap:
    """Compute the swap that pays exactly ``amount_out``.

    Raises ``Rejected`` (``amount_too_large``) if the pool does not hold it.
    """
    gross = (
        amount_out if rates.is_creator_on_input else compute_gross_amount(amount_out, rates.creator)
    )
    if gross >= reserve_out:
        raise Rejected("amount_too_large", "the pool does not hold that much")
    # (x + net) · (y - gross) ≥ x · y: rounded up, the trader loses.
    net = ceil_div(reserve_in * gross, reserve_out - gross)
    total_rate = rates.trade + rates.creator if rates.is_creator_on_input else rates.trade
    amount = compute_gross_amount(net, total_rate)
    fee = amount - net
    creator_fee = gross - amount_out
    if rates.is_creator_on_input and total_rate:
        creator_fee = floor_div(fee * rates.creator, total_rate)
    trade_fee = fee - creator_fee if rates.is_creator_on_input else fee
    return CurveSwap(
        amount_in=amount,
        net_in=net,
        gross_out=gross,
        amount_out=amount_out,
        trade_fee=trade_fee,
        creator_fee=creator_fee,
        protocol_fee=floor_div(trade_fee * rates.protocol, RATE_ONE),
        fund_fee=floor_div(trade_fee * rates.fund, RATE_ONE),
        reserve_in=reserve_in + net,
        reserve_out=reserve_out - gross,
    )


def compute_gross_amount(net: int, rate: int) -> int:
    """Compute ⌈net · 10⁶ / (10⁶ - rate)⌉, of which ``net`` remains after the fee."""
    return ceil_div(net * RATE_ONE, RATE_ONE - rate)  # up: the trader loses

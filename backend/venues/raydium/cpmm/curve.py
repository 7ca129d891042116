"""The maths of Raydium CPMM: integers in, integers out, in the program's order of rounding.

Every rounding is against the trader: fees go up, what is paid out goes down, what must be paid
in goes up. Only the shares of the trading fee round down, for the liquidity providers.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.domain.amounts import ceil_div, floor_div
from backend.domain.errors import Rejected

RATE_ONE = 1_000_000
"""Rates are parts per million."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The fee rates of a swap in one direction.

    ``protocol`` and ``fund`` are shares of the trading fee. ``creator`` is charged on the input
    together with ``trade``, or on the output.
    """

    trade: int
    creator: int
    protocol: int
    fund: int
    creator_on_input: bool


@dataclass(frozen=True, slots=True)
class Swap:
    """A swap as the curve sees it, without the tokens' own transfer fees.

    ``reserve_in`` and ``reserve_out`` are what the curve leaves; the part of the trading fee
    that nobody takes out joins the input reserve afterwards.
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


def exact_in(amount: int, reserve_in: int, reserve_out: int, rates: Rates) -> Swap:
    """The swap of exactly ``amount``, which may pay nothing.

    Raises ``Rejected`` (``zero_output``) where the program finds that fees leave nothing.
    """
    if rates.creator_on_input:
        # One rounding over both fees, then the split: fee = ⌈amount · (t + c) / 10⁶⌉, of which
        # the creator has ⌊fee · c / (t + c)⌋. The trader loses the first, the creator the second.
        both = rates.trade + rates.creator
        fee = ceil_div(amount * both, RATE_ONE)
        if not both or fee > amount:
            raise Rejected("zero_output", "the fees leave nothing to swap")
        creator_fee = floor_div(fee * rates.creator, both)
        trade_fee = fee - creator_fee
    else:
        fee = trade_fee = ceil_div(amount * rates.trade, RATE_ONE)
        if fee > amount:
            raise Rejected("zero_output", "the fees leave nothing to swap")
        creator_fee = 0
    net = amount - fee
    # (x + net) · (y - out) ≥ x · y: rounded down, the trader loses.
    gross = floor_div(net * reserve_out, reserve_in + net)
    if not rates.creator_on_input:
        creator_fee = ceil_div(gross * rates.creator, RATE_ONE)  # up: the trader loses
    return Swap(
        amount_in=amount,
        net_in=net,
        gross_out=gross,
        amount_out=gross if rates.creator_on_input else gross - creator_fee,
        trade_fee=trade_fee,
        creator_fee=creator_fee,
        protocol_fee=floor_div(trade_fee * rates.protocol, RATE_ONE),
        fund_fee=floor_div(trade_fee * rates.fund, RATE_ONE),
        reserve_in=reserve_in + net,
        reserve_out=reserve_out - gross,
    )


def exact_out(wanted: int, reserve_in: int, reserve_out: int, rates: Rates) -> Swap:
    """The swap that pays exactly ``wanted``.

    Raises ``Rejected`` (``amount_too_large``) if the pool does not hold it.
    """
    gross = wanted if rates.creator_on_input else before_fee(wanted, rates.creator)
    if gross >= reserve_out:
        raise Rejected("amount_too_large", "the pool does not hold that much")
    # (x + net) · (y - gross) ≥ x · y: rounded up, the trader loses.
    net = ceil_div(reserve_in * gross, reserve_out - gross)
    both = rates.trade + rates.creator if rates.creator_on_input else rates.trade
    amount = before_fee(net, both)
    fee = amount - net
    creator_fee = gross - wanted
    if rates.creator_on_input and both:
        creator_fee = floor_div(fee * rates.creator, both)
    trade_fee = fee - creator_fee if rates.creator_on_input else fee
    return Swap(
        amount_in=amount,
        net_in=net,
        gross_out=gross,
        amount_out=wanted,
        trade_fee=trade_fee,
        creator_fee=creator_fee,
        protocol_fee=floor_div(trade_fee * rates.protocol, RATE_ONE),
        fund_fee=floor_div(trade_fee * rates.fund, RATE_ONE),
        reserve_in=reserve_in + net,
        reserve_out=reserve_out - gross,
    )


def before_fee(after: int, rate: int) -> int:
    """⌈after · 10⁶ / (10⁶ - rate)⌉: the amount of which ``after`` remains; the trader loses."""
    return ceil_div(after * RATE_ONE, RATE_ONE - rate)

"""One bin of a swap: its liquidity first, then the older of its limit orders, then the newer.

Everything rounds against the trader: the input up, the output down, fees up.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from backend.domain.amounts import U64_MAX, ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.venues.meteora.dlmm.bin_array import Bin, BinDepth
from backend.venues.meteora.dlmm.bin_math import Q64
from backend.venues.meteora.dlmm.fees import FeeSplit, compute_fee_besides, compute_fee_within


class Part(NamedTuple):
    """What one source of a bin takes in and pays out, before fees."""

    amount_in: int
    amount_out: int


_NOTHING: Final = Part(0, 0)


class Fill(NamedTuple):
    """What a bin takes of an amount, with the fee, and what it pays after the fee.

    ``parts`` are the liquidity, the older orders and the newer orders.
    """

    amount_in: int
    amount_out: int
    fee: int
    parts: tuple[Part, Part, Part]

    @property
    def net_in(self) -> int:
        """What the parts take in together."""
        return sum(part.amount_in for part in self.parts)


def fill_bin(
    source: BinDepth,
    amount: int,
    rate_e9: int,
    *,
    swap_for_y: bool,
    with_orders: bool,
    is_fee_on_input: bool,
) -> Fill:
    """Trade at most ``amount`` with a bin; raises ``Rejected`` (``amount_too_large``)."""
    fee = compute_fee_within(amount, rate_e9) if is_fee_on_input else 0
    left = amount - fee
    older, newer = source.get_orders(swap_for_y=swap_for_y) if with_orders else (0, 0)
    price, available = source.price, source.amount_y if swap_for_y else source.amount_x
    pool = _take(available, left, price, swap_for_y)
    first = _take(older, left - pool.amount_in, price, swap_for_y)
    taken = pool.amount_in + first.amount_in
    second = _take(newer, left - taken, price, swap_for_y)
    taken += second.amount_in
    left -= taken
    paid = pool.amount_out + first.amount_out + second.amount_out
    amount_in = amount
    if left:  # the bin is empty now
        fee = compute_fee_besides(taken, rate_e9) if is_fee_on_input else 0
        amount_in = taken + fee
    if not is_fee_on_input:
        fee = compute_fee_within(paid, rate_e9)
        paid -= fee
    if amount_in > amount:
        raise Rejected("amount_too_large", "the amount is too large for the pool")
    return Fill(amount_in, paid, fee, (pool, first, second))


def _take(available: int, amount: int, price: int, swap_for_y: bool) -> Part:
    if not available or not amount:
        return _NOTHING
    needed = ceil_div(available << 64, price) if swap_for_y else ceil_div(available * price, Q64)
    if needed > U64_MAX:
        raise Rejected("amount_too_large", "the amount is too large for the pool")
    if amount >= needed:
        return Part(needed, available)
    paid = floor_div(amount * price, Q64) if swap_for_y else floor_div(amount << 64, price)
    return Part(amount, paid)


def change_bin(
    source: Bin, fill: Fill, split: FeeSplit, *, swap_for_y: bool, is_fee_on_input: bool
) -> Bin:
    """The bin after a fill: what came in is its liquidity providers', or its orders'."""
    (pool_in, pool_out), older, newer = fill.parts
    changed = _change_orders(source, older.amount_out, newer.amount_out, split, swap_for_y)
    growth, supply = 0, source.liquidity_supply >> 64
    if supply:
        growth = floor_div(split.to_liquidity << 64, supply)
    growth_x, growth_y = (growth, 0) if swap_for_y == is_fee_on_input else (0, growth)
    change_x, change_y = (pool_in, -pool_out) if swap_for_y else (-pool_out, pool_in)
    return changed._replace(
        amount_x=source.amount_x + change_x,
        amount_y=source.amount_y + change_y,
        fee_x_per_liquidity=source.fee_x_per_liquidity + growth_x,
        fee_y_per_liquidity=source.fee_y_per_liquidity + growth_y,
    )


def _change_orders(
    source: Bin, from_older: int, from_newer: int, split: FeeSplit, swap_for_y: bool
) -> Bin:
    """Orders that are touched are processed from then on; newer ones follow when those are done."""
    filled = from_older + from_newer
    if not filled:
        return source
    if swap_for_y:
        changed = source._replace(
            filled_y=source.filled_y + filled, fee_bid_side=source.fee_bid_side + split.to_orders
        )
    else:
        changed = source._replace(
            filled_x=source.filled_x + filled, fee_ask_side=source.fee_ask_side + split.to_orders
        )
    if not from_newer:
        return changed._replace(processing_left=source.processing_left - from_older)
    return changed._replace(
        processing_total=source.open_orders,
        processing_left=source.open_orders - from_newer,
        open_orders=0,
        order_age=source.order_age + 1,
    )

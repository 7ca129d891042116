"""Moves of a pair's price by arbitrage: bins are traded empty at their prices, without fees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backend.domain.amounts import ceil_div, floor_div
from backend.venues.meteora.dlmm.accounts import PairState
from backend.venues.meteora.dlmm.bin_array import ARRAY_BINS, Bin, BinArray
from backend.venues.meteora.dlmm.bin_math import Q64, compute_bin_price, find_bin
from backend.venues.pool_side import check_balance


class PriceMove(NamedTuple):
    """A move to another active bin, and what it changes."""

    active_id: int
    change_x: int
    change_y: int
    bins: dict[int, Bin]


def move_price(
    state: PairState, arrays: Mapping[int, BinArray], numerator: int, denominator: int
) -> PriceMove:
    """Compute the move to the bin where one x is worth about ``numerator / denominator`` of y.

    The bins in between hold one token only afterwards, and the new active one half of each. Raises
    ``Rejected`` (``amount_too_large``).
    """
    low = max(min(arrays) * ARRAY_BINS, state.min_bin_id)
    high = min(max(arrays) * ARRAY_BINS + ARRAY_BINS - 1, state.max_bin_id)
    price = floor_div(numerator << 64, denominator)
    target = find_bin(price, state.bin_step, low, high)
    bins: dict[int, Bin] = {}
    change_x = change_y = 0
    step = 1 if target > state.active_id else -1
    for bin_id in range(state.active_id, target, step):
        array = arrays.get(bin_id // ARRAY_BINS)
        if array is None:
            continue
        old = array.get_bin(bin_id)
        new = _convert(old, compute_bin_price(bin_id, state.bin_step), to_x=step < 0)
        bins[bin_id] = new
        change_x += new.amount_x - old.amount_x
        change_y += new.amount_y - old.amount_y
    array = arrays.get(target // ARRAY_BINS)
    if array is not None and target != state.active_id:
        old = array.get_bin(target)
        new = _halve(old, compute_bin_price(target, state.bin_step))
        bins[target] = new
        change_x += new.amount_x - old.amount_x
        change_y += new.amount_y - old.amount_y
    return PriceMove(target, change_x, change_y, bins)


def _convert(source: Bin, price: int, *, to_x: bool) -> Bin:
    """Trade a bin empty of one token; the pair gains by the rounding."""
    if to_x:
        amount = source.amount_x + ceil_div(source.amount_y << 64, price)
        check_balance(amount)
        return source._replace(amount_x=amount, amount_y=0)
    amount = source.amount_y + ceil_div(source.amount_x * price, Q64)
    check_balance(amount)
    return source._replace(amount_x=0, amount_y=amount)


def _halve(source: Bin, price: int) -> Bin:
    """Trade a bin to half its value in either token."""
    all_y = _convert(source, price, to_x=False).amount_y
    return source._replace(amount_x=ceil_div(all_y // 2 << 64, price), amount_y=all_y - all_y // 2)

"""Bars: the first, highest, lowest and last price of a pair that reads have shown in a time.

Every price of a bar is that of a read in the time of the bar, and a time without a read has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from backend.accounting.pairs import PairName

SECOND_S: Final = 1
MINUTE_S: Final = 60


class Bar(NamedTuple):
    """A bar of a pair: ``start`` in whole seconds since 1970, ``slot`` of the last price.

    Prices are quote tokens for one token of the base.
    """

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    slot: int


class PriceSample(NamedTuple):
    """A price that a read of a slot has shown, and the time of that, in seconds since 1970."""

    pair: PairName
    at: float
    price: Decimal
    slot: int


def build_bars(samples: Iterable[PriceSample], length_s: int) -> dict[tuple[PairName, int], Bar]:
    """The bars of samples, by pair and start; samples come in the order of their times."""
    bars: dict[tuple[PairName, int], Bar] = {}
    for pair, at, price, slot in samples:
        start = int(at // length_s) * length_s
        bar = bars.get((pair, start))
        if bar is None:
            bars[pair, start] = Bar(start, price, price, price, price, slot)
        else:
            bars[pair, start] = bar._replace(
                high=max(bar.high, price), low=min(bar.low, price), close=price, slot=slot
            )
    return bars

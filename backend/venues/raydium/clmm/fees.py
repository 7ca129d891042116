"""The fees of Raydium CLMM: a fixed rate and, on some pools, one that follows the volatility.

The volatility is measured in steps of the tick spacing from a reference. The reference rests while
trades follow each other closely, and decays after that. Rates are parts per million.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Annotated, Final

from backend.domain.amounts import ceil_div, floor_div
from backend.venues.layout import Layout, i32, u16, u32, u64

RATE_ONE: Final = 1_000_000
MAX_RATE: Final = 100_000
"""The highest rate of a pool whose fee follows the volatility."""

_STEP: Final = 10_000
_REDUCTION_ONE: Final = 10_000
_CONTROL_ONE: Final = 100_000


class FeeOn(IntEnum):
    """The token in which a pool charges its fee."""

    INPUT = 0
    TOKEN0 = 1
    TOKEN1 = 2


@dataclass(frozen=True, slots=True)
class DynamicFee:
    """The part of the fee that follows the volatility: its parameters, and its state.

    A step is 10,000 units of volatility. Periods are in seconds.
    """

    filter_period: Annotated[int, u16(1096)] = 0
    decay_period: Annotated[int, u16(1098)] = 0
    reduction: Annotated[int, u16(1100)] = 0
    control: Annotated[int, u32(1102)] = 0
    max_accumulator: Annotated[int, u32(1106)] = 0
    index_reference: Annotated[int, i32(1110)] = 0
    reference: Annotated[int, u32(1114)] = 0
    accumulator: Annotated[int, u32(1118)] = 0
    last_update: Annotated[int, u64(1122)] = 0

    @property
    def is_at_maximum(self) -> bool:
        """Whether the price can move further without raising the fee."""
        return self.accumulator == self.max_accumulator

    def with_time(self, index: int, now: int) -> DynamicFee:
        """The state at the start of a trade at the step ``index``."""
        elapsed = max(now - self.last_update, 0)
        if elapsed < self.filter_period:
            return self
        reference = 0
        if elapsed < self.decay_period:
            reference = floor_div(self.accumulator * self.reduction, _REDUCTION_ONE)
        return replace(self, index_reference=index, reference=reference, last_update=now)

    def with_index(self, index: int) -> DynamicFee:
        """The state once the price is in the step ``index``."""
        moved = self.reference + abs(self.index_reference - index) * _STEP
        accumulator = min(moved, self.max_accumulator)
        return self if accumulator == self.accumulator else replace(self, accumulator=accumulator)

    def compute_rate(self, tick_spacing: int) -> int:
        """control / 10⁵ · (volatility · spacing / 10⁴)², rounded up."""
        crossed = self.accumulator * tick_spacing
        rate = ceil_div(self.control * crossed * crossed, _CONTROL_ONE * _STEP * _STEP)
        return min(rate, MAX_RATE)


DYNAMIC_FEE = Layout(DynamicFee, "dynamic fee", 1176)
"""A part of a pool's account; all zero in a pool without such a fee."""


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """The fees of a pool: ``protocol_rate`` and ``fund_rate`` are shares of the trading fee."""

    trade_rate: int
    protocol_rate: int
    fund_rate: int
    fee_on: FeeOn
    dynamic: DynamicFee | None

    def is_on_input(self, *, zero_for_one: bool) -> bool:
        """Whether the fee is charged on the input of a swap, and not on its output."""
        return self.fee_on is FeeOn.INPUT or (self.fee_on is FeeOn.TOKEN0) == zero_for_one

    def is_on_token0(self, *, zero_for_one: bool) -> bool:
        """Whether a swap pays its fee in token 0."""
        return self.fee_on is FeeOn.TOKEN0 or (self.fee_on is FeeOn.INPUT and zero_for_one)

    def compute_rate(self, dynamic: DynamicFee | None, tick_spacing: int) -> int:
        """Compute the rate at a state of the volatility."""
        if dynamic is None:
            return self.trade_rate
        return min(self.trade_rate + dynamic.compute_rate(tick_spacing), MAX_RATE)

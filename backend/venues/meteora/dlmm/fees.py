"""The fees of Meteora DLMM: a base rate, and one that follows the volatility, in parts per billion.

The volatility is counted in bins from a reference. The reference rests while trades follow each
other closely, and decays after that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from backend.domain.amounts import BPS, ceil_div, floor_div
from backend.domain.quotes import E9

MAX_RATE_E9: Final = 100_000_000
_ORDER_SHARE_BPS: Final = 5_000
"""The part of the fee on limit orders that their owners get."""
_VARIABLE_ONE: Final = 100_000_000_000


@dataclass(frozen=True, slots=True)
class Volatility:
    """The parameters and the state of the variable rate; periods are in seconds."""

    filter_period: int
    decay_period: int
    reduction: int
    control: int
    max_accumulator: int
    accumulator: int
    reference: int
    index_reference: int
    last_update: int

    def with_time(self, active_id: int, now: int) -> Volatility:
        """The state at the start of a trade."""
        elapsed = now - self.last_update
        if elapsed < self.filter_period:
            return self
        reference = 0
        if elapsed < self.decay_period:
            reference = floor_div(self.accumulator * self.reduction, BPS)
        return replace(self, index_reference=active_id, reference=reference)

    def with_bin(self, bin_id: int) -> Volatility:
        """The state once the price is in a bin."""
        moved = self.reference + abs(self.index_reference - bin_id) * BPS
        accumulator = min(moved, self.max_accumulator)
        if accumulator == self.accumulator:
            return self
        # Spelled out: it runs for each bin, and ``replace`` takes more than twice as long.
        return Volatility(
            self.filter_period,
            self.decay_period,
            self.reduction,
            self.control,
            self.max_accumulator,
            accumulator,
            self.reference,
            self.index_reference,
            self.last_update,
        )


class FeeSplit(NamedTuple):
    """Who gets a fee: the liquidity providers, the owners of limit orders, and the protocol."""

    to_liquidity: int
    to_orders: int
    to_protocol: int


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """The fees of a pair: ``protocol_share_bps`` is the protocol's share of them."""

    base_e9: int
    bin_step: int
    protocol_share_bps: int
    is_on_y: bool
    """Whether the fee is charged in token y always, and not in the token in."""

    def is_on_input(self, *, swap_for_y: bool) -> bool:
        """Whether the fee is charged on the input of a swap, and not on its output."""
        return not (self.is_on_y and swap_for_y)

    def compute_rate_e9(self, volatility: Volatility) -> int:
        """Base rate + ⌈control · (volatility · bin step)² / 10¹¹⌉, at most 10 %."""
        moved = volatility.accumulator * self.bin_step
        variable = ceil_div(volatility.control * moved * moved, _VARIABLE_ONE)
        return min(self.base_e9 + variable, MAX_RATE_E9)

    def split_fee(self, fee: int, pool_in: int, total_in: int) -> FeeSplit:
        """Split a fee on an input that a bin's liquidity and its limit orders have shared."""
        if not fee or not total_in:
            return FeeSplit(0, 0, 0)
        pool_fee = ceil_div(fee * pool_in, total_in)
        order_fee = fee - pool_fee
        to_owners = floor_div(order_fee * _ORDER_SHARE_BPS, BPS)
        from_pool = floor_div(pool_fee * self.protocol_share_bps, BPS)
        return FeeSplit(pool_fee - from_pool, to_owners, order_fee - to_owners + from_pool)


def compute_fee_within(amount: int, rate_e9: int) -> int:
    """Compute the fee that is a part of ``amount``, rounded up."""
    return ceil_div(amount * rate_e9, E9)


def compute_fee_besides(amount: int, rate_e9: int) -> int:
    """Compute the fee that is charged besides ``amount``, rounded up."""
    return ceil_div(amount * rate_e9, E9 - rate_e9)

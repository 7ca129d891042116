"""A swap of Meteora DLMM over bins: downwards for token y, upwards for token x."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

from backend.domain.amounts import ceil_div
from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.curve_segment import CurveSegment, KeptShares, make_level_segment
from backend.venues.meteora.dlmm.bin_array import BinDepth
from backend.venues.meteora.dlmm.bin_math import Q64, compute_bin_price
from backend.venues.meteora.dlmm.fees import FeeSplit, FeeTerms, Volatility
from backend.venues.meteora.dlmm.fills import Fill, fill_bin
from backend.venues.venue import AccountsMissing

_STAGE_MARGIN: Final = 4
"""A bin is used up by all that is more than it takes by this: what is in between, rounding decides.

Of an amount r, r - ⌈r · rate⌉ remain after the fee, with a rate of at most 10 %.
"""


class BinSource(Protocol):
    """The bins of a pair, as one swap meets them."""

    position: Any
    """How far the swap has come, to which another swap of the same bins can be moved."""

    def find_next(
        self, bin_id: int, *, swap_for_y: bool, with_orders: bool
    ) -> tuple[int, BinDepth]:
        """Find the first bin from ``bin_id`` on that pays something, itself included.

        Raises ``Rejected`` (``no_liquidity``) if there is none.
        """
        ...


@dataclass(frozen=True, slots=True)
class PairTerms:
    """What a pair's swaps depend on besides its bins."""

    active_id: int
    fees: FeeTerms
    volatility: Volatility
    supports_orders: bool


@dataclass(frozen=True, slots=True)
class BinSwap:
    """A swap without the tokens' transfer fees; ``active_id`` and ``volatility`` are as after it.

    ``first_price`` is the price of the first bin that paid, ``rate_e9`` the mean fee rate, rounded
    up, and ``fills`` are what each bin traded.
    """

    amount_in: int
    amount_out: int
    fee: int
    rate_e9: int
    first_price: int
    active_id: int
    volatility: Volatility
    fills: dict[int, Fill]

    def split_fees(self, fees: FeeTerms) -> dict[int, FeeSplit]:
        """Split the fee of each bin."""
        return {
            bin_id: fees.split_fee(fill.fee, fill.parts[0].amount_in, fill.net_in)
            for bin_id, fill in self.fills.items()
        }


class SwapStage(NamedTuple):
    """A swap at a time when it has used up the last bin that it traded with."""

    amount_in: int
    paid: int
    fee: int
    weighted_rate: int
    first_price: int
    active_id: int
    volatility: Volatility
    position: Any


def swap_exact_in(
    terms: PairTerms,
    source: BinSource,
    amount: int,
    *,
    swap_for_y: bool,
    now: int,
    stages: list[SwapStage] | None = None,
) -> BinSwap:
    """Compute the swap of ``amount``, whose output may be 0.

    With ``stages`` it goes on from the furthest that it passes of earlier swaps of the same bins at
    the same time, and adds its own: what a bin takes until it is used up is the same for every
    amount. Then its fills are not all there. Raises ``Rejected`` (``amount_too_large``), and what
    ``source`` raises.
    """
    run = _SwapRun(terms, source, amount, swap_for_y, now)
    if stages:
        passed = bisect_right(stages, amount - _STAGE_MARGIN, key=_get_amount_in)
        if passed:
            run.resume(stages[passed - 1])
    reached = stages[-1].amount_in if stages else 0
    while run.left:
        run.trade_next_bin()
        if stages is not None and run.left and run.amount_in > reached:
            stages.append(run.stage)
    return run.finish(now)


def _get_amount_in(stage: SwapStage) -> int:
    return stage.amount_in


class _SwapRun:
    """The state of a swap between bins."""

    def __init__(
        self, terms: PairTerms, source: BinSource, amount: int, swap_for_y: bool, now: int
    ) -> None:
        self._terms: Final = terms
        self._source: Final = source
        self._amount: Final = amount
        self._swap_for_y: Final = swap_for_y
        self._is_fee_on_input: Final = terms.fees.is_on_input(swap_for_y=swap_for_y)
        self.left = amount
        self._active_id = terms.active_id
        self._volatility = terms.volatility.with_time(terms.active_id, now)
        self._paid = self._fee = self._weighted_rate = 0
        self._first_price = 0
        self._fills: dict[int, Fill] = {}
        self._has_traded = False

    @property
    def amount_in(self) -> int:
        """What has been traded so far."""
        return self._amount - self.left

    @property
    def stage(self) -> SwapStage:
        """Where it stands; its last bin must be used up."""
        return SwapStage(
            self.amount_in,
            self._paid,
            self._fee,
            self._weighted_rate,
            self._first_price,
            self._active_id,
            self._volatility,
            self._source.position,
        )

    def resume(self, stage: SwapStage) -> None:
        """Go on from where a swap of another amount stood."""
        self.left = self._amount - stage.amount_in
        self._paid, self._fee, self._weighted_rate = stage.paid, stage.fee, stage.weighted_rate
        self._first_price, self._active_id = stage.first_price, stage.active_id
        self._volatility, self._has_traded = stage.volatility, True
        self._source.position = stage.position

    def trade_next_bin(self) -> None:
        """Trade with the active bin, or with the next one that pays something."""
        terms, swap_for_y = self._terms, self._swap_for_y
        following = self._active_id
        if self._has_traded:  # it is empty now
            following += -1 if swap_for_y else 1
        self._active_id, found = self._source.find_next(
            following, swap_for_y=swap_for_y, with_orders=terms.supports_orders
        )
        if not found.price:
            found = found._replace(price=compute_bin_price(self._active_id, terms.fees.bin_step))
        self._first_price = self._first_price or found.price
        self._volatility = self._volatility.with_bin(self._active_id)
        self._fill(found, terms.fees.compute_rate_e9(self._volatility))

    def finish(self, now: int) -> BinSwap:
        """The result, once nothing more can be traded."""
        volatility = self._volatility
        if self._active_id != self._terms.active_id:
            # Trades within one bin do not count as an update.
            volatility = replace(volatility, last_update=now)
        return BinSwap(
            self._amount,
            self._paid,
            self._fee,
            ceil_div(self._weighted_rate, self._amount) if self._amount else 0,
            self._first_price,
            self._active_id,
            volatility,
            self._fills,
        )

    def _fill(self, found: BinDepth, rate_e9: int) -> None:
        fill = fill_bin(
            found,
            self.left,
            rate_e9,
            swap_for_y=self._swap_for_y,
            with_orders=self._terms.supports_orders,
            is_fee_on_input=self._is_fee_on_input,
        )
        self._fills[self._active_id], self._has_traded = fill, True
        self.left -= fill.amount_in
        self._paid += fill.amount_out
        self._fee += fill.fee
        self._weighted_rate += rate_e9 * fill.amount_in


def trace_curve(
    terms: PairTerms, source: BinSource, kept: KeptShares, *, swap_for_y: bool, now: int
) -> Iterator[CurveSegment]:
    """Trace the bins that a swap would meet, each at its price, up to where ``source`` ends.

    ``kept`` are the shares that remain after the tokens' transfer fees.
    """
    fees, with_orders = terms.fees, terms.supports_orders
    is_on_input = fees.is_on_input(swap_for_y=swap_for_y)
    volatility = terms.volatility.with_time(terms.active_id, now)
    bin_id, step = terms.active_id, -1 if swap_for_y else 1
    rate_e9 = -1
    while True:
        try:
            bin_id, found = source.find_next(bin_id, swap_for_y=swap_for_y, with_orders=with_orders)
        except (AccountsMissing, Rejected):
            return
        available = found.amount_y if swap_for_y else found.amount_x
        if with_orders:
            available += sum(found.get_orders(swap_for_y=swap_for_y))
        price = (found.price or compute_bin_price(bin_id, fees.bin_step)) / Q64
        if not swap_for_y:
            price = 1 / price
        if volatility.control or rate_e9 < 0:
            volatility = volatility.with_bin(bin_id)
            rate_e9 = fees.compute_rate_e9(volatility)
            kept_here = kept.after_fee(rate_e9 / E9, is_on_input=is_on_input)
        yield make_level_segment(price, available / price, kept_here)
        bin_id += step

"""A swap of Raydium CLMM over ticks: step by step, in the program's order.

The reference is the program's source, github.com/raydium-io/raydium-clmm, ``swap_internal``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from backend.domain.amounts import ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.raydium.clmm.fees import RATE_ONE, DynamicFee, FeeTerms
from backend.venues.raydium.clmm.steps import Step, match_orders, trade_along_curve
from backend.venues.raydium.clmm.tick_array import Tick
from backend.venues.raydium.clmm.tick_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    Q64,
    compute_sqrt_price,
    compute_tick,
)

_U128_MASK: Final = (1 << 128) - 1


class TickSource(Protocol):
    """The initialized ticks of a pool."""

    def find_next(self, tick: int, *, zero_for_one: bool) -> Tick:
        """Find the nearest one at or below ``tick``, or above it if the price rises.

        Raises ``Rejected`` (``no_liquidity``) if there is none.
        """
        ...


@dataclass(frozen=True, slots=True)
class Curve:
    """The price of a pool and the liquidity at it; fee growths are Q64.64 for each liquidity."""

    sqrt_price: int
    tick: int
    liquidity: int
    tick_spacing: int
    fee_growth0: int = 0
    fee_growth1: int = 0


@dataclass(frozen=True, slots=True)
class CurveSwap:
    """A swap without the tokens' transfer fees; ``amount_in`` is what was taken of the amount.

    ``curve`` and ``dynamic`` are the state afterwards, ``ticks`` the changed ones. The fee is split
    into shares; ``rate_e9`` is its mean rate in parts per billion, rounded up.
    """

    amount_in: int
    amount_out: int
    lp_fee: int
    protocol_fee: int
    fund_fee: int
    rate_e9: int
    curve: Curve
    dynamic: DynamicFee | None
    ticks: dict[int, Tick]

    @property
    def fee(self) -> int:
        """The whole trading fee, in the token in which the pool charges it."""
        return self.lp_fee + self.protocol_fee + self.fund_fee


def swap_exact_in(
    curve: Curve,
    fees: FeeTerms,
    source: TickSource,
    amount: int,
    *,
    zero_for_one: bool,
    now: int,
    price_limit: int | None = None,
) -> CurveSwap:
    """Compute the swap of ``amount``, or as much of it as moves the √price to the limit.

    The output may be 0. Raises ``Rejected`` (``amount_too_large``, ``no_liquidity``), and what
    ``source`` raises.
    """
    run = _SwapRun(curve, fees, source, amount, zero_for_one, now)
    if price_limit is not None:
        run.limit = price_limit
    while run.remaining and run.sqrt_price != run.limit:
        run.trade_to_next_tick()
    return run.finish()


class _SwapRun:
    """The state of a swap between its steps."""

    def __init__(
        self,
        curve: Curve,
        fees: FeeTerms,
        source: TickSource,
        amount: int,
        zero_for_one: bool,
        now: int,
    ) -> None:
        self._start: Final = curve
        self._fees: Final = fees
        self._source: Final = source
        self._amount: Final = amount
        self._zero_for_one: Final = zero_for_one
        self._is_fee_on_input: Final = fees.is_on_input(zero_for_one=zero_for_one)
        self._is_fee_on_token0: Final = fees.is_on_token0(zero_for_one=zero_for_one)
        self.remaining = amount
        self.sqrt_price = curve.sqrt_price
        self.limit = MIN_SQRT_PRICE + 1 if zero_for_one else MAX_SQRT_PRICE - 1
        self._tick = curve.tick
        self._liquidity = curve.liquidity
        self._amount_out = self._weighted_rate = 0
        self._lp_fee = self._protocol_fee = self._fund_fee = 0
        self._fee_growth = curve.fee_growth0 if self._is_fee_on_token0 else curve.fee_growth1
        self._index = curve.tick // curve.tick_spacing
        self._dynamic = fees.dynamic
        if fees.dynamic is not None:
            self._dynamic = fees.dynamic.with_time(self._index, now)
        self._ticks: dict[int, Tick] = {}
        self._next_tick = self._next_price = 0
        self._skips_steps = True

    def trade_to_next_tick(self) -> None:
        """Trade up to the next initialized tick, in steps of one fee rate each."""
        tick = self._source.find_next(self._tick, zero_for_one=self._zero_for_one)
        self._next_tick = min(max(tick.tick, MIN_TICK), MAX_TICK)
        self._next_price = compute_sqrt_price(self._next_tick)
        if self._zero_for_one:
            target = max(self._next_price, self.limit)
        else:
            target = min(self._next_price, self.limit)
        liquidity = self._liquidity
        while True:
            if self._dynamic is not None:
                self._dynamic = self._dynamic.with_index(self._index)
            rate = self._fees.compute_rate(self._dynamic, self._start.tick_spacing)
            bound, bound_tick = self._find_bound(target)
            reached = self._trade_to(bound, rate)
            if reached == self._next_price:
                liquidity = self._reach_tick(tick, rate)
            elif reached != self.sqrt_price:
                if bound_tick is not None and reached == bound:
                    self._tick = bound_tick
                else:
                    self._tick = compute_tick(reached)
            self.sqrt_price = reached
            self._advance_index()
            if not self.remaining or reached == target:
                break
        self._liquidity = liquidity

    def finish(self) -> CurveSwap:
        """The result, once nothing more can be traded."""
        start = self._start
        curve = Curve(
            self.sqrt_price,
            self._tick,
            self._liquidity,
            start.tick_spacing,
            self._fee_growth if self._is_fee_on_token0 else start.fee_growth0,
            start.fee_growth1 if self._is_fee_on_token0 else self._fee_growth,
        )
        amount_in = self._amount - self.remaining
        return CurveSwap(
            amount_in,
            self._amount_out,
            self._lp_fee,
            self._protocol_fee,
            self._fund_fee,
            ceil_div(self._weighted_rate * (E9 // RATE_ONE), amount_in) if amount_in else 0,
            curve,
            self._dynamic,
            self._ticks,
        )

    def _is_bounded(self) -> bool:
        """Whether the fee rate changes with each step of the tick spacing from here on."""
        dynamic = self._dynamic
        return dynamic is not None and self._liquidity > 0 and not dynamic.is_at_maximum

    def _find_bound(self, target: int) -> tuple[int, int | None]:
        """Find the √price up to which one fee rate holds, and its tick if that is no target."""
        self._skips_steps = not self._is_bounded()
        if self._skips_steps:
            return target, None
        index = self._index if self._zero_for_one else self._index + 1
        tick = min(max(index * self._start.tick_spacing, MIN_TICK), MAX_TICK)
        bound = compute_sqrt_price(tick)
        is_beyond = target > bound if self._zero_for_one else target < bound
        return (target, None) if is_beyond else (bound, tick)

    def _trade_to(self, bound: int, rate: int) -> int:
        if self.sqrt_price == bound:
            return bound
        reached, step = trade_along_curve(
            self.sqrt_price,
            bound,
            self._liquidity,
            self.remaining,
            rate,
            zero_for_one=self._zero_for_one,
            is_fee_on_input=self._is_fee_on_input,
        )
        self._apply(step, rate)
        return reached

    def _reach_tick(self, tick: Tick, rate: int) -> int:
        """Fill the orders of a tick, and cross it if none are left; returns the liquidity then."""
        tick, step = match_orders(
            tick,
            self._next_price,
            self.remaining,
            rate,
            zero_for_one=self._zero_for_one,
            is_fee_on_input=self._is_fee_on_input,
        )
        if any(step):
            self._apply(step, rate)
        liquidity = self._liquidity
        if tick.liquidity_gross and not tick.has_orders:
            tick = self._flip_growths(tick)
            net = tick.liquidity_net
            liquidity += -net if self._zero_for_one else net
            if liquidity < 0:
                raise Rejected("bad_pool", "a tick of the pool takes more than its liquidity")
        self._ticks[tick.tick] = tick
        is_below = self._zero_for_one != tick.has_orders
        self._tick = self._next_tick - 1 if is_below else self._next_tick
        return liquidity

    def _flip_growths(self, tick: Tick) -> Tick:
        start, growth = self._start, self._fee_growth
        growth0 = growth if self._is_fee_on_token0 else start.fee_growth0
        growth1 = start.fee_growth1 if self._is_fee_on_token0 else growth
        return tick._replace(
            fee_growth_outside0=growth0 - tick.fee_growth_outside0 & _U128_MASK,
            fee_growth_outside1=growth1 - tick.fee_growth_outside1 & _U128_MASK,
        )

    def _apply(self, step: Step, rate: int) -> None:
        taken = step.amount_in + (step.fee if self._is_fee_on_input else 0)
        if taken > self.remaining:
            raise Rejected("amount_too_large", "the amount is too large for the pool")
        self.remaining -= taken
        self._amount_out += step.amount_out
        self._weighted_rate += rate * taken
        protocol = floor_div(step.fee * self._fees.protocol_rate, RATE_ONE)
        fund = floor_div(step.fee * self._fees.fund_rate, RATE_ONE)
        rest = step.fee - protocol - fund
        self._fund_fee += fund
        if self._liquidity:
            growth = self._fee_growth + floor_div(rest * Q64, self._liquidity)
            self._fee_growth = growth & _U128_MASK
            self._lp_fee += rest
            self._protocol_fee += protocol
        else:  # nobody provides liquidity here
            self._protocol_fee += protocol + rest

    def _advance_index(self) -> None:
        """Count the step of the volatility that the price has entered."""
        if self._dynamic is None:
            return
        if self._skips_steps:
            spacing = self._start.tick_spacing
            tick = self._next_tick if self.sqrt_price == self._next_price else self._tick
            self._index = tick // spacing
            if not self._zero_for_one and tick % spacing == 0:
                self._index -= 1
            if not self._dynamic.is_at_maximum:
                self._dynamic = self._dynamic.with_index(self._index)
        self._index += -1 if self._zero_for_one else 1

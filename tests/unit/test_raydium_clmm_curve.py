"""Invariants of Raydium CLMM's swaps, for any liquidity, fee and amount."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.domain.errors import Rejected
from backend.routing.splits.pool_curve import PoolCurve
from backend.venues.curve_segment import KeptShares
from backend.venues.raydium.clmm.creation import Position, collect_ticks
from backend.venues.raydium.clmm.fees import RATE_ONE, DynamicFee, FeeOn, FeeTerms
from backend.venues.raydium.clmm.prices import trace_curve
from backend.venues.raydium.clmm.swap import Curve, CurveSwap, swap_exact_in
from backend.venues.raydium.clmm.tick_math import Q64, compute_sqrt_price
from tests.pools import NOW, ListedTicks
from tests.strategies import magnitudes

amounts = magnitudes(1, 2**56)


class Market(NamedTuple):
    """A pool's positions and limit orders, its price and its fees."""

    positions: list[Position]
    orders: dict[int, int]
    curve: Curve
    fees: FeeTerms

    def swap(self, amount: int, *, zero_for_one: bool) -> CurveSwap | None:
        """The swap, or nothing if the liquidity does not suffice."""
        return self.swap_over(self.list_ticks(), amount, zero_for_one=zero_for_one)

    def list_ticks(self) -> ListedTicks:
        """The initialized ticks."""
        ticks = collect_ticks(self.positions)
        for n, amount_there in self.orders.items():
            if n in ticks:
                ticks[n] = ticks[n]._replace(orders=amount_there)
        return ListedTicks(list(ticks.values()))

    def swap_over(
        self, source: ListedTicks, amount: int, *, zero_for_one: bool
    ) -> CurveSwap | None:
        """The swap over given ticks."""
        try:
            swap = swap_exact_in(
                self.curve,
                self.fees,
                source,
                amount,
                zero_for_one=zero_for_one,
                now=NOW.unix_time,
            )
        except Rejected:
            return None
        return swap if swap.amount_in == amount else None

    def compute_backing(self, sqrt_price: int) -> tuple[Fraction, Fraction]:
        """The tokens that the positions need at a price, exactly."""
        amount0 = amount1 = Fraction()
        for position in self.positions:
            low, high = compute_sqrt_price(position.low), compute_sqrt_price(position.high)
            at = min(max(sqrt_price, low), high)
            amount0 += Fraction(position.liquidity * (high - at) * Q64, high * at)
            amount1 += Fraction(position.liquidity * (at - low), Q64)
        return amount0, amount1


@st.composite
def dynamic_fees(draw: st.DrawFn) -> DynamicFee:
    return DynamicFee(
        filter_period=30,
        decay_period=600,
        reduction=5_000,
        control=draw(st.integers(1, 99_999)),
        max_accumulator=draw(st.integers(1, 400_000)),
        index_reference=draw(st.integers(-5_000, 5_000)),
        reference=draw(st.integers(0, 50_000)),
        accumulator=draw(st.integers(0, 50_000)),
        last_update=NOW.unix_time - draw(st.integers(0, 700)),
    )


@st.composite
def markets(draw: st.DrawFn, *, with_orders: bool = False) -> Market:
    spacing = draw(st.sampled_from([1, 10, 60]))
    middle = draw(st.integers(-200, 200)) * spacing
    # Drawn from a seed, which is much faster than a draw for each number.
    random = Random(draw(st.integers(0, 2**32)))
    positions = [
        Position(
            middle - random.randint(1, 60) * spacing,
            middle + random.randint(1, 60) * spacing,
            random.getrandbits(random.randint(20, 70)) + 10**6,
        )
        for _ in range(random.randint(2, 6))
    ]
    tick = middle + draw(st.integers(-2 * spacing, 2 * spacing))
    low, high = compute_sqrt_price(tick), compute_sqrt_price(tick + 1)
    curve = Curve(
        low + draw(st.integers(0, high - low - 1)),
        tick,
        sum(p.liquidity for p in positions if p.low <= tick < p.high),
        spacing,
    )
    fees = FeeTerms(
        draw(st.sampled_from([100, 500, 2_500, 10_000])),
        120_000,
        40_000,
        draw(st.sampled_from(FeeOn)),
        draw(st.none() | dynamic_fees()),
    )
    ends = sorted({p.low for p in positions} | {p.high for p in positions})
    orders = {
        n: random.getrandbits(random.randint(1, 40))
        for n in ends
        if with_orders and random.random() < 0.5
    }
    return Market(positions, orders, curve, fees)


class Trade(NamedTuple):
    """A swap of a market, and another amount for the same direction."""

    market: Market
    amount: int
    other: int
    zero_for_one: bool


@st.composite
def trades(draw: st.DrawFn, *, with_orders: bool = False) -> Trade:
    """Swaps of any size, most of them of a large share of what the liquidity takes."""
    market, zero_for_one = draw(markets(with_orders=with_orders)), draw(st.booleans())
    end = (
        min(p.low for p in market.positions)
        if zero_for_one
        else max(p.high for p in market.positions)
    )
    now = market.compute_backing(market.curve.sqrt_price)
    then = market.compute_backing(compute_sqrt_price(end))
    index = 0 if zero_for_one else 1
    depth = max(int(then[index] - now[index]), 1)
    random = Random(draw(st.integers(0, 2**32)))

    def draw_size() -> int:
        if random.random() < 0.3:
            return draw(amounts)
        return min(max(int(depth * 2 ** random.uniform(-2, 0)), 1), 2**60)

    return Trade(market, draw_size(), draw_size(), zero_for_one)


@given(trades())
def test_the_pool_always_backs_its_liquidity(trade: Trade) -> None:
    market, amount, _, zero_for_one = trade
    swap = market.swap(amount, zero_for_one=zero_for_one)
    assume(swap is not None)
    assert swap is not None
    before = market.compute_backing(market.curve.sqrt_price)
    after = market.compute_backing(swap.curve.sqrt_price)
    change = (amount, -swap.amount_out) if zero_for_one else (-swap.amount_out, amount)
    fee = swap.fee if market.fees.is_on_token0(zero_for_one=zero_for_one) else 0
    fees = (fee, swap.fee - fee)
    for had, got, owed, needs in zip(before, change, fees, after, strict=True):
        assert had + got - owed >= needs


@given(trades(with_orders=True))
def test_nothing_is_paid_above_the_price_at_the_start(trade: Trade) -> None:
    market, amount, _, zero_for_one = trade
    swap = market.swap(amount, zero_for_one=zero_for_one)
    assume(swap is not None)
    assert swap is not None
    square = market.curve.sqrt_price**2
    fair = Fraction(amount * square, 2**128) if zero_for_one else Fraction(amount << 128, square)
    assert swap.amount_out <= fair
    if swap.amount_out > 1_000:
        kept = RATE_ONE - market.fees.trade_rate
        assert swap.amount_out <= fair * kept / RATE_ONE


@given(trades(with_orders=True))
def test_more_in_never_gives_less_out(trade: Trade) -> None:
    market, one, another, zero_for_one = trade
    smaller, larger = (market.swap(a, zero_for_one=zero_for_one) for a in sorted((one, another)))
    assume(larger is not None)
    assert smaller is not None
    assert larger is not None
    assert smaller.amount_out <= larger.amount_out


@given(trades(with_orders=True))
def test_there_and_back_never_profits(trade: Trade) -> None:
    market, amount, _, zero_for_one = trade
    there = market.swap(amount, zero_for_one=zero_for_one)
    assume(there is not None)
    assert there is not None
    assume(there.amount_out)
    ticks = collect_ticks(market.positions)
    for n, orders in market.orders.items():
        ticks[n] = ticks[n]._replace(orders=orders)
    ticks |= there.ticks
    after = market._replace(
        curve=there.curve, fees=replace(market.fees, dynamic=there.dynamic), orders={}
    )
    left = ListedTicks([tick for tick in ticks.values() if tick.is_initialized])
    back = after.swap_over(left, there.amount_out, zero_for_one=not zero_for_one)
    assume(back is not None)
    assert back is not None
    assert back.amount_out <= amount


@given(trades())
def test_the_fee_is_shared_out_completely(trade: Trade) -> None:
    market, amount, _, zero_for_one = trade
    swap = market.swap(amount, zero_for_one=zero_for_one)
    assume(swap is not None)
    assert swap is not None
    assert swap.fee == swap.lp_fee + swap.protocol_fee + swap.fund_fee
    assert swap.fee > 0 or swap.amount_out == 0
    assert market.fees.trade_rate * 1_000 <= swap.rate_e9 <= 100_000_000


def compute_ideal_output(
    market: Market, amount: int, *, zero_for_one: bool
) -> tuple[Fraction, int]:
    """What the liquidity pays without any rounding, at the fixed fee, and over how many ticks."""
    kept = 1 - Fraction(market.fees.trade_rate, RATE_ONE)
    on_input = market.fees.is_on_input(zero_for_one=zero_for_one)
    left, paid = amount * (kept if on_input else Fraction(1)), Fraction()
    price = Fraction(market.curve.sqrt_price, Q64)
    ends = sorted({n for p in market.positions for n in (p.low, p.high)}, reverse=zero_for_one)
    crossed = 0
    for n in ends:
        target = Fraction(compute_sqrt_price(n), Q64)
        if (target > price) if zero_for_one else (target < price):
            continue
        middle = (price + target) / 2 * Q64
        liquidity = sum(
            p.liquidity
            for p in market.positions
            if compute_sqrt_price(p.low) <= middle <= compute_sqrt_price(p.high)
        )
        needed = liquidity * abs(1 / target - 1 / price if zero_for_one else target - price)
        crossed += 1
        reached = target
        if needed > left and liquidity:
            reached = (
                1 / (1 / price + left / liquidity) if zero_for_one else price + left / liquidity
            )
        paid += liquidity * abs(reached - price if zero_for_one else 1 / reached - 1 / price)
        left -= min(needed, left)
        price = reached
        if not left:
            break
    return paid if on_input else paid * kept, crossed


@given(trades())
def test_no_more_is_lost_to_rounding_than_a_few_units_for_each_tick(trade: Trade) -> None:
    market, amount, _, zero_for_one = trade
    market = market._replace(fees=replace(market.fees, dynamic=None))
    swap = market.swap(amount, zero_for_one=zero_for_one)
    assume(swap is not None)
    assert swap is not None
    ideal, crossed = compute_ideal_output(market, amount, zero_for_one=zero_for_one)
    # A unit of the token in is worth at most five of the token out in these markets, and √prices
    # are rounded to 2⁻⁶⁴.
    units = 12 + 8 * sum(p.liquidity for p in market.positions) // Q64
    assert 0 <= ideal - swap.amount_out <= units * (crossed + 1)


@given(trades(with_orders=True))
def test_the_curve_in_floating_point_is_close_to_a_swap(trade: Trade) -> None:
    market, amount, _, zero_for_one = trade
    swap = market.swap(amount, zero_for_one=zero_for_one)
    assume(swap is not None)
    assert swap is not None
    segments = trace_curve(
        market.curve,
        market.fees,
        market.list_ticks(),
        KeptShares(),
        zero_for_one=zero_for_one,
        now=NOW.unix_time,
    )
    curve = PoolCurve(segments)
    out = curve.compute_out(amount)
    # Each piece rounds a few times by a unit of either token, and √prices to 2⁻⁶⁴.
    each = 4 + 4 * sum(p.liquidity for p in market.positions) // Q64
    units = each * (1 + curve.count_pieces(amount)) * (1 + out / amount)
    assert out == pytest.approx(swap.amount_out, rel=1e-6, abs=units)

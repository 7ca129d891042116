"""The curves of all pool programs in floating point: close to what their pools pay exactly."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import EngineError, Rejected
from backend.routing.splits.pool_curve import PoolCurve
from backend.trials.splits.states import draw_case
from backend.venues import CPMM, DLMM
from backend.venues.curve_segment import CurveSegment, KeptShares, make_level_segment
from backend.venues.meteora.dlmm.bin_array import ARRAY_BINS
from backend.venues.spl import TransferFee
from backend.venues.venue import Pool
from tests.pools import NOW, SOL, USDC, make_cpmm_pool
from tests.strategies import amounts, pools

SHARES = (1e-6, 1e-4, 1e-3, 1e-2, 5e-2, 2e-1, 5e-1)
ONE_SOL = 10**9


def check_quote(pool: Pool, mint_in: Pubkey, amount: int, *, exact: float = 1e-7) -> bool:
    """Compare the curve with a quote; whether there is one."""
    try:
        quote = pool.quote(mint_in, amount)
    except EngineError:
        return False
    curve = PoolCurve(pool.trace_curve(mint_in))
    traced = curve.compute_out(amount)
    # Each piece rounds its amounts in and out, and its fee.
    units = (4 + 3 * curve.count_pieces(amount)) * (1 + traced / amount)
    assert traced == pytest.approx(quote.amount_out, rel=exact, abs=units)
    return True


def test_the_curve_of_every_program_is_close_to_its_quotes() -> None:
    count = 0
    for n in range(60):
        case = draw_case(Random(n))
        depth = case.amount_in / case.size
        for pool in case.pools:
            count += sum(
                check_quote(pool, case.mint_in, max(int(depth * share), 1)) for share in SHARES
            )
    assert count > 500


@given(pools(with_limiter=False), amounts, st.booleans())
def test_the_curve_has_the_fees_of_every_mode(pool: Pool, amount: int, is_sale: bool) -> None:
    check_quote(pool, SOL if is_sale else USDC, amount, exact=1e-6)


def test_a_curve_has_the_limit_orders_of_a_bin() -> None:
    pool = DLMM.create_pool(SOL, USDC, 50_000 * ONE_SOL, 5_000 * 10**9, fee_e9=2_000_000)
    pool, active = pool.with_clock(NOW), pool.state.active_id
    index = active // ARRAY_BINS
    below = pool.arrays[index].get_bin(active - 1)._replace(open_orders=10**12)
    arrays = {**pool.arrays, index: pool.arrays[index].with_bins({active - 1: below})}
    side_x, side_y = pool.sides
    with_orders = replace(pool, arrays=arrays, sides=(side_x, side_y.with_balance_change(10**12)))
    for amount in (100 * ONE_SOL, 1_000 * ONE_SOL, 5_000 * ONE_SOL):
        assert check_quote(with_orders, SOL, amount)
    assert with_orders.quote(SOL, amount).amount_out > pool.quote(SOL, amount).amount_out


def test_a_curve_has_the_transfer_fees_of_both_tokens() -> None:
    pool = make_cpmm_pool()
    side0, side1 = pool.sides
    fee0, fee1 = TransferFee(10**18, 100), TransferFee(10**18, 30)
    charged = replace(pool, sides=(replace(side0, fee=fee0), replace(side1, fee=fee1)))
    assert check_quote(charged, SOL, 700 * ONE_SOL)
    assert check_quote(charged, USDC, 700 * 10**6)


def test_a_curve_ends_where_the_pool_was_not_read_further() -> None:
    pool = DLMM.create_pool(SOL, USDC, 50_000 * ONE_SOL, 5_000 * 10**9, fee_e9=2_000_000)
    index = pool.state.active_id // ARRAY_BINS
    near = replace(pool.with_clock(NOW), arrays={index: pool.arrays[index]})
    curve = PoolCurve(near.trace_curve(SOL))
    assert curve.takes(100.0)
    assert not curve.takes(10.0**13)
    _, most = curve.find_end()
    assert near.quote(SOL, int(most) - 1_000).amount_out
    with pytest.raises(EngineError):
        near.quote(SOL, int(most) + 1_000)


def test_an_empty_pool_has_no_curve() -> None:
    pool = make_cpmm_pool()
    drained = replace(pool, sides=(pool.sides[0], pool.sides[1].with_balance_change(-(10**12 * 5))))
    assert drained.reserves[1] == 0
    assert PoolCurve(drained.trace_curve(SOL)).is_empty
    with pytest.raises(Rejected, match="does not trade"):
        next(CPMM.create_pool(SOL, USDC, 1_000, 1_000, fee_e9=1_000).trace_curve(pool.address))


def make_curve(*segments: CurveSegment) -> PoolCurve:
    return PoolCurve(iter(segments))


def test_the_root_of_an_amount_is_where_the_pool_takes_it() -> None:
    curve = make_curve(
        CurveSegment(1_000.0, 2_000.0, KeptShares(0.99), 500.0),
        make_level_segment(0.5, 300.0, KeptShares(1.0, 0.98)),
        CurveSegment(4_000.0, 1_000.0, KeptShares()),
    )
    for amount in (1.0, 100.0, 505.0, 700.0, 805.0, 10_000.0):
        root = curve.find_root(amount, inf)
        assert curve.measure(root).amount_in == pytest.approx(amount, rel=1e-6)
    assert curve.takes(1e18)
    assert not curve.is_endless
    assert make_curve(CurveSegment(4_000.0, 1_000.0, KeptShares())).is_endless
    assert curve.measure(0.01).amount_in == 0


@given(st.integers(1, 5_000), st.floats(1, 10_000))
def test_the_mean_price_up_to_the_cap_is_as_much_worse(cap_bps: int, depth: float) -> None:
    pieces = (
        CurveSegment(depth, 2 * depth, KeptShares(0.99), depth / 100),
        make_level_segment(1.9, depth / 50, KeptShares(0.98)),
        CurveSegment(2 * depth, 3 * depth, KeptShares(0.97)),
    )
    curve = make_curve(*pieces)
    amount = curve.find_capped_amount(cap_bps, inf)
    assert curve.find_capped_amount(cap_bps, amount * 0.99) == inf
    left, net, gross = amount, 0.0, 0.0
    for piece in pieces:
        taken = min(left * piece.kept.of_in, piece.net_in)
        left -= taken / piece.kept.of_in
        net += taken
        gross += piece.reserve_out * taken / (piece.reserve_in + taken)
    assert gross / net / 2 == pytest.approx(1 - cap_bps / 10_000, rel=1e-7)


def test_a_better_price_further_on_is_treated_as_the_one_before() -> None:
    curve = make_curve(
        CurveSegment(1_000.0, 1_000.0, KeptShares(0.9), 500.0),
        CurveSegment(1_500.0, 900.0, KeptShares()),
    )
    first, last = curve.measure(1.2), curve.measure(2.0)
    assert first.amount_in < last.amount_in
    assert curve.compute_out(1_000.0) > curve.compute_out(900.0)

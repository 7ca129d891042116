"""Prices wander inside their bands, slowly enough to trade on, and always in the same way."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.amounts import BPS
from backend.domain.quotes import E9, Dex
from backend.domain.tokens import BONK, SOL, USDC
from backend.simulator.market.prices import (
    PRICE_BANDS,
    move_factor,
    reference_price,
    walk_factor_e9,
)
from backend.simulator.state.clock import ChainClock, ClockState

BPS_A_SECOND = 5


@given(st.integers(0, 2**32), st.sampled_from(list(Dex)), st.integers(0, 10**12))
def test_a_price_stays_in_its_band_and_moves_slowly(seed: int, dex: Dex, at_ms: int) -> None:
    band = PRICE_BANDS[dex]
    now, later = (walk_factor_e9(seed, dex.value, band, at_ms + wait) for wait in (0, 1_000))

    assert E9 + band.low_bps * E9 // BPS <= now <= E9 + band.high_bps * E9 // BPS
    assert abs(later - now) <= BPS_A_SECOND * E9 // BPS


@given(st.integers(0, 2**32), st.integers(0, 10**9))
def test_a_walk_is_a_function_of_its_seed_and_the_time(seed: int, at_ms: int) -> None:
    band = PRICE_BANDS[Dex.METEORA]

    assert walk_factor_e9(seed, "pool", band, at_ms) == walk_factor_e9(seed, "pool", band, at_ms)


def test_a_walk_uses_its_band() -> None:
    band = PRICE_BANDS[Dex.RAYDIUM]
    seen = [walk_factor_e9(1, "pool", band, minute * 60_000) for minute in range(10_000)]

    assert min(seen) < E9 - E9 // 100
    assert max(seen) > E9 + E9 // 100


def test_a_reference_is_in_base_units() -> None:
    assert reference_price(SOL, USDC, 100) == Fraction(100 * 10**6, 10**9)
    assert reference_price(SOL, BONK, 100) == Fraction(5_000_000 * 10**5, 10**9)


@given(st.lists(st.integers(-9_000, 90_000), max_size=50))
def test_a_price_moved_however_often_is_one_that_pools_can_hold(moves: list[int]) -> None:
    factor = E9
    for bps in moves:
        factor = move_factor(factor, bps)

    assert E9 // 10_000 <= factor <= E9 * 10_000


def clock(state: ClockState | None = None, now: float = 1_000.0) -> ChainClock:
    return ChainClock(state or ClockState(born_at=1_000.0), 0.4, 1, lambda: now)


@given(st.integers(0, 10**6), st.integers(0, 300))
def test_a_blockhash_is_valid_for_150_blocks_after_its_own(born: int, later: int) -> None:
    at = clock(now=1_000.0 + born * 0.4 + 0.1)
    height = at.height(at.slot())
    blockhash = at.blockhash(height)
    at.skip_blocks(later)

    assert at.find_height(blockhash) == height
    assert at.is_blockhash_valid(blockhash, at.slot()) == (later <= 150)


def test_a_blockhash_is_the_same_after_a_restart_and_another_after_a_fork() -> None:
    at = clock(now=1_100.0)
    height = at.height(at.slot())
    before = at.blockhash(height)
    assert clock(at.state, 1_200.0).blockhash(height) == before

    at.fork(2)

    assert at.blockhash(height) != before
    assert at.blockhash(height - 1) != clock(now=1_100.0).blockhash(height - 1)
    assert at.blockhash(height - 2) == clock(now=1_100.0).blockhash(height - 2)
    assert at.find_height(before) is None


def test_time_never_goes_back_even_if_the_clock_does() -> None:
    times = [1_100.0, 1_050.0, 1_101.0]
    at = ChainClock(ClockState(born_at=1_000.0), 0.4, 1, lambda: times.pop(0))
    first, second, third = at.slot(), at.slot(), at.slot()

    assert first == second < third

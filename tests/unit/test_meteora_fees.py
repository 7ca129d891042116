"""The fees of Meteora DAMM v2: schedules, the rate limiter, volatility, and the fee's shares."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.amounts import U64_MAX, ceil_div
from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.meteora.damm_v2.accounts import (
    BaseFee,
    BaseFeeMode,
    PriceSchedule,
    RateLimiter,
    TimeSchedule,
    Volatility,
)
from backend.venues.meteora.damm_v2.fees import (
    FeeContext,
    compute_base_rate,
    compute_dynamic_rate,
    compute_limiter_rate,
    is_limiter_active,
    split_fee,
    update_volatility,
)
from tests.pools import CLIFF, LIMITER, VOLATILITY

Q64 = 2**64


def make_context(point: int, *, sqrt: int = Q64) -> FeeContext:
    return FeeContext(point=point, activation=1_000, init_sqrt=Q64, sqrt=sqrt)


@pytest.mark.parametrize(
    ("point", "fee"),
    [(999, 50_000_000), (1_000, CLIFF), (1_009, CLIFF), (1_010, 90_000_000), (9_999, 50_000_000)],
)
def test_a_linear_schedule_falls_with_time(point: int, fee: int) -> None:
    schedule = TimeSchedule(periods=5, frequency=10, reduction=10_000_000)
    assert (
        compute_base_rate(BaseFee(CLIFF, BaseFeeMode.TIME_LINEAR), schedule, make_context(point))
        == fee
    )


@pytest.mark.parametrize(
    ("point", "fee"),
    [(1_000, CLIFF), (1_010, 90_000_000), (1_020, 81_000_000), (9_999, 59_049_000)],
)
def test_an_exponential_schedule_falls_by_a_factor(point: int, fee: int) -> None:
    schedule = TimeSchedule(periods=5, frequency=10, reduction=1_000)
    exponential = BaseFee(CLIFF, BaseFeeMode.TIME_EXPONENTIAL)
    # Q64.64 holds a little less than each power, and the product is rounded down.
    assert compute_base_rate(exponential, schedule, make_context(point)) in {fee - 1, fee}
    assert (
        compute_base_rate(exponential, replace(schedule, reduction=0), make_context(point)) == CLIFF
    )


def test_a_schedule_without_frequency_stays_at_its_cliff() -> None:
    for mode in (BaseFeeMode.TIME_LINEAR, BaseFeeMode.TIME_EXPONENTIAL):
        assert (
            compute_base_rate(BaseFee(CLIFF, mode), TimeSchedule(3, 0, 99_999), make_context(5_000))
            == CLIFF
        )


@pytest.mark.parametrize(
    ("sqrt", "point", "periods"),
    [
        (Q64, 1_000, 0),
        (Q64 - 1, 1_000, 0),
        (Q64 + Q64 // 50, 1_000, 1),
        (Q64 + Q64 // 25, 1_000, 3),
        (10 * Q64, 1_000, 4),
        (Q64, 999, 4),
        (Q64, 1_060, 0),
        (Q64, 1_061, 4),
    ],
)
def test_a_price_schedule_falls_as_the_price_rises(sqrt: int, point: int, periods: int) -> None:
    schedule = PriceSchedule(periods=4, step_bps=100, duration=60, reduction=10_000_000)
    fee = compute_base_rate(
        BaseFee(CLIFF, BaseFeeMode.PRICE_LINEAR), schedule, make_context(point, sqrt=sqrt)
    )
    assert fee == CLIFF - periods * 10_000_000


@pytest.mark.parametrize(
    ("mode", "schedule", "context"),
    [
        (BaseFeeMode.TIME_LINEAR, TimeSchedule(9, 1, CLIFF), make_context(1_002)),
        (BaseFeeMode.TIME_EXPONENTIAL, TimeSchedule(9, 1, 10_001), make_context(1_002)),
        (BaseFeeMode.TIME_EXPONENTIAL, TimeSchedule(65_535, 1, 9_999), make_context(70_000)),
        (BaseFeeMode.PRICE_LINEAR, PriceSchedule(9, 0, 60, 1), make_context(1_000, sqrt=2 * Q64)),
    ],
)
def test_a_schedule_that_the_program_cannot_compute_is_refused(
    mode: BaseFeeMode, schedule: TimeSchedule | PriceSchedule, context: FeeContext
) -> None:
    with pytest.raises(Rejected, match="bad_pool"):
        compute_base_rate(BaseFee(CLIFF, mode), schedule, context)


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        (1, 100_000_000),
        (1_000, 100_000_000),
        # 1,000 at 10 % and 500 at 11 %: 155.
        (1_500, 103_333_334),
        # 1,000 each at 10 %, 11 % and 12 %: 330.
        (3_000, 110_000_000),
    ],
)
def test_a_larger_purchase_pays_a_higher_rate(amount: int, fee: int) -> None:
    assert compute_limiter_rate(LIMITER, CLIFF, amount) == fee


def test_the_rate_of_a_purchase_ends_at_its_maximum() -> None:
    # 41 reference amounts at 10 %, 11 %, … 50 %, and all further ones at 50 %.
    steps = sum(1_000 * (10 + n) for n in range(41)) // 100
    assert compute_limiter_rate(LIMITER, CLIFF, 41_000) == ceil_div(steps * E9, 41_000)
    assert compute_limiter_rate(LIMITER, CLIFF, 51_000) == ceil_div((steps + 5_000) * E9, 51_000)
    assert compute_limiter_rate(LIMITER, CLIFF, U64_MAX) <= 500_000_000


@pytest.mark.parametrize(
    ("limiter", "point", "applies"),
    [
        (LIMITER, 999, False),
        (LIMITER, 1_000, True),
        (LIMITER, 1_060, True),
        (LIMITER, 1_061, False),
        (RateLimiter(0, 0, 0, 0), 1_000, False),
    ],
)
def test_a_limiter_applies_only_in_its_window(
    limiter: RateLimiter, point: int, applies: bool
) -> None:
    assert is_limiter_active(limiter, make_context(point)) == applies


def test_the_dynamic_fee_is_rounded_up() -> None:
    # (100,000 · 1)² · 40,000 / 10¹¹ = 4,000.
    assert compute_dynamic_rate(VOLATILITY) == 4_000
    assert compute_dynamic_rate(replace(VOLATILITY, accumulator=100_001)) == 4_001
    assert compute_dynamic_rate(replace(VOLATILITY, is_on=0)) == 0


@pytest.mark.parametrize(
    "volatility", [replace(VOLATILITY, accumulator=2**100), replace(VOLATILITY, bin_step_q64=0)]
)
def test_a_dynamic_fee_that_cannot_be_computed_is_refused(volatility: Volatility) -> None:
    with pytest.raises(Rejected, match="bad_pool"):
        compute_dynamic_rate(volatility)


@pytest.mark.parametrize(
    ("now", "reference", "accumulator"),
    [
        # Within the filter period the old references stay: 2 · 100 bins from them.
        (1_009, 20_000, 350_000),
        # In the decay period half of the accumulator is the new reference, and the price too.
        (1_010, 50_000, 50_000),
        (1_119, 50_000, 50_000),
        # After it, both are 0.
        (1_120, 0, 0),
        # A clock that runs behind counts as no elapsed time.
        (900, 20_000, 350_000),
    ],
)
def test_volatility_decays_with_time(now: int, reference: int, accumulator: int) -> None:
    price = Q64 + Q64 // 100 + 100
    after = update_volatility(VOLATILITY, price, price, now)
    assert (after.reference, after.accumulator) == (reference, accumulator)
    assert after.last_update == 1_000


def test_volatility_grows_with_the_distance_that_the_price_moved() -> None:
    after = update_volatility(VOLATILITY, Q64, Q64 + Q64 // 1_000 + 100, 1_200)
    assert after.accumulator == 2 * 10 * 10_000
    assert after.sqrt_price_reference == Q64
    assert after.last_update == 1_200
    assert (
        update_volatility(replace(VOLATILITY, is_on=0), Q64, 2 * Q64, 1_200).accumulator == 100_000
    )


@pytest.mark.parametrize("reference", [0, 1])
def test_a_distance_that_cannot_be_computed_is_refused(reference: int) -> None:
    with pytest.raises(Rejected, match="amount_too_large"):
        update_volatility(VOLATILITY, reference, 2**127, 1_200)


@given(st.integers(0, U64_MAX), st.integers(0, 100), st.integers(0, 10_000))
def test_shares_add_up_to_the_fee(fee: int, percent: int, bps: int) -> None:
    shares = split_fee(fee, percent, bps)
    assert shares.claiming + shares.compounding + shares.protocol == fee
    assert min(shares.claiming, shares.compounding, shares.protocol) >= 0

"""The rate of calls: it falls with each refusal and recovers slowly, and pauses are bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.rpc.call_rate import (
    DECREASE,
    PAUSE_MAX_S,
    PAUSE_MIN_S,
    RATE_MIN,
    RECOVERY_MAX_S,
    RECOVERY_MIN_S,
    RECOVERY_PAUSES,
    UNASKED_PAUSE_MAX_S,
    CallRate,
)


def make_busy(rate: CallRate, calls_per_s: int, seconds: int) -> float:
    """Send evenly for some seconds; returns the time at the end."""
    for n in range(calls_per_s * seconds):
        rate.count(1, n / calls_per_s)
    return float(seconds)


def test_without_refusals_nothing_is_limited() -> None:
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 100, 25)
    assert not rate.is_limiting(now)
    assert rate.get_wait_s(now) == 0


def test_a_refusal_lowers_the_rate_to_a_part_of_what_led_to_it() -> None:
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 100, 15)
    rate.refuse(None, now, now)
    assert rate.get_limit(now) == pytest.approx(100 * DECREASE, rel=0.1)


def test_a_burst_counts_over_as_many_seconds_as_the_pause_asked_for() -> None:
    """100 calls in 10 s, used up within 2 s: the rest of the 10 s is a pause."""
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 50, 2)
    rate.refuse(8, now, now)
    assert rate.get_limit(now) < 100 / 10


def test_a_node_that_refuses_the_first_calls_after_a_pause_is_busy_whatever_their_rate() -> None:
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 100, 15)
    rate.refuse(1, now, now)
    limit = rate.get_limit(now)
    for _ in range(10):
        now += 1.01
        rate.count(2, now)
        rate.refuse(1, now, now)
    assert rate.get_limit(now) >= limit


def test_a_node_that_refuses_few_calls_limits_no_rate() -> None:
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 2, 3)
    rate.refuse(1, now, now)
    assert rate.get_pause_s(now) == 1
    assert rate.get_limit(now) == 0


def test_calls_of_long_ago_do_not_count() -> None:
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 100, 3) + 1_000
    rate.count(1, now)
    rate.refuse(10, now, now)
    assert rate.get_limit(now) == RATE_MIN


def test_refusals_of_calls_on_their_way_together_are_one() -> None:
    rate = CallRate(0, 0.0)
    now = make_busy(rate, 100, 15)
    assert rate.refuse(None, now - 0.2, now)
    limit, pause_s = rate.get_limit(now), rate.get_pause_s(now)
    assert not any(rate.refuse(None, now - 0.1, now) for _ in range(30))
    assert (rate.get_limit(now), rate.get_pause_s(now)) == (limit, pause_s)


def test_pauses_double_until_a_call_passes() -> None:
    rate, now = CallRate(0, 0.0), 0.0
    pauses = []
    for _ in range(12):
        rate.refuse(None, now, now)
        pauses.append(rate.get_pause_s(now))
        now += pauses[-1] + 0.001
    assert pauses[:3] == pytest.approx([PAUSE_MIN_S, 2 * PAUSE_MIN_S, 4 * PAUSE_MIN_S])
    assert pauses[-1] == pytest.approx(UNASKED_PAUSE_MAX_S)

    rate.succeed(now)
    rate.refuse(None, now, now)
    assert rate.get_pause_s(now) == pytest.approx(PAUSE_MIN_S)


@pytest.mark.parametrize("pause_s", [0.5, 3, 60])
def test_a_rate_rises_by_equal_steps_until_it_limits_nothing(pause_s: float) -> None:
    rate = CallRate(0, 0.0)
    start = make_busy(rate, 100, 15)
    rate.refuse(pause_s, start, start)
    recovery_s = min(max(RECOVERY_PAUSES * pause_s, RECOVERY_MIN_S), RECOVERY_MAX_S)
    limits = [rate.get_limit(start + second) for second in range(int(recovery_s))]
    steps = {round(b - a, 6) for a, b in pairwise(limits)}
    assert len(steps) == 1
    assert steps.pop() == pytest.approx(100 / recovery_s, rel=0.1)
    assert rate.get_limit(start + 2 * recovery_s) == 0


def test_a_configured_rate_is_never_exceeded_by_a_learned_one() -> None:
    rate = CallRate(20, 0.0)
    now = make_busy(rate, 20, 15)
    rate.refuse(None, now, now)
    assert rate.get_limit(now) <= 20 * DECREASE
    assert all(0 < rate.get_limit(now + second) <= 20 for second in range(300))


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.none() | st.floats(0, 1e9), st.booleans()), max_size=30
    )
)
def test_whatever_a_node_answers_calls_go_on(
    refusals: list[tuple[float, float | None, bool]],
) -> None:
    rate, now = CallRate(0, 0.0), 0.0
    for gap_s, wait_s, is_of_rate in refusals:
        now += gap_s
        rate.count(1, now)
        rate.refuse(wait_s, now, now, is_of_rate=is_of_rate)
        assert 0 <= rate.get_pause_s(now) <= PAUSE_MAX_S + 1e-6
        assert rate.get_limit(now) == 0 or rate.get_limit(now) >= RATE_MIN

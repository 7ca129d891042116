"""The size of arrays: found by bisection, remembered, and tried again after growing times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.rpc.array_sizes import DOUBTS_MAX, TRIAL_WAIT_MAX_S, TRIAL_WAIT_MIN_S, ArraySize

SIZE_MAX = 28


def ask(size: ArraySize, limit: int, now: float, count: int = SIZE_MAX) -> int:
    """Send one array to a node that takes ``limit``; returns its size."""
    chosen = size.choose(count, now)
    if chosen <= limit:
        size.accept(chosen, now)
    else:
        size.refuse(chosen, now)
    return chosen


@given(limit=st.integers(1, SIZE_MAX))
def test_the_size_that_a_node_takes_is_found(limit: int) -> None:
    size = ArraySize(SIZE_MAX)
    sent = [ask(size, limit, 10_000.0 * n) for n in range(20)]

    assert size.taken == limit
    assert sum(each > limit for each in sent[:6]) <= 5  # halving finds one that passes
    assert size.is_largest == (limit == SIZE_MAX)


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_a_larger_array_is_tried_ever_more_rarely(limit: int) -> None:
    size = ArraySize(SIZE_MAX)
    trials = [second for second in range(20_000) if ask(size, limit, float(second)) > limit]

    waits = [later - earlier for earlier, later in pairwise(trials[-8:])]
    assert waits == sorted(waits)
    assert waits[-1] == TRIAL_WAIT_MAX_S


def test_a_node_that_takes_arrays_again_gets_the_largest_soon() -> None:
    size = ArraySize(SIZE_MAX)
    for second in range(100):
        ask(size, 1, float(second))
    sent = [ask(size, SIZE_MAX, 1_000.0 + n * TRIAL_WAIT_MIN_S) for n in range(12)]

    assert sent[-1] == SIZE_MAX
    assert size.is_largest


def test_a_small_array_is_sent_whole_whatever_is_known_of_large_ones() -> None:
    size = ArraySize(SIZE_MAX)
    while size.taken != 7:
        ask(size, 7, 0.0)
    assert size.choose(5, 0.0) == 5


def test_arrays_without_proper_answers_become_smaller_and_one_alone_does_not() -> None:
    size = ArraySize(SIZE_MAX)
    for _ in range(DOUBTS_MAX - 1):
        size.doubt(SIZE_MAX, 0.0)
    size.accept(SIZE_MAX, 0.0)
    assert size.is_largest

    for _ in range(DOUBTS_MAX):
        size.doubt(SIZE_MAX, 0.0)
    assert size.taken == SIZE_MAX // 2

"""TWAP slices: they add up to the base unit, keep their distance, and can be derived again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.prices import PriceRatio
from backend.domain.slices import (
    JITTER_MAX_BPS,
    PlacedSlice,
    SliceOutcome,
    SlicePlan,
    compute_progress,
    derive_client_order_id,
    plan_next_slice,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@st.composite
def plans(draw: st.DrawFn) -> SlicePlan:
    count = draw(st.integers(1, 40))
    amount = draw(st.integers(count, 2**64 - 1) | st.integers(count, 3 * count))
    jitter = draw(st.integers(0, JITTER_MAX_BPS))
    return SlicePlan(amount, count, MINUTE, START, draw(st.binary(max_size=16)), jitter)


def place_all(
    plan: SlicePlan, outcomes: list[SliceOutcome], delays: list[timedelta] | None = None
) -> list[PlacedSlice]:
    placed: list[PlacedSlice] = []
    now = START
    while (following := plan_next_slice(plan, placed)) is not None:
        i = following.index
        now = max(now, following.due_at) + (delays[i % len(delays)] if delays else timedelta(0))
        outcome = outcomes[i % len(outcomes)]
        placed.append(PlacedSlice(i, following.amount_in, now, outcome, 2 * following.amount_in))
    return placed


@given(plans())
def test_slices_add_up_to_the_base_unit(plan: SlicePlan) -> None:
    placed = place_all(plan, [SliceOutcome.FILLED])
    assert len(placed) == plan.slices
    assert min(each.amount_in for each in placed) >= 1
    assert sum(each.amount_in for each in placed) == plan.amount
    progress = compute_progress(plan, placed)
    assert (progress.filled_amount_in, progress.leaves_amount_in) == (plan.amount, 0)
    assert progress.average_price == PriceRatio(2, 1)


@given(plans(), st.lists(st.sampled_from([SliceOutcome.FILLED, SliceOutcome.UNFILLED]), min_size=1))
def test_what_a_slice_leaves_is_spread_over_the_rest(
    plan: SlicePlan, outcomes: list[SliceOutcome]
) -> None:
    placed = place_all(plan, outcomes)
    progress = compute_progress(plan, placed)
    assert progress.filled_amount_in + progress.leaves_amount_in == plan.amount
    assert len(placed) <= plan.slices + 1
    if placed[-1].outcome is SliceOutcome.FILLED:
        assert progress.leaves_amount_in == 0
    else:
        assert len(placed) == plan.slices + 1
        assert progress.leaves_amount_in == placed[-1].amount_in


@given(plans(), st.integers(0, 39))
def test_a_slice_is_derived_from_what_was_placed(plan: SlicePlan, count: int) -> None:
    placed = place_all(plan, [SliceOutcome.OPEN])[:count]
    assert plan_next_slice(plan, placed) == plan_next_slice(plan, list(placed))


def test_without_jitter_slices_are_even_and_regular() -> None:
    placed = place_all(SlicePlan(100, 8, MINUTE, START), [SliceOutcome.FILLED])
    assert [each.amount_in for each in placed] == [12, 12, 12, 12, 13, 13, 13, 13]
    assert [each.placed_at for each in placed] == [START + i * MINUTE for i in range(8)]


@given(plans())
def test_jitter_keeps_the_order_and_stays_within_its_bounds(plan: SlicePlan) -> None:
    placed = place_all(plan, [SliceOutcome.FILLED])
    for each in placed:
        offset = each.placed_at - START - each.index * MINUTE
        assert timedelta(0) <= offset <= MINUTE * plan.jitter_bps / 10_000


def test_after_a_late_slice_the_rest_keep_their_distance() -> None:
    plan = SlicePlan(100, 4, MINUTE, START)
    late = timedelta(minutes=10)
    placed = place_all(plan, [SliceOutcome.FILLED], [timedelta(0), late, timedelta(0)])
    offsets = [each.placed_at - START for each in placed]
    assert offsets == [timedelta(0), MINUTE + late, 2 * MINUTE + late, 3 * MINUTE + late]


def test_small_delays_do_not_add_up() -> None:
    delay = timedelta(milliseconds=200)
    placed = place_all(SlicePlan(100, 30, MINUTE, START), [SliceOutcome.FILLED], [delay])
    assert placed[-1].placed_at == START + 29 * MINUTE + delay


def test_a_slice_has_a_client_order_id_of_its_own() -> None:
    ids = {derive_client_order_id(UUID(int=parent), i) for parent in (1, 2) for i in range(99)}
    assert len(ids) == 198
    assert max(map(len, ids)) <= 64

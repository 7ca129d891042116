"""TWAP slices: they add up to the base unit, keep their distance, and can be derived again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from backend.domain.prices import PriceRatio
from backend.domain.waiting.slices import (
    JITTER_MAX_BPS,
    SlicePlan,
    SliceProgress,
    SliceSchedule,
    compute_gap,
    compute_offset,
    derive_client_order_id,
    derive_slice_id,
    has_ended,
    plan_next_slice,
)

MINUTE = timedelta(minutes=1)


@st.composite
def plans(draw: st.DrawFn) -> SlicePlan:
    count = draw(st.integers(2, 40))
    amount = draw(st.integers(count, 2**64 - 1) | st.integers(count, 3 * count))
    jitter = draw(st.integers(0, JITTER_MAX_BPS))
    return SlicePlan(SliceSchedule(count, 60, jitter), amount, draw(st.binary(max_size=16)))


def place(progress: SliceProgress, amount: int) -> SliceProgress:
    return replace(
        progress,
        placed=progress.placed + 1,
        open_amount_in=progress.open_amount_in + amount,
    )


def end(progress: SliceProgress, amount: int, *, is_filled: bool) -> SliceProgress:
    filled = amount if is_filled else 0
    return replace(
        progress,
        open_amount_in=progress.open_amount_in - amount,
        filled_amount_in=progress.filled_amount_in + filled,
        valued_amount_in=progress.valued_amount_in + filled,
        amount_out=progress.amount_out + 2 * filled,
    )


def execute(plan: SlicePlan, fills: list[bool], overlap: int) -> tuple[list[int], SliceProgress]:
    """The amounts of all slices and the end, with up to ``overlap`` of them open at once."""
    progress, amounts = SliceProgress(), list[int]()
    under_way: list[tuple[int, bool]] = []
    while not has_ended(plan, progress):
        amount = plan_next_slice(plan, progress)
        if amount is not None and len(under_way) < overlap:
            under_way.append((amount, fills[len(amounts) % len(fills)]))
            amounts.append(amount)
            progress = place(progress, amount)
        else:
            first, is_filled = under_way.pop(0)
            progress = end(progress, first, is_filled=is_filled)
    assert not under_way
    return amounts, progress


@given(plans(), st.integers(1, 50))
def test_slices_add_up_to_the_base_unit(plan: SlicePlan, overlap: int) -> None:
    amounts, progress = execute(plan, [True], overlap)
    assert len(amounts) == plan.schedule.slices
    assert min(amounts) >= 1
    assert sum(amounts) == plan.amount == progress.filled_amount_in
    assert progress.average_price == PriceRatio(2, 1)


@given(plans(), st.lists(st.booleans(), min_size=1), st.integers(1, 50))
def test_what_a_slice_leaves_goes_to_the_rest(
    plan: SlicePlan, fills: list[bool], overlap: int
) -> None:
    """Never is more under way than is left, and all is tried at least once."""
    amounts, progress = execute(plan, fills, overlap)
    slices = plan.schedule.slices
    assert len(amounts) <= slices + 1
    assert min(amounts) >= 1
    assert progress.filled_amount_in <= plan.amount
    if progress.filled_amount_in < plan.amount:
        assert len(amounts) == slices + 1
        assert plan.amount - progress.filled_amount_in == amounts[-1]


def test_without_jitter_slices_are_even_and_regular() -> None:
    plan = SlicePlan(SliceSchedule(8, 60), 100, b"")
    amounts, _ = execute(plan, [True], 1)
    assert amounts == [12, 12, 12, 12, 13, 13, 13, 13]
    assert [compute_offset(plan, i) for i in range(9)] == [i * MINUTE for i in range(9)]


@given(plans(), st.integers(0, 40))
def test_jitter_stays_within_its_bounds(plan: SlicePlan, index: int) -> None:
    jitter = MINUTE * plan.schedule.jitter_bps / 10_000
    assert timedelta(0) <= compute_offset(plan, index) - index * MINUTE <= jitter
    assert MINUTE - jitter <= compute_gap(plan, index) <= MINUTE + jitter
    assert compute_gap(plan, index) < plan.schedule.ahead_max


def test_a_slice_has_ids_of_its_own_that_sort_by_time() -> None:
    parents, now = [UUID(int=1), UUID(int=2)], datetime(2026, 1, 1, tzinfo=UTC)
    keys = [(parent, index) for parent in parents for index in range(99)]
    names = {derive_client_order_id(*key) for key in keys}
    assert len(names) == len(keys)
    assert max(map(len, names)) <= 64
    ids = [derive_slice_id(*key, now + key[1] * MINUTE) for key in keys]
    assert len(set(ids)) == len(keys)
    assert ids[:99] == sorted(ids[:99])
    assert {(each.version, each.variant) for each in ids} == {(8, "specified in RFC 4122")}
    assert derive_slice_id(*keys[5], now + 5 * MINUTE) == ids[5]

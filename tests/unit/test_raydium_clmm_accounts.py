"""Raydium CLMM: its ticks, bitmaps and tick arrays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues import CLMM
from backend.venues.bit_line import BitLine
from backend.venues.raydium.clmm.accounts import (
    make_array_line,
    read_array_line,
    write_array_line,
)
from backend.venues.raydium.clmm.tick_array import Tick, create_tick_array, read_tick_array
from backend.venues.raydium.clmm.tick_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    compute_sqrt_price,
    compute_tick,
)

ticks = st.integers(MIN_TICK, MAX_TICK)
array_indexes = st.lists(st.integers(-7_680, 7_679), max_size=20)


def test_the_bounds_of_the_price_are_those_of_the_program() -> None:
    assert compute_sqrt_price(MIN_TICK) == MIN_SQRT_PRICE
    assert compute_sqrt_price(MAX_TICK) == MAX_SQRT_PRICE
    assert compute_sqrt_price(0) == 2**64
    assert compute_tick(MAX_SQRT_PRICE - 1) == MAX_TICK - 1


@given(ticks.filter(lambda tick: tick < MAX_TICK), st.integers(0, 2**64 - 1))
def test_a_price_belongs_to_the_tick_below_it(tick: int, part: int) -> None:
    low, high = compute_sqrt_price(tick), compute_sqrt_price(tick + 1)
    assert low < high
    assert compute_tick(low) == tick
    assert compute_tick(low + (high - 1 - low) * part // 2**64) == tick


@given(array_indexes)
def test_a_line_of_arrays_survives_its_two_bitmaps(indexes: list[int]) -> None:
    pool = Pubkey.new_unique()
    line = make_array_line(indexes, with_extension=True)
    own, extension = write_array_line(pool, line)
    assert own < 2**1024
    assert read_array_line(pool, own, extension) == line
    assert all(line.has(index) for index in indexes)
    near = read_array_line(pool, own, None)
    assert near.list_next(-512, 1_024, upwards=True) == sorted(
        {index for index in indexes if -512 <= index < 512}
    )
    with pytest.raises(Rejected, match="bad_pool"):
        read_array_line(Pubkey.new_unique(), own, extension)


@pytest.mark.parametrize(
    ("index", "offset", "bit"),
    [
        (512, 40, 0),
        (1_023, 40, 511),
        (1_024, 104, 0),
        (-513, 936, 511),
        (-1_024, 936, 0),
        (-1_025, 1000, 511),
    ],
)
def test_a_bit_of_the_extension_lies_where_the_program_has_it(
    index: int, offset: int, bit: int
) -> None:
    _, extension = write_array_line(
        Pubkey.new_unique(), make_array_line([index], with_extension=True)
    )
    assert extension is not None
    block = int.from_bytes(extension[offset : offset + 64], "little")
    assert block == 1 << bit


@given(st.sets(st.integers(-50, 50)), st.integers(-60, 60))
def test_the_next_bit_is_the_nearest(indexes: set[int], start: int) -> None:
    line = BitLine(sum(1 << index + 50 for index in indexes), -50)
    above = [index for index in indexes if index >= start]
    below = [index for index in indexes if index <= start]
    assert line.find_next(start, upwards=True) == min(above, default=None)
    assert line.find_next(start, upwards=False) == max(below, default=None)
    assert line.has(start) == (start in indexes)


@given(st.sets(st.integers(0, 59)), st.sampled_from([1, 10, 60]), st.integers(-100, 100))
def test_a_tick_array_survives_encoding(numbers: set[int], spacing: int, index: int) -> None:
    pool, start = Pubkey.new_unique(), index * 60 * spacing
    ticks = [
        Tick(start + n * spacing, -n - 1, 2**100 + n, n, 2 * n, 7, 3 * n, n, 2**64)
        for n in sorted(numbers)
    ]
    array = create_tick_array(CLMM.program, pool, start, spacing, ticks)
    assert list(array.ticks) == ticks
    assert array.account.data[44 + 168 * 60] == len(numbers)
    assert read_tick_array(CLMM.program, pool, start, spacing, array.account) == array
    emptied = array.with_ticks([Tick(tick.tick) for tick in ticks])
    assert emptied.ticks == ()
    for stranger in (Pubkey.new_unique(), pool):
        with pytest.raises(Rejected, match="bad_pool"):
            read_tick_array(
                CLMM.program, stranger, start + (stranger == pool), spacing, array.account
            )

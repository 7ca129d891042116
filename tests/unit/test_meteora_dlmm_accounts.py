"""Meteora DLMM: its prices, bitmaps and bin arrays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues import DLMM
from backend.venues.meteora.dlmm.accounts import (
    make_array_line,
    read_array_line,
    write_array_line,
)
from backend.venues.meteora.dlmm.bin_array import Bin, create_bin_array, read_bin_array
from backend.venues.meteora.dlmm.bin_math import Q64, compute_bin_price, find_bin

array_indexes = st.lists(st.integers(-6_656, 6_655), max_size=20)


@given(st.integers(-40_000, 40_000), st.sampled_from([1, 10, 20, 100]))
def test_prices_rise_by_the_step_from_bin_to_bin(bin_id: int, step: int) -> None:
    bin_id = bin_id * 10 // (10 + step)
    price, above = (compute_bin_price(n, step) for n in (bin_id, bin_id + 1))
    if 10**6 < price < 2**100:
        assert abs(above * 10_000 - price * (10_000 + step)) <= 10**4 * (price // 2**29 + 10_100)
        assert find_bin(price, step, bin_id - 300, bin_id + 300) == bin_id
    assert compute_bin_price(0, step) == Q64
    assert compute_bin_price(2**19, step) == 0


@given(array_indexes)
def test_a_line_of_arrays_survives_its_two_bitmaps(indexes: list[int]) -> None:
    pool = Pubkey.new_unique()
    line = make_array_line(indexes, with_extension=True)
    own, extension = write_array_line(pool, line)
    assert own < 2**1024
    assert read_array_line(pool, own, extension) == line
    assert all(line.has(index) for index in indexes)
    with pytest.raises(Rejected, match="bad_pool"):
        read_array_line(Pubkey.new_unique(), own, extension)


@pytest.mark.parametrize(
    ("index", "offset", "bit"),
    [(512, 40, 0), (1_023, 40, 511), (1_024, 104, 0), (-513, 808, 0), (-1_024, 808, 511)],
)
def test_a_bit_of_the_extension_lies_where_the_program_has_it(
    index: int, offset: int, bit: int
) -> None:
    line = make_array_line([index], with_extension=True)
    _, extension = write_array_line(Pubkey.new_unique(), line)
    assert extension is not None
    assert int.from_bytes(extension[offset : offset + 64], "little") == 1 << bit


@given(st.dictionaries(st.integers(0, 69), st.integers(1, 2**60)), st.integers(-100, 100))
def test_a_bin_array_survives_encoding(amounts: dict[int, int], index: int) -> None:
    pool = Pubkey.new_unique()
    bins = {
        index * 70 + n: Bin(
            amount, 1, amount << 66, amount, open_orders=n, processing_left=7, ask_side=n % 2
        )
        for n, amount in amounts.items()
    }
    array = create_bin_array(DLMM.program, pool, index, bins)
    assert read_bin_array(DLMM.program, pool, index, array.account) == array
    assert all(array.get_bin(bin_id) == each for bin_id, each in bins.items())
    for n in range(array.first, array.first + 70):
        depth, whole = array.get_depth(n), array.get_bin(n)
        assert all(getattr(depth, name) == getattr(whole, name) for name in depth._fields)
        assert depth.has_output(swap_for_y=True, with_orders=True) == (n in bins)
    for stranger, other in ((Pubkey.new_unique(), index), (pool, index + 1)):
        with pytest.raises(Rejected, match="bad_pool"):
            read_bin_array(DLMM.program, stranger, other, array.account)

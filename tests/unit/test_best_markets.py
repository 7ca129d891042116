"""The best price since an order's acceptance: exact while prices are few, and never made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backend.triggers.best_markets import READS_MAX, BestMarkets, PoolRead, find_best_price
from backend.triggers.peak_codec import decode_reads, encode_reads
from backend.triggers.pool_market import DirectedPool
from backend.venues import MAINNET_VENUES
from tests.pools import SOL, make_cpmm_pool

AMOUNTS = (10**7, 10**9, 10**12)
"""A hundredth of a SOL, one, and a thousand."""


def build_read(slot: int, usdc: int) -> PoolRead:
    """A pool that holds so many USDC for 50,000 SOL, read a second a slot."""
    pool = replace(make_cpmm_pool(reserve1=usdc * 10**6), slot=slot)
    return PoolRead(DirectedPool(pool, SOL), float(slot))


def observe(reads: Sequence[PoolRead], amounts: Sequence[int] = AMOUNTS) -> BestMarkets:
    best = BestMarkets()
    for amount in amounts:
        best.include_amount(amount)
    for each in reads:
        best.add([each.pool], each.at)
    return best


@given(
    st.lists(st.integers(1_000_000, 9_000_000), min_size=1, max_size=READS_MAX),
    st.integers(0, READS_MAX),
    st.sampled_from(AMOUNTS),
)
def test_of_few_reads_the_best_price_is_exact(prices: list[int], since: int, amount: int) -> None:
    reads = [build_read(slot, usdc) for slot, usdc in enumerate(prices)]
    kept = observe(reads).reads
    assert find_best_price(amount, kept, since) == find_best_price(amount, reads, since)


@given(
    st.lists(st.integers(1_000_000, 9_000_000), min_size=1, max_size=60),
    st.integers(0, 60),
    st.sampled_from(AMOUNTS),
)
def test_of_many_reads_no_price_is_made_up_and_the_best_of_all_is_kept(
    prices: list[int], since: int, amount: int
) -> None:
    reads = [build_read(slot, usdc) for slot, usdc in enumerate(prices)]
    kept = observe(reads).reads
    assert len(kept) <= READS_MAX
    assert find_best_price(amount, kept, 0) == find_best_price(amount, reads, 0)
    told, true = (find_best_price(amount, each, since) for each in (kept, reads))
    assert told is None or (true is not None and told <= true)
    assert (told is None) == (true is None)


def test_while_a_price_falls_the_older_reads_are_the_fewer() -> None:
    reads = [build_read(slot, 9_000_000 - slot) for slot in range(1_000)]
    times = [each.at for each in observe(reads).reads]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert (times[0], times[-1]) == (0.0, 999.0)
    assert gaps[0] > gaps[len(gaps) // 2] > gaps[-1]


def test_what_has_not_changed_is_offered_to_who_comes_later() -> None:
    best = observe([build_read(1, 5_000_000)])
    best.has_changed = False
    best.add([best.reads[0].pool], 50.0)
    assert not best.has_changed
    assert find_best_price(AMOUNTS[1], best.reads, 40.0) is not None


def test_an_amount_that_comes_later_is_judged_by_what_was_read_before() -> None:
    best = observe([build_read(1, 5_000_000)], [10**9])
    best.include_amount(10**12)
    best.add([build_read(2, 4_000_000).pool], 2.0)
    large = find_best_price(10**12, best.reads, 0)
    assert large == find_best_price(10**12, [build_read(1, 5_000_000)], 0)


def test_stored_reads_have_their_times_on_the_clock_of_who_reads_them() -> None:
    best = observe([build_read(1, 5_000_000), build_read(4, 4_000_000)])
    text = encode_reads(best.reads, 10.0)
    assert [each.at for each in decode_reads(text, SOL, MAINNET_VENUES)] == [-9.0, -6.0]
    restored = BestMarkets(decode_reads(text, SOL, MAINNET_VENUES, 100.0))
    assert [each.at for each in restored.reads] == [91.0, 94.0]
    restored.include_amount(AMOUNTS[1])
    restored.add([build_read(5, 6_000_000).pool], 101.0)
    assert [each.at for each in restored.reads] == [101.0]


def test_an_amount_that_no_pool_swaps_has_no_best_price() -> None:
    assert find_best_price(1, [build_read(1, 5_000_000)], 0) is None


def test_a_price_beyond_the_cap_on_the_price_impact_does_not_count() -> None:
    reads = [build_read(1, 5_000_000)]
    amount = 5_000 * 10**9  # a tenth of the pool
    assert find_best_price(amount, reads, 0) is not None
    assert find_best_price(amount, reads, 0, max_price_impact_bps=1) is None
    assert find_best_price(amount, reads, 0, max_price_impact_bps=5_000) is not None

"""Bars: no price that no read has shown, and none of a time without a read."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backend.accounting.bars import MINUTE_S, SECOND_S, PriceSample, build_bars
from backend.accounting.pairs import PairName

PAIRS = (PairName("SOL", "USDC"), PairName("BONK", "SOL"))
SAMPLES = st.lists(
    st.builds(
        PriceSample,
        st.sampled_from(PAIRS),
        st.floats(1_000_000_000, 1_000_000_200),
        st.decimals(min_value=Decimal("1e-12"), max_value=10**12, places=12),
        st.integers(0, 1_000),
    ),
    max_size=60,
).map(lambda samples: sorted(samples, key=lambda sample: sample.at))


@given(SAMPLES, st.sampled_from((SECOND_S, MINUTE_S)))
def test_a_bar_is_of_the_samples_of_its_time(samples: list[PriceSample], length_s: int) -> None:
    bars = build_bars(samples, length_s)
    shown: dict[tuple[PairName, int], list[PriceSample]] = {}
    for sample in samples:
        start = int(sample.at) - int(sample.at) % length_s
        shown.setdefault((sample.pair, start), []).append(sample)
    assert bars.keys() == shown.keys()
    for key, bar in bars.items():
        prices = [sample.price for sample in shown[key]]
        assert (bar.open, bar.close) == (prices[0], prices[-1])
        assert (bar.high, bar.low) == (max(prices), min(prices))
        assert bar.start <= shown[key][0].at <= shown[key][-1].at < bar.start + length_s
        assert bar.slot == shown[key][-1].slot

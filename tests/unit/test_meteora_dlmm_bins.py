"""Invariants of Meteora DLMM's swaps, for any bins, fee and amount."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.meteora.dlmm.bin_array import Bin, BinDepth
from backend.venues.meteora.dlmm.bin_math import Q64, compute_bin_price
from backend.venues.meteora.dlmm.fees import FeeTerms, Volatility
from backend.venues.meteora.dlmm.fills import change_bin
from backend.venues.meteora.dlmm.swap import BinSwap, PairTerms, SwapStage, swap_exact_in
from tests.pools import NOW
from tests.strategies import magnitudes

amounts = magnitudes(1, 2**56)


def get_depth(source: Bin) -> BinDepth:
    return BinDepth(*(getattr(source, name) for name in BinDepth._fields))


class ListedBins:
    """Bins of a pair, all of them known."""

    position = None

    def __init__(self, bins: dict[int, Bin]) -> None:
        self.bins = bins

    def find_next(
        self, bin_id: int, *, swap_for_y: bool, with_orders: bool
    ) -> tuple[int, BinDepth]:
        """The first one from ``bin_id`` on that pays something."""
        paying = [
            n
            for n, each in self.bins.items()
            if get_depth(each).has_output(swap_for_y=swap_for_y, with_orders=with_orders)
            and (n <= bin_id if swap_for_y else n >= bin_id)
        ]
        if not paying:
            raise Rejected("no_liquidity", "there are no more bins")
        found = max(paying) if swap_for_y else min(paying)
        return found, get_depth(self.bins[found])


class Market(NamedTuple):
    """A pair's bins and terms."""

    bins: dict[int, Bin]
    terms: PairTerms

    def swap(
        self, amount: int, *, swap_for_y: bool, stages: list[SwapStage] | None = None
    ) -> BinSwap | None:
        """The swap, or nothing if the bins do not suffice."""
        terms, source, now = self.terms, ListedBins(self.bins), NOW.unix_time
        try:
            return swap_exact_in(
                terms, source, amount, swap_for_y=swap_for_y, now=now, stages=stages
            )
        except Rejected:
            return None

    def after(self, swap: BinSwap, *, swap_for_y: bool) -> Market:
        """The pair after a swap."""
        fees = self.terms.fees
        is_on_input, splits = fees.is_on_input(swap_for_y=swap_for_y), swap.split_fees(fees)
        changed = {
            n: change_bin(
                self.bins[n], fill, splits[n], swap_for_y=swap_for_y, is_fee_on_input=is_on_input
            )
            for n, fill in swap.fills.items()
        }
        terms = replace(self.terms, active_id=swap.active_id, volatility=swap.volatility)
        return Market({**self.bins, **changed}, terms)


def draw_amount(random: Random, bits: int) -> int:
    """An amount of any number of bits, which is 0 in one case of four."""
    return random.getrandbits(random.randint(1, bits)) if random.randint(0, 3) else 0


@st.composite
def markets(draw: st.DrawFn) -> Market:
    step, active_id = draw(st.sampled_from([1, 10, 100])), draw(st.integers(-500, 500))
    # Drawn from a seed: bins are many, and each has four amounts.
    random = Random(draw(st.integers(0, 2**32)))
    bins = {}
    for n in range(active_id - 6, active_id + 7):
        held, both = draw_amount(random, 50), draw_amount(random, 50)
        bins[n] = Bin(
            amount_x=held if n > active_id else both if n == active_id else 0,
            amount_y=held if n <= active_id else 0,
            price=compute_bin_price(n, step),
            liquidity_supply=held << 64,
            open_orders=draw_amount(random, 40),
            processing_left=draw_amount(random, 40),
            ask_side=int(n > active_id),
        )
    volatility = Volatility(
        filter_period=30,
        decay_period=600,
        reduction=5_000,
        control=draw(st.integers(0, 100_000)),
        max_accumulator=350_000,
        accumulator=draw(st.integers(0, 350_000)),
        reference=draw(st.integers(0, 350_000)),
        index_reference=active_id + draw(st.integers(-20, 20)),
        last_update=NOW.unix_time - draw(st.integers(0, 700)),
    )
    base_e9 = draw(st.sampled_from([100_000, 2_000_000, 50_000_000]))
    fees = FeeTerms(base_e9, step, draw(st.integers(0, 2_500)), is_on_y=draw(st.booleans()))
    return Market(bins, PairTerms(active_id, fees, volatility, draw(st.booleans())))


def total(bins: dict[int, Bin]) -> tuple[int, int]:
    """All that liquidity providers and the orders that are not filled hold."""
    x = sum(b.amount_x + (b.open_orders + b.processing_left) * b.ask_side for b in bins.values())
    y = sum(
        b.amount_y + (b.open_orders + b.processing_left) * (1 - b.ask_side) for b in bins.values()
    )
    return x, y


@given(markets(), amounts, st.booleans())
def test_nothing_is_paid_above_the_price_of_the_first_bin(
    market: Market, amount: int, swap_for_y: bool
) -> None:
    swap = market.swap(amount, swap_for_y=swap_for_y)
    assume(swap is not None)
    assert swap is not None
    price = Fraction(swap.first_price, Q64)
    fair = amount * price if swap_for_y else amount / price
    least_e9 = market.terms.fees.base_e9
    assert swap.amount_out <= fair * (E9 - least_e9) / E9
    assert least_e9 <= swap.rate_e9 <= 100_000_000


@given(markets(), amounts, st.booleans())
def test_what_is_paid_is_what_the_bins_lose(market: Market, amount: int, swap_for_y: bool) -> None:
    swap = market.swap(amount, swap_for_y=swap_for_y)
    assume(swap is not None)
    assert swap is not None
    before = total(market.bins)
    after = total(market.after(swap, swap_for_y=swap_for_y).bins)
    is_on_input = market.terms.fees.is_on_input(swap_for_y=swap_for_y)
    out = 1 if swap_for_y else 0
    assert before[out] - after[out] == swap.amount_out + (0 if is_on_input else swap.fee)
    # What came in is the bins', the fee, or the orders' that were filled.
    gained = after[1 - out] - before[1 - out]
    assert 0 <= gained <= amount - (swap.fee if is_on_input else 0)
    for n, split in swap.split_fees(market.terms.fees).items():
        # An amount that the fee takes whole trades nothing, and the fee stays in the vault.
        assert sum(split) == (swap.fills[n].fee if swap.fills[n].net_in else 0)
        assert min(split) >= 0


@given(markets(), amounts, amounts, st.booleans())
def test_more_in_never_gives_less_out(
    market: Market, one: int, another: int, swap_for_y: bool
) -> None:
    smaller, larger = (market.swap(a, swap_for_y=swap_for_y) for a in sorted((one, another)))
    assume(larger is not None)
    assert smaller is not None
    assert larger is not None
    assert smaller.amount_out <= larger.amount_out


@given(markets(), amounts, st.booleans())
def test_there_and_back_never_profits(market: Market, amount: int, swap_for_y: bool) -> None:
    there = market.swap(amount, swap_for_y=swap_for_y)
    assume(there is not None)
    assert there is not None
    assume(there.amount_out)
    back = market.after(there, swap_for_y=swap_for_y).swap(
        there.amount_out, swap_for_y=not swap_for_y
    )
    assume(back is not None)
    assert back is not None
    assert back.amount_out <= amount


@given(markets(), st.lists(amounts, min_size=1, max_size=12), st.booleans(), st.integers(-3, 9))
def test_a_swap_that_goes_on_from_others_is_the_same(
    market: Market, sizes: list[int], swap_for_y: bool, beyond: int
) -> None:
    stages: list[SwapStage] = []
    for size in sizes:
        market.swap(size, swap_for_y=swap_for_y, stages=stages)
    # Amounts about the ends of bins are those that rounding decides.
    ends = [max(stage.amount_in + beyond, 1) for stage in stages]
    for size in (*sizes, *ends):
        whole = market.swap(size, swap_for_y=swap_for_y)
        resumed = market.swap(size, swap_for_y=swap_for_y, stages=stages)
        if whole is None or resumed is None:
            assert whole is resumed
        else:
            assert replace(resumed, fills={}) == replace(whole, fills={})
    assert stages == sorted(stages, key=lambda stage: stage.amount_in)

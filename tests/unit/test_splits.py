"""Splits of orders over several pools: what they promise, beside a search by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.domain.quotes import Quote
from backend.routing.splits.pool_curves import PoolCurves
from backend.routing.splits.split import Split
from backend.trials.splits.optimum import Optimum
from backend.trials.splits.run import GAP_MAX_BPS, compute_gap_bps, find_violations
from backend.trials.splits.states import SplitCase, draw_case
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM
from backend.venues.meteora.damm_v2.curve import create_full_range
from backend.venues.meteora.dlmm.bin_array import ARRAY_BINS
from backend.venues.raydium.cpmm.pool import CpmmPool
from backend.venues.spl import TransferFee
from backend.venues.venue import AccountsMissing, Pool
from tests.pools import LIMITER, NOW, SOL, USDC, make_damm_pool, make_damm_state

STATES = 60
ONE_SOL = 10**9


def make_cpmm(sol: int, price: float, number: int = 1, fee_e9: int = 2_500_000) -> CpmmPool:
    usdc = int(sol * price)
    pool = CPMM.create_pool(SOL, USDC, sol, usdc, fee_e9=fee_e9)
    return replace(pool.with_clock(NOW), address=Pubkey(bytes([number] * 32)))


def split(case: SplitCase) -> Split | None:
    return PoolCurves(case.pools, case.mint_in).split(
        case.amount_in,
        legs_max=case.legs_max,
        leg_cost=case.leg_cost,
        max_price_impact_bps=case.max_price_impact_bps,
    )


def make_case(pools: Sequence[Pool], amount_in: int, **changes: int | None) -> SplitCase:
    case = SplitCase(tuple(pools), SOL, amount_in, 0.0, 4, 0, None)
    return replace(case, **changes)  # type: ignore[arg-type]


def check(case: SplitCase) -> Split | None:
    """Split, and check all that a split promises."""
    found, optimum = split(case), Optimum(case)
    assert find_violations(case, found, optimum) == []
    if found is not None:
        assert compute_gap_bps(case, found, optimum) <= GAP_MAX_BPS
        assert found == split(case), "the same pools give the same split"
    return found


@pytest.mark.parametrize("seed", range(STATES))
def test_a_split_of_random_pools_is_close_to_the_optimum(seed: int) -> None:
    check(draw_case(Random(f"test {seed}")))


def test_equal_pools_get_equal_parts() -> None:
    found = check(make_case([make_cpmm(10**13, 0.15, n) for n in (1, 2, 3)], 10**12))
    assert found is not None
    parts = [part.quote.amount_in for part in found.parts]
    assert max(parts) - min(parts) <= 2


def test_pools_of_every_program_share_an_order() -> None:
    venues = (CPMM, AMM_V4, CLMM, DAMM_V2, DLMM)
    pools = [
        venue.create_pool(SOL, USDC, 10**13, 15 * 10**11, fee_e9=2_500_000).with_clock(NOW)
        for venue in venues
    ]
    found = check(make_case(pools, 10**12, legs_max=5))
    assert found is not None
    assert {part.quote.program for part in found.parts} == {venue.name for venue in venues}


def test_one_leg_is_the_best_single_pool() -> None:
    pools = [make_cpmm(10**13, 0.15), make_cpmm(10**12, 0.16, 2), make_cpmm(10**14, 0.149, 3)]
    for amount in (10**6, 10**10, 10**12, 10**13):
        found = check(make_case(pools, amount, legs_max=1))
        assert found is not None
        outs = [pool.quote(SOL, amount).amount_out for pool in pools]
        assert found.amount_out == max(outs)


def test_a_leg_that_costs_more_than_it_brings_is_left_out() -> None:
    pools = [make_cpmm(10**13, 0.15), make_cpmm(10**13, 0.15, 2)]
    amount = 10**10
    free = check(make_case(pools, amount))
    assert free is not None
    assert len(free.parts) == 2
    gain = free.amount_out - pools[0].quote(SOL, amount).amount_out
    for cost, legs in ((gain - 1, 2), (gain + 1, 1)):
        found = check(make_case(pools, amount, leg_cost=cost))
        assert found is not None
        assert len(found.parts) == legs


def test_no_part_has_a_price_impact_above_the_cap() -> None:
    pools = [make_cpmm(10**13, 0.15), make_cpmm(10**12, 0.2, 2)]
    amount = 2 * 10**11
    free = check(make_case(pools, amount))
    assert free is not None
    assert not all(part.quote.is_within_impact(200) for part in free.parts)
    capped = check(make_case(pools, amount, max_price_impact_bps=200))
    assert capped is not None
    assert 0 < capped.amount_out < free.amount_out
    assert check(make_case(pools, amount, max_price_impact_bps=10)) is None


def test_a_pool_is_used_as_far_as_it_was_read() -> None:
    whole = DLMM.create_pool(SOL, USDC, 10**13, 16 * 10**11, fee_e9=1_000_000).with_clock(NOW)
    index = whole.state.active_id // ARRAY_BINS
    near = replace(whole, arrays={index: whole.arrays[index]})
    amount = 2 * 10**12
    with pytest.raises(AccountsMissing):
        near.quote(SOL, amount)
    found = check(make_case([near, make_cpmm(10**14, 0.15)], amount))
    assert found is not None
    assert {part.quote.program for part in found.parts} == {"dlmm", "cpmm"}


def test_a_pool_that_does_not_swap_gets_nothing() -> None:
    good, bad = make_cpmm(10**13, 0.15), make_cpmm(10**13, 0.2, 2)
    disabled = replace(bad, state=bad.state._replace(status=4))
    late = replace(bad, state=bad.state._replace(open_time=NOW.unix_time + 1))
    found = check(make_case([disabled, good, late], 10**10))
    assert found is not None
    assert [part.pool for part in found.parts] == [good]
    assert check(make_case([disabled, late], 10**10)) is None
    assert check(make_case([disabled], 10**10)) is None
    assert check(make_case([], 10**10)) is None


def test_an_amount_that_the_pools_take_only_together_is_split() -> None:
    pools = []
    for number in (1, 2):
        pool = DLMM.create_pool(SOL, USDC, 10**13, 15 * 10**11, fee_e9=1_000_000).with_clock(NOW)
        pools.append(replace(pool, address=Pubkey(bytes([number] * 32))))
    amount = 2 * 10**12
    while True:
        try:
            pools[0].quote(SOL, amount)
        except Rejected:
            break
        amount = amount * 5 // 4
    found = check(make_case(pools, amount))
    assert found is not None
    assert len(found.parts) == 2
    assert check(make_case(pools, amount * 4)) is None


def test_a_fee_that_grows_with_the_amount_is_spread_over_pools() -> None:
    state = make_damm_state(create_full_range(10**12, 10**12))
    limited = make_damm_pool(
        state._replace(collect_fee_mode=1, activation_point=NOW.unix_time - 1), schedule=LIMITER
    )
    for amount in (10**3, 10**5, 10**7, 10**9):
        check(replace(make_case([limited, make_cpmm(10**13, 1.0)], amount), mint_in=USDC))


def test_transfer_fees_that_reach_their_maximum_cost_less_in_one_part() -> None:
    fee = TransferFee(maximum=5_000_000, bps=100)
    pools = []
    for number in (1, 2, 3):
        pool = make_cpmm(10**13, 0.15, number)
        side0, side1 = pool.sides
        assert side0.mint == SOL
        pools.append(replace(pool, sides=(replace(side0, fee=fee), side1)))
    for amount in (10**6, 4 * 10**8, 10**9, 10**10, 10**12):
        found = check(make_case(pools, amount))
        assert found is not None


def test_amounts_of_a_few_base_units_are_split_without_loss() -> None:
    pools = [make_cpmm(10**13, 0.15), make_cpmm(10**13, 0.1505, 2), make_cpmm(10**13, 6.0, 3)]
    for amount in (1, 2, 3, 10, 100, 1_000, 10_000):
        check(make_case(pools, amount))
        check(replace(make_case(pools, amount), mint_in=USDC))


def test_what_other_orders_have_traced_changes_no_split() -> None:
    for seed in range(20):
        case = draw_case(Random(f"shared {seed}"))
        curves = PoolCurves(case.pools, case.mint_in)
        for amount in (case.amount_in * 50, 1_000, case.amount_in):
            shared = curves.split(amount, legs_max=case.legs_max, leg_cost=case.leg_cost)
        alone = PoolCurves(case.pools, case.mint_in)
        assert shared == alone.split(amount, legs_max=case.legs_max, leg_cost=case.leg_cost)


@dataclass
class CountedPool:
    """A pool that notes the amounts that it quotes."""

    pool: CpmmPool
    amounts: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.pool, name)

    def quote(self, mint_in: Pubkey, amount_in: int) -> Quote:
        """The quote of the pool."""
        self.amounts.append(amount_in)
        return self.pool.quote(mint_in, amount_in)


def test_a_single_pool_costs_one_quote() -> None:
    counted = CountedPool(make_cpmm(10**13, 0.15))
    curves = PoolCurves([counted], SOL)  # type: ignore[list-item]
    found = curves.split(10**9, legs_max=4)
    assert found is not None
    assert found.amount_out == counted.pool.quote(SOL, 10**9).amount_out
    assert counted.amounts == [10**9]


def test_an_estimate_is_what_the_best_pool_alone_pays() -> None:
    pools = [make_cpmm(10**13, 0.15), make_cpmm(10**12, 0.151, 2)]
    curves = PoolCurves(pools, SOL)
    for amount in (10**6, 10**9, 10**12):
        best = max(pool.quote(SOL, amount).amount_out for pool in pools)
        assert curves.estimate_out(amount) == pytest.approx(best, rel=1e-6, abs=2)
    assert PoolCurves([], SOL).estimate_out(10**9) == 0


@pytest.mark.parametrize("side", [0, 1])
def test_a_pool_of_a_token_whose_fee_takes_all_is_not_split_over(side: int) -> None:
    pools = [make_cpmm(10**13, 0.15), make_cpmm(10**12, 0.15, 2)]
    sides = list(pools[1].sides)
    sides[side] = replace(sides[side], fee=TransferFee(1_000, 10_000))
    pools[1] = replace(pools[1], sides=(sides[0], sides[1]))
    found = PoolCurves(pools, SOL).split(10**11, legs_max=2)
    assert found is not None
    assert [part.pool for part in found.parts] == [pools[0]]

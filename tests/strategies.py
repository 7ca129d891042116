"""Hypothesis strategies: amounts of every size and pools of every kind."""

from __future__ import annotations

from hypothesis import strategies as st

from backend.domain.amounts import U64_MAX
from backend.venues.meteora.damm_v2.accounts import (
    BaseFee,
    BaseFeeMode,
    CollectFeeMode,
    PriceSchedule,
    RateLimiter,
    TimeSchedule,
    Volatility,
)
from backend.venues.meteora.damm_v2.curve import (
    MAX_SQRT_PRICE,
    MIN_SQRT_PRICE,
    Q128,
    PriceRange,
    compute_sqrt_price,
)
from backend.venues.meteora.damm_v2.fees import Schedule
from backend.venues.meteora.damm_v2.pool import DammPool
from backend.venues.raydium.cpmm.curve import FeeRates
from backend.venues.raydium.cpmm.pool import CpmmPool
from tests.pools import NOW, make_cpmm_pool, make_damm_pool, make_damm_state

Q64 = 2**64
_RESERVE_MAX = 2**60


def magnitudes(low: int, high: int) -> st.SearchStrategy[int]:
    """Integers between two positive bounds, with every number of bits equally likely."""
    bits = st.integers(low.bit_length(), high.bit_length())
    return bits.flatmap(
        lambda n: st.integers(max(low, 2 ** (n - 1)), min(high, 2**n - 1)),
    )


amounts = magnitudes(1, U64_MAX)
"""Input amounts of a trader."""
reserves = magnitudes(1_000, _RESERVE_MAX)
"""Reserves of a pool, with headroom for more."""


@st.composite
def rates(draw: st.DrawFn) -> FeeRates:
    """Fee rates of a Raydium CPMM pool."""
    return FeeRates(
        trade=draw(st.integers(1, 100_000)),
        creator=draw(st.integers(0, 20_000)),
        protocol=120_000,
        fund=40_000,
        is_creator_on_input=draw(st.booleans()),
    )


@st.composite
def cpmm_pools(draw: st.DrawFn) -> CpmmPool:
    """Raydium CPMM pools with fees in their vaults and every mode of the creator's fee."""
    owed = st.tuples(*[st.integers(0, 10**9)] * 3)
    return make_cpmm_pool(
        draw(reserves),
        draw(reserves),
        fees0=draw(owed),
        fees1=draw(owed),
        creator_fee_on=draw(st.sampled_from([None, 0, 1, 2])),
        creator_fee_rate=draw(st.integers(0, 20_000)),
        trade_fee_rate=draw(st.integers(1, 100_000)),
    )


@st.composite
def _curves(draw: st.DrawFn) -> PriceRange:
    a, b = draw(magnitudes(10**6, _RESERVE_MAX)), draw(magnitudes(10**6, _RESERVE_MAX))
    sqrt = min(max(compute_sqrt_price(a, b), MIN_SQRT_PRICE + 1), MAX_SQRT_PRICE - 1)
    # From a very narrow range around the price to the widest that the program permits.
    below, above = draw(magnitudes(1, Q64)), draw(magnitudes(1, Q64))
    low = max(MIN_SQRT_PRICE, sqrt - 1 - sqrt * below // Q64)
    high = min(MAX_SQRT_PRICE, sqrt + 1 + sqrt * above // Q64)
    liquidity = min(a * sqrt * high // (high - sqrt), b * Q128 // (sqrt - low), 2**127)
    return PriceRange(max(liquidity, 1), sqrt, low, high)


@st.composite
def _volatility(draw: st.DrawFn, sqrt_price: int) -> Volatility:
    reference = sqrt_price * draw(st.integers(900, 1_100)) // 1_000
    return Volatility(
        is_on=draw(st.integers(0, 1)),
        max_accumulator=350_000,
        fee_control=draw(st.integers(0, 50_000)),
        bin_step=1,
        filter_period=10,
        decay_period=120,
        reduction=5_000,
        last_update=NOW.unix_time - draw(st.integers(0, 200)),
        bin_step_q64=Q64 // 10_000,
        sqrt_price_reference=max(reference, 1),
        accumulator=draw(st.integers(0, 350_000)),
        reference=draw(st.integers(0, 350_000)),
    )


@st.composite
def _fees(draw: st.DrawFn, *, with_limiter: bool) -> tuple[BaseFee, Schedule]:
    modes = [mode for mode in BaseFeeMode if with_limiter or mode is not BaseFeeMode.RATE_LIMITER]
    mode, cliff = draw(st.sampled_from(modes)), draw(st.integers(100_000, 500_000_000))
    periods = draw(st.integers(1, 100))
    is_linear = mode in {BaseFeeMode.TIME_LINEAR, BaseFeeMode.PRICE_LINEAR}
    reduction = draw(st.integers(1, cliff // periods if is_linear else 500))
    schedule: Schedule
    match mode:
        case BaseFeeMode.TIME_LINEAR | BaseFeeMode.TIME_EXPONENTIAL:
            schedule = TimeSchedule(periods, draw(st.integers(0, 10_000)), reduction)
        case BaseFeeMode.PRICE_LINEAR | BaseFeeMode.PRICE_EXPONENTIAL:
            schedule = PriceSchedule(periods, draw(st.integers(1, 1_000)), 86_400, reduction)
        case BaseFeeMode.RATE_LIMITER:
            schedule = RateLimiter(draw(st.integers(1, 500)), 43_200, 9_000, draw(amounts))
    return BaseFee(cliff, mode), schedule


@st.composite
def damm_pools(draw: st.DrawFn, *, with_limiter: bool = True) -> DammPool:
    """Meteora DAMM v2 pools of every fee mode, in ranges of any width or as constant products."""
    curve = draw(_curves())
    fee, schedule = draw(_fees(with_limiter=with_limiter))
    is_limited = isinstance(schedule, RateLimiter)
    collects = draw(
        st.sampled_from([CollectFeeMode.ONLY_B] if is_limited else list(CollectFeeMode))
    )
    is_product = collects is CollectFeeMode.COMPOUNDING
    state = make_damm_state(curve)._replace(
        collect_fee_mode=int(collects),
        compounding_fee_bps=draw(st.integers(0, 10_000)) if is_product else 0,
        activation_point=NOW.unix_time - draw(st.integers(0, 86_400)),
        init_sqrt_price=max(curve.sqrt_price * draw(st.integers(500, 1_500)) // 1_000, 1),
        protocol_fee_a=draw(st.integers(0, 10**9)),
        protocol_fee_b=draw(st.integers(0, 10**9)),
    )
    if is_product:
        state = state._replace(amount_a=draw(reserves), amount_b=draw(reserves))
    return make_damm_pool(
        state,
        fee=fee,
        schedule=schedule,
        volatility=draw(_volatility(curve.sqrt_price)),
        owed=(state.protocol_fee_a, state.protocol_fee_b),
    )


def pools(*, with_limiter: bool = True) -> st.SearchStrategy[CpmmPool | DammPool]:
    """Pools of every venue."""
    return st.one_of(cpmm_pools(), damm_pools(with_limiter=with_limiter))

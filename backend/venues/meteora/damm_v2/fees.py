"""The fees of Meteora DAMM v2: integers in, integers out, in the program's order of rounding.

A fee rate is a numerator over 10⁹: the base fee, by schedule, price or size, plus the dynamic
fee, under a cap. A fee is rounded up, so the trader loses the remainder; the protocol's and the
pool's shares are rounded down, in favour of the liquidity providers, who may claim the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backend.domain.amounts import BPS, U64_MAX, ceil_div, floor_div
from backend.domain.errors import Rejected
from backend.domain.quotes import E9
from backend.venues.meteora.damm_v2.accounts import (
    BaseFee,
    BaseFeeMode,
    PriceSchedule,
    RateLimiter,
    TimeSchedule,
    Volatility,
)

Q64 = 2**64
U128_MAX = 2**128 - 1

_VARIABLE_FEE_SCALE = 100_000_000_000
_PERCENT = 100


def compute_fee(amount: int, numerator: int) -> int:
    """Compute ⌈amount · numerator / 10⁹⌉: the trader loses the remainder."""
    return ceil_div(amount * numerator, E9)


@dataclass(frozen=True, slots=True)
class FeeShares:
    """The shares of a fee: claimable by liquidity providers, kept by the pool, the protocol's."""

    claiming: int
    compounding: int
    protocol: int


def split_fee(fee: int, protocol_percent: int, compounding_bps: int) -> FeeShares:
    """Split ``fee`` into the shares of a swap without a referrer."""
    protocol = floor_div(fee * protocol_percent, _PERCENT)
    rest = fee - protocol
    compounding = floor_div(rest * compounding_bps, BPS)
    return FeeShares(rest - compounding, compounding, protocol)


Schedule = TimeSchedule | PriceSchedule | RateLimiter


@dataclass(frozen=True, slots=True)
class FeeContext:
    """The inputs of a schedule.

    ``point`` is now and ``activation`` the activation, both as slots or both as seconds;
    ``init_sqrt`` is the initial √price and ``sqrt`` the current one.
    """

    point: int
    activation: int
    init_sqrt: int
    sqrt: int


def compute_base_rate(fee: BaseFee, schedule: Schedule, context: FeeContext) -> int:
    """Compute the base fee's numerator, without what a rate limiter adds for the trade's size.

    Raises ``Rejected`` (``bad_pool``) for a schedule that the program cannot compute.
    """
    match schedule:
        case RateLimiter():
            return fee.cliff
        case TimeSchedule(frequency=0):
            return fee.cliff
        case TimeSchedule():
            periods = _count_time_periods(schedule, context)
        case PriceSchedule():
            periods = _count_price_periods(schedule, context)
    if fee.mode in _EXPONENTIAL_MODES:
        return _compute_exponential_rate(fee.cliff, schedule.reduction, periods)
    return _compute_linear_rate(fee.cliff, schedule.reduction, periods)


_EXPONENTIAL_MODES = frozenset({BaseFeeMode.TIME_EXPONENTIAL, BaseFeeMode.PRICE_EXPONENTIAL})


def _count_time_periods(schedule: TimeSchedule, context: FeeContext) -> int:
    if context.point < context.activation:
        return schedule.periods
    elapsed_periods = floor_div(context.point - context.activation, schedule.frequency)
    return min(elapsed_periods, schedule.periods)


def _count_price_periods(schedule: PriceSchedule, context: FeeContext) -> int:
    """Count the steps by which √price has risen; all of them once the schedule has ended."""
    if not context.activation <= context.point <= context.activation + schedule.duration:
        return schedule.periods
    if context.sqrt <= context.init_sqrt:
        return 0
    if not context.init_sqrt or not schedule.step_bps:
        raise Rejected("bad_pool", "the pool's fee schedule has no step")
    risen_bps = floor_div((context.sqrt - context.init_sqrt) * BPS, context.init_sqrt)
    return min(floor_div(risen_bps, schedule.step_bps), schedule.periods)


def _compute_linear_rate(cliff: int, reduction: int, periods: int) -> int:
    numerator = cliff - reduction * periods
    if numerator < 0:
        raise Rejected("bad_pool", "the pool's fee schedule falls below 0")
    return numerator


def _compute_exponential_rate(cliff: int, reduction: int, periods: int) -> int:
    """Compute ⌊cliff · (1 - reduction / 10⁴)ⁿ⌋ in Q64.64 by squaring, rounding each product down.

    Where the power becomes 0 the program fails.
    """
    if not reduction:
        return cliff
    power = Q64 - floor_div(reduction * Q64, BPS)
    if power < 0:
        raise Rejected("bad_pool", "the pool's fee schedule falls below 0")
    result = Q64
    while periods:
        if periods & 1:
            result = floor_div(result * power, Q64)
        power = floor_div(power * power, Q64)
        periods >>= 1
    if not result:
        raise Rejected("bad_pool", "the pool's fee schedule falls below what can be computed")
    return floor_div(result * cliff, Q64)


def is_limiter_active(limiter: RateLimiter, context: FeeContext) -> bool:
    """Whether the fee of a purchase of a with b depends on its size."""
    is_null = not (
        limiter.reference_amount or limiter.duration or limiter.max_fee_bps or limiter.increment_bps
    )
    starts, ends = context.activation, context.activation + limiter.duration
    return not is_null and starts <= context.point <= ends


def check_limiter(limiter: RateLimiter, cliff: int) -> None:
    """Check that the program can compute the limiter; raises ``Rejected`` (``bad_pool``)."""
    is_whole = limiter.reference_amount and limiter.increment_bps
    if not is_whole or _convert_bps_to_e9(limiter.max_fee_bps) < cliff:
        raise Rejected("bad_pool", "the pool's rate limiter is not complete")


def compute_limiter_rate(limiter: RateLimiter, cliff: int, amount: int) -> int:
    """Compute the fee rate of a purchase with ``amount``, which includes the fee.

    The first reference amount pays ``cliff``; each further one pays one increment more than the
    one before, up to the maximum. With x₀ the reference amount, c the cliff, i the increment,
    amount = x₀ + a·x₀ + b, and m whole increments before the maximum M is reached:

        a < m:  fee = x₀·(c + c·a + i·a·(a+1)/2) + b·(c + i·(a+1))
        else:   fee = x₀·(c + c·m + i·m·(m+1)/2) + ((a-m)·x₀ + b)·M

    The fee and the rate derived from it are each rounded up: the trader loses.
    """
    x0, c = limiter.reference_amount, cliff
    if amount <= x0:
        return c
    i, top = _convert_bps_to_e9(limiter.increment_bps), _convert_bps_to_e9(limiter.max_fee_bps)
    a, b = divmod(amount - x0, x0)
    m = floor_div(top - c, i)
    full = min(a, m)
    fee = x0 * (c + c * full + i * full * (full + 1) // 2)
    fee += b * (c + i * (a + 1)) if a < m else ((a - m) * x0 + b) * top
    return ceil_div(ceil_div(fee, E9) * E9, amount)


def _convert_bps_to_e9(bps: int) -> int:
    return floor_div(bps * E9, BPS)


def compute_dynamic_rate(volatility: Volatility) -> int:
    """Compute ⌈(accumulator · bin step)² · control / 10¹¹⌉; 0 where the dynamic fee is off.

    Raises ``Rejected`` (``bad_pool``) if it does not fit, as the program does.
    """
    if not volatility.is_on:
        return 0
    distance = volatility.accumulator * volatility.bin_step
    numerator = ceil_div(distance * distance * volatility.fee_control, _VARIABLE_FEE_SCALE)
    if numerator > U64_MAX or not volatility.bin_step_q64:
        raise Rejected("bad_pool", "the pool's dynamic fee cannot be computed")
    return numerator


def update_volatility(volatility: Volatility, before: int, after: int, now: int) -> Volatility:
    """Compute the volatility after a swap moved √price from ``before`` to ``after`` at ``now``.

    After the filter period the price before the swap becomes the reference, and the accumulator
    decays; then the distance from the reference is added, up to the maximum.
    """
    if not volatility.is_on:
        return volatility
    v = volatility
    elapsed = max(now - v.last_update, 0)
    if elapsed >= v.filter_period:
        decays = elapsed < v.decay_period
        reference = floor_div(v.accumulator * v.reduction, BPS) if decays else 0
        v = replace(v, sqrt_price_reference=before, reference=reference)
    distance = _count_bins(v.bin_step_q64, after, v.sqrt_price_reference)
    accumulator = min(v.reference + distance * BPS, v.max_accumulator)
    crossed = _count_bins(v.bin_step_q64, before, after) > 0
    return replace(v, accumulator=accumulator, last_update=now if crossed else v.last_update)


def _count_bins(bin_step_q64: int, one: int, other: int) -> int:
    # The price is approximated as linear in √price: twice √p' / √p - 1, in bin steps.
    lower, upper = sorted((one, other))
    ratio = floor_div(upper * Q64, lower) if lower else U128_MAX + 1
    if ratio > U128_MAX:
        raise Rejected("amount_too_large", "the price would move further than can be computed")
    return 2 * floor_div(ratio - Q64, bin_step_q64)

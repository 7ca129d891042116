"""The pricing of a Meteora DAMM v2 pool from its account's bytes, and back."""

from __future__ import annotations

from backend.domain.errors import Rejected
from backend.venues.meteora.damm_v2.accounts import (
    BASE_FEE,
    POOL,
    PRICE_SCHEDULE,
    RATE_LIMITER,
    TIME_SCHEDULE,
    VOLATILITY,
    BaseFeeMode,
    CollectFeeMode,
    PriceSchedule,
    RateLimiter,
    TimeSchedule,
)
from backend.venues.meteora.damm_v2.fees import Schedule
from backend.venues.meteora.damm_v2.pricing import PoolPricing
from backend.venues.spl import Clock


def read_pricing(data: bytes, clock: Clock) -> PoolPricing:
    """Read the pricing from a pool's account.

    Raises ``Rejected`` (``bad_pool``) if the pool cannot be quoted exactly.
    """
    state, fee = POOL.read(data), BASE_FEE.read(data)
    schedule: Schedule
    match fee.mode:
        case BaseFeeMode.TIME_LINEAR | BaseFeeMode.TIME_EXPONENTIAL:
            schedule = TIME_SCHEDULE.read(data)
        case BaseFeeMode.RATE_LIMITER:
            schedule = RATE_LIMITER.read(data)
        case BaseFeeMode.PRICE_LINEAR | BaseFeeMode.PRICE_EXPONENTIAL:
            schedule = PRICE_SCHEDULE.read(data)
        case _:
            raise Rejected("bad_pool", f"the pool has the unknown base fee mode {fee.mode}")
    if state.collect_fee_mode not in set(CollectFeeMode):
        raise Rejected("bad_pool", f"the pool has the unknown fee mode {state.collect_fee_mode}")
    return PoolPricing(state, fee, schedule, VOLATILITY.read(data), clock)


def write_pricing(pricing: PoolPricing, over: bytes = b"") -> bytes:
    """Encode ``pricing`` as a pool's account, over the bytes that it was read from."""
    data = POOL.write(pricing.state, over)
    data = BASE_FEE.write(pricing.base_fee, data)
    match pricing.schedule:
        case TimeSchedule() as schedule:
            data = TIME_SCHEDULE.write(schedule, data)
        case PriceSchedule() as schedule:
            data = PRICE_SCHEDULE.write(schedule, data)
        case RateLimiter() as schedule:
            data = RATE_LIMITER.write(schedule, data)
    return VOLATILITY.write(pricing.volatility, data)

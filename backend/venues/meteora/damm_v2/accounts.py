"""The account of a Meteora DAMM v2 pool: its address and layout.

One account holds several records: the pool, the schedule of its base fee in one of three forms,
and the volatility that determines its dynamic fee.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.venues.layout import (
    POOL_ADDRESS_CACHE_MAX,
    PROGRAM_ADDRESS_CACHE_MAX,
    Layout,
    derive_address,
    key,
    u8,
    u16,
    u32,
    u64,
    u128,
    u256,
)

NAME: Final = "damm_v2"
"""The program's name among those of its exchange."""


@lru_cache(PROGRAM_ADDRESS_CACHE_MAX)
def derive_authority(program: Pubkey) -> Pubkey:
    """Derive what owns every vault."""
    return derive_address(program, b"pool_authority")


@lru_cache(PROGRAM_ADDRESS_CACHE_MAX)
def derive_event_authority(program: Pubkey) -> Pubkey:
    """Derive what signs the program's events."""
    return derive_address(program, b"__event_authority")


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_pool_address(program: Pubkey, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
    """Derive the address of the single pool of two mints without a configuration."""
    smaller, larger = sorted((bytes(mint_a), bytes(mint_b)))
    return derive_address(program, b"cpool", larger, smaller)


def derive_vault_address(program: Pubkey, pool: Pubkey, mint: Pubkey) -> Pubkey:
    """Derive the address of a pool's vault of a token."""
    return derive_address(program, b"token_vault", bytes(mint), bytes(pool))


class CollectFeeMode(IntEnum):
    """The token in which the fee is charged."""

    OUTPUT = 0
    ONLY_B = 1
    COMPOUNDING = 2
    """Only b, part of which stays in the pool; the pool is a constant product."""


class BaseFeeMode(IntEnum):
    """What the base fee depends on, and how."""

    TIME_LINEAR = 0
    TIME_EXPONENTIAL = 1
    RATE_LIMITER = 2
    PRICE_LINEAR = 3
    PRICE_EXPONENTIAL = 4


BY_SLOT = 0
BY_TIME = 1
MAX_FEE_E9 = {0: 500_000_000, 1: 990_000_000}
"""The cap of the total fee, by ``PoolState.fee_version``."""
LATEST_FEE_VERSION = 1

_SIZE = 1112
_DISCRIMINATOR = bytes.fromhex("f19a6d0411b16dbc")


class PoolState(NamedTuple):
    """The record of a pool. Square roots of prices (b per a) and the liquidity are Q64.64.

    The fees owed to the protocol and to liquidity providers are in the vaults but not part of
    ``amount_a`` and ``amount_b``, which are valid from ``layout_version`` 1 on.
    """

    protocol_fee_percent: Annotated[int, u8(48)]
    referral_fee_percent: Annotated[int, u8(50)]
    init_sqrt_price: Annotated[int, u128(152)]
    mint_a: Annotated[Pubkey, key(168)]
    mint_b: Annotated[Pubkey, key(200)]
    vault_a: Annotated[Pubkey, key(232)]
    vault_b: Annotated[Pubkey, key(264)]
    liquidity: Annotated[int, u128(360)]
    sqrt_min_price: Annotated[int, u128(424)]
    sqrt_max_price: Annotated[int, u128(440)]
    sqrt_price: Annotated[int, u128(456)]
    activation_point: Annotated[int, u64(472)]
    creator: Annotated[Pubkey, key(648)]
    amount_a: Annotated[int, u64(680)]
    amount_b: Annotated[int, u64(688)]
    compounding_fee_bps: Annotated[int, u16(54)] = 0
    protocol_fee_a: Annotated[int, u64(392)] = 0
    protocol_fee_b: Annotated[int, u64(400)] = 0
    activation_type: Annotated[int, u8(480)] = BY_TIME
    status: Annotated[int, u8(481)] = 0
    token_flag_a: Annotated[int, u8(482)] = 0
    token_flag_b: Annotated[int, u8(483)] = 0
    collect_fee_mode: Annotated[int, u8(484)] = CollectFeeMode.OUTPUT
    pool_type: Annotated[int, u8(485)] = 1
    fee_version: Annotated[int, u8(486)] = LATEST_FEE_VERSION
    fee_a_per_liquidity: Annotated[int, u256(488)] = 0
    fee_b_per_liquidity: Annotated[int, u256(520)] = 0
    permanent_lock_liquidity: Annotated[int, u128(552)] = 0
    total_lp_fee_a: Annotated[int, u128(568)] = 0
    total_lp_fee_b: Annotated[int, u128(584)] = 0
    total_protocol_fee_a: Annotated[int, u64(600)] = 0
    total_protocol_fee_b: Annotated[int, u64(608)] = 0
    total_positions: Annotated[int, u64(632)] = 1
    layout_version: Annotated[int, u8(696)] = 1


POOL = Layout(PoolState, "Meteora DAMM v2 pool", _SIZE, _DISCRIMINATOR)


@dataclass(frozen=True, slots=True)
class BaseFee:
    """The base fee before any reduction (its cliff), in parts per billion, and its mode."""

    cliff: Annotated[int, u64(8)]
    mode: Annotated[int, u8(16)] = BaseFeeMode.TIME_LINEAR


BASE_FEE = Layout(BaseFee, "base fee", _SIZE, _DISCRIMINATOR)


@dataclass(frozen=True, slots=True)
class TimeSchedule:
    """A fee that falls by ``reduction`` every ``frequency`` slots or seconds."""

    periods: Annotated[int, u16(22)] = 0
    frequency: Annotated[int, u64(24)] = 0
    reduction: Annotated[int, u64(32)] = 0


TIME_SCHEDULE = Layout(TimeSchedule, "time schedule", _SIZE, _DISCRIMINATOR)


@dataclass(frozen=True, slots=True)
class PriceSchedule:
    """A fee that falls by ``reduction`` each time √price has risen by ``step_bps``."""

    periods: Annotated[int, u16(22)]
    step_bps: Annotated[int, u32(24)]
    duration: Annotated[int, u32(28)]
    reduction: Annotated[int, u64(32)]


PRICE_SCHEDULE = Layout(PriceSchedule, "price schedule", _SIZE, _DISCRIMINATOR)


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """A fee that grows with the size of a purchase, for ``duration`` after activation."""

    increment_bps: Annotated[int, u16(22)]
    duration: Annotated[int, u32(24)]
    max_fee_bps: Annotated[int, u32(28)]
    reference_amount: Annotated[int, u64(32)]


RATE_LIMITER = Layout(RateLimiter, "rate limiter", _SIZE, _DISCRIMINATOR)


@dataclass(frozen=True, slots=True)
class Volatility:
    """The recent volatility of the price, for the dynamic fee; unused while ``is_on`` is 0."""

    is_on: Annotated[int, u8(56)] = 0
    max_accumulator: Annotated[int, u32(64)] = 0
    fee_control: Annotated[int, u32(68)] = 0
    bin_step: Annotated[int, u16(72)] = 0
    filter_period: Annotated[int, u16(74)] = 0
    decay_period: Annotated[int, u16(76)] = 0
    reduction: Annotated[int, u16(78)] = 0
    last_update: Annotated[int, u64(80)] = 0
    bin_step_q64: Annotated[int, u128(88)] = 0
    sqrt_price_reference: Annotated[int, u128(104)] = 0
    accumulator: Annotated[int, u128(120)] = 0
    reference: Annotated[int, u128(136)] = 0


VOLATILITY = Layout(Volatility, "volatility", _SIZE, _DISCRIMINATOR)

"""The accounts of Raydium CLMM apart from its tick arrays: their addresses and layouts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.bit_line import BitLine
from backend.venues.layout import (
    POOL_ADDRESS_CACHE_MAX,
    Layout,
    bitmap,
    derive_address,
    i32,
    key,
    u8,
    u16,
    u32,
    u64,
    u128,
)
from backend.venues.raydium.clmm.tick_math import MAX_TICK

NAME: Final = "clmm"
"""The program's name among those of its exchange."""


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_config_address(program: Pubkey, index: int) -> Pubkey:
    """Derive the address of fee configuration ``index``."""
    return derive_address(program, b"amm_config", index.to_bytes(2, "big"))


DEFAULT_CONFIG_INDEX: Final = 4
"""Mainnet's configuration with the narrowest tick spacing, 1."""


def sort_mints(mint_a: Pubkey, mint_b: Pubkey) -> tuple[Pubkey, Pubkey]:
    """Sort two mints as a pool orders them: by their bytes."""
    return (mint_a, mint_b) if bytes(mint_a) < bytes(mint_b) else (mint_b, mint_a)


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_pool_address(program: Pubkey, config: Pubkey, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
    """Derive the address of a configuration's pool of two mints."""
    mint0, mint1 = sort_mints(mint_a, mint_b)
    return derive_address(program, b"pool", bytes(config), bytes(mint0), bytes(mint1))


def derive_vault_address(program: Pubkey, pool: Pubkey, mint: Pubkey) -> Pubkey:
    """Derive the address of a pool's vault of a token."""
    return derive_address(program, b"pool_vault", bytes(pool), bytes(mint))


def derive_observation_address(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Derive the address of a pool's price history."""
    return derive_address(program, b"observation", bytes(pool))


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_extension_address(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Derive the address of the bitmap of the tick arrays that the pool's own does not cover."""
    return derive_address(program, b"pool_tick_array_bitmap_extension", bytes(pool))


SWAP_DISABLED: Final = 16
"""The bit of ``PoolState.status`` that disables swaps."""

_BITMAP_BITS: Final = 1_024
_BITMAP_FIRST: Final = -512


class PoolState(NamedTuple):
    """The account of a pool. The fees that it owes are in its vaults but not in its liquidity."""

    bump: Annotated[int, u8(8)]
    amm_config: Annotated[Pubkey, key(9)]
    owner: Annotated[Pubkey, key(41)]
    mint0: Annotated[Pubkey, key(73)]
    mint1: Annotated[Pubkey, key(105)]
    vault0: Annotated[Pubkey, key(137)]
    vault1: Annotated[Pubkey, key(169)]
    observation: Annotated[Pubkey, key(201)]
    decimals0: Annotated[int, u8(233)]
    decimals1: Annotated[int, u8(234)]
    tick_spacing: Annotated[int, u16(235)]
    liquidity: Annotated[int, u128(237)]
    sqrt_price: Annotated[int, u128(253)]
    tick: Annotated[int, i32(269)]
    tick_array_bitmap: Annotated[int, bitmap(904, _BITMAP_BITS)]
    open_time: Annotated[int, u64(1080)]
    fee_growth0: Annotated[int, u128(277)] = 0
    fee_growth1: Annotated[int, u128(293)] = 0
    protocol_fees0: Annotated[int, u64(309)] = 0
    protocol_fees1: Annotated[int, u64(317)] = 0
    status: Annotated[int, u8(389)] = 0
    fee_on: Annotated[int, u8(390)] = 0
    fund_fees0: Annotated[int, u64(1064)] = 0
    fund_fees1: Annotated[int, u64(1072)] = 0
    recent_epoch: Annotated[int, u64(1088)] = 0


POOL_STATE = Layout(PoolState, "Raydium CLMM pool", 1544, bytes.fromhex("f7ede3f5d7c3de46"))


@dataclass(frozen=True, slots=True)
class AmmConfig:
    """A fee configuration shared by many pools; rates are in parts per million."""

    bump: Annotated[int, u8(8)]
    index: Annotated[int, u16(9)]
    owner: Annotated[Pubkey, key(11)]
    protocol_fee_rate: Annotated[int, u32(43)]
    trade_fee_rate: Annotated[int, u32(47)]
    tick_spacing: Annotated[int, u16(51)]
    fund_fee_rate: Annotated[int, u32(53)]


AMM_CONFIG = Layout(AmmConfig, "Raydium CLMM config", 117, bytes.fromhex("daf42168cbcb2b6f"))

ARRAY_TICKS: Final = 60
"""The ticks of a tick array, which are ``tick_spacing`` apart."""


def compute_array_index(tick: int, tick_spacing: int) -> int:
    """Compute the number of the tick array that a tick is in, counted from the tick 0."""
    return tick // (ARRAY_TICKS * tick_spacing)


def needs_extension(tick_spacing: int) -> bool:
    """Whether the pool's own bitmap does not cover all ticks that are possible."""
    return tick_spacing * ARRAY_TICKS * -_BITMAP_FIRST < MAX_TICK


@dataclass(frozen=True, slots=True)
class _Extension:
    pool: Annotated[Pubkey, key(8)]
    positive: Annotated[int, bitmap(40, 14 * 512)]
    negative: Annotated[int, bitmap(936, 14 * 512)]


EXTENSION = Layout(
    _Extension, "Raydium CLMM bitmap extension", 1832, bytes.fromhex("3c9624db61808b99")
)
_BLOCK_BITS: Final = 512
_BLOCK_ONES: Final = (1 << _BLOCK_BITS) - 1
_BLOCKS: Final = 14
_LINE_FIRST: Final = _BITMAP_FIRST - _BLOCKS * _BLOCK_BITS


def read_array_line(pool: Pubkey, own: int, extension: bytes | None) -> BitLine:
    """Read which tick arrays have initialized ticks, by their numbers.

    The blocks of an extension are ordered from the pool's own bitmap outwards, on both sides.
    Raises ``Rejected`` (``bad_pool``).
    """
    if extension is None:
        return BitLine(own, _BITMAP_FIRST)
    record = EXTENSION.read(extension)
    if record.pool != pool:
        raise Rejected("bad_pool", f"the bitmap extension is not that of the pool {pool}")
    below = _reverse_blocks(record.negative)
    bits = below | own << _BLOCKS * _BLOCK_BITS
    return BitLine(bits | record.positive << _BLOCKS * _BLOCK_BITS + _BITMAP_BITS, _LINE_FIRST)


def write_array_line(pool: Pubkey, line: BitLine) -> tuple[int, bytes | None]:
    """Encode the pool's own bitmap, and its extension if the line has one."""
    if line.first == _BITMAP_FIRST:
        return line.bits, None
    shift = _BLOCKS * _BLOCK_BITS
    below = line.bits & ((1 << shift) - 1)
    own = line.bits >> shift & ((1 << _BITMAP_BITS) - 1)
    record = _Extension(pool, line.bits >> shift + _BITMAP_BITS, _reverse_blocks(below))
    return own, EXTENSION.write(record)


def make_array_line(indexes: list[int], *, with_extension: bool) -> BitLine:
    """Make the line in which just these tick arrays have initialized ticks."""
    first = _LINE_FIRST if with_extension else _BITMAP_FIRST
    return BitLine(sum(1 << index - first for index in set(indexes)), first)


def _reverse_blocks(bits: int) -> int:
    """Reverse the order of the blocks, but not of the bits in each."""
    if not bits:
        return 0
    return sum(
        (bits >> n * _BLOCK_BITS & _BLOCK_ONES) << (_BLOCKS - 1 - n) * _BLOCK_BITS
        for n in range(_BLOCKS)
    )

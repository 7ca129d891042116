"""The accounts of Meteora DLMM apart from its bin arrays: their addresses and layouts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.venues.bit_line import BitLine
from backend.venues.layout import (
    POOL_ADDRESS_CACHE_MAX,
    PROGRAM_ADDRESS_CACHE_MAX,
    Layout,
    bitmap,
    derive_address,
    i32,
    i64,
    key,
    u8,
    u16,
    u32,
    u64,
)
from backend.venues.spl import TOKEN_2022_PROGRAM, TOKEN_PROGRAM

NAME: Final = "dlmm"
"""The program's name among those of its exchange."""

DEFAULT_BIN_STEP: Final = 10
DEFAULT_BASE_FACTOR: Final = 10_000


@lru_cache(PROGRAM_ADDRESS_CACHE_MAX)
def derive_event_authority(program: Pubkey) -> Pubkey:
    """Derive what signs the program's events."""
    return derive_address(program, b"__event_authority")


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_pool_address(
    program: Pubkey,
    mint_a: Pubkey,
    mint_b: Pubkey,
    bin_step: int = DEFAULT_BIN_STEP,
    base_factor: int = DEFAULT_BASE_FACTOR,
) -> Pubkey:
    """Derive the address of the pair of two mints, in either order, with these parameters."""
    low, high = sorted((bytes(mint_a), bytes(mint_b)))
    parameters = bin_step.to_bytes(2, "little"), base_factor.to_bytes(2, "little")
    return derive_address(program, low, high, *parameters)


def derive_vault_address(program: Pubkey, pool: Pubkey, mint: Pubkey) -> Pubkey:
    """Derive the address of a pair's vault of a token, which the program calls a reserve."""
    return derive_address(program, bytes(pool), bytes(mint))


def derive_oracle_address(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Derive the address of a pair's price history, which every swap writes."""
    return derive_address(program, b"oracle", bytes(pool))


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_extension_address(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Derive the address of the bitmap of the bin arrays that the pair's own does not cover."""
    return derive_address(program, b"bitmap", bytes(pool))


FLAGGED_TOKEN_PROGRAMS: Final = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
"""The token programs by ``PairState.token_flag_x`` and ``token_flag_y``."""
STATUS_ENABLED: Final = 0
ACTIVATED_PAIR_TYPES: Final = frozenset({1, 2})
"""The types of pairs that open at their activation point."""
ACTIVATION_BY_SLOT: Final = 0
FUNCTION_UNDETERMINED: Final = 0
FUNCTION_LIMIT_ORDERS: Final = 2
FEE_ON_INPUT: Final = 0
FEE_ON_Y: Final = 1

_BITMAP_BITS: Final = 1_024
_BITMAP_FIRST: Final = -512


class PairState(NamedTuple):
    """The account of a pair. The fees that it owes are in its vaults but not in its bins."""

    base_factor: Annotated[int, u16(8)]
    filter_period: Annotated[int, u16(10)]
    decay_period: Annotated[int, u16(12)]
    reduction: Annotated[int, u16(14)]
    variable_fee_control: Annotated[int, u32(16)]
    max_accumulator: Annotated[int, u32(20)]
    min_bin_id: Annotated[int, i32(24)]
    max_bin_id: Annotated[int, i32(28)]
    protocol_share: Annotated[int, u16(32)]
    base_fee_power: Annotated[int, u8(34)]
    function_type: Annotated[int, u8(35)]
    collect_fee_mode: Annotated[int, u8(36)]
    pair_type: Annotated[int, u8(75)]
    active_id: Annotated[int, i32(76)]
    bin_step: Annotated[int, u16(80)]
    status: Annotated[int, u8(82)]
    activation_type: Annotated[int, u8(86)]
    mint_x: Annotated[Pubkey, key(88)]
    mint_y: Annotated[Pubkey, key(120)]
    vault_x: Annotated[Pubkey, key(152)]
    vault_y: Annotated[Pubkey, key(184)]
    oracle: Annotated[Pubkey, key(552)]
    bin_array_bitmap: Annotated[int, bitmap(584, _BITMAP_BITS)]
    activation_point: Annotated[int, u64(816)]
    accumulator: Annotated[int, u32(40)] = 0
    reference: Annotated[int, u32(44)] = 0
    index_reference: Annotated[int, i32(48)] = 0
    last_update: Annotated[int, i64(56)] = 0
    protocol_fee_x: Annotated[int, u64(216)] = 0
    protocol_fee_y: Annotated[int, u64(224)] = 0
    reward_mint0: Annotated[Pubkey, key(264)] = Pubkey.default()
    reward_mint1: Annotated[Pubkey, key(408)] = Pubkey.default()
    token_flag_x: Annotated[int, u8(880)] = 0
    token_flag_y: Annotated[int, u8(881)] = 0

    @property
    def supports_orders(self) -> bool:
        """Whether limit orders are a part of its liquidity."""
        if self.function_type == FUNCTION_UNDETERMINED:
            return {self.reward_mint0, self.reward_mint1} == {Pubkey.default()}
        return self.function_type == FUNCTION_LIMIT_ORDERS


PAIR_STATE = Layout(PairState, "Meteora DLMM pair", 904, bytes.fromhex("210b3162b565b10d"))


@dataclass(frozen=True, slots=True)
class _Extension:
    pool: Annotated[Pubkey, key(8)]
    positive: Annotated[int, bitmap(40, 12 * 512)]
    negative: Annotated[int, bitmap(808, 12 * 512)]


EXTENSION = Layout(
    _Extension, "Meteora DLMM bitmap extension", 1576, bytes.fromhex("506f7c7137ed1205")
)
_SIDE_BITS: Final = 12 * 512
_LINE_FIRST: Final = _BITMAP_FIRST - _SIDE_BITS


def read_array_line(pool: Pubkey, own: int, extension: bytes | None) -> BitLine:
    """Read which bin arrays have liquidity, by their indexes.

    The bits below zero in an extension run downwards. Raises ``Rejected`` (``bad_pool``).
    """
    if extension is None:
        return BitLine(own, _BITMAP_FIRST)
    record = EXTENSION.read(extension)
    if record.pool != pool:
        raise Rejected("bad_pool", f"the bitmap extension is not that of the pool {pool}")
    bits = _reverse_bits(record.negative) | own << _SIDE_BITS
    return BitLine(bits | record.positive << _SIDE_BITS + _BITMAP_BITS, _LINE_FIRST)


def write_array_line(pool: Pubkey, line: BitLine) -> tuple[int, bytes | None]:
    """Encode the pair's own bitmap, and its extension if the line has one."""
    if line.first == _BITMAP_FIRST:
        return line.bits, None
    below = line.bits & ((1 << _SIDE_BITS) - 1)
    own = line.bits >> _SIDE_BITS & ((1 << _BITMAP_BITS) - 1)
    above = line.bits >> _SIDE_BITS + _BITMAP_BITS
    return own, EXTENSION.write(_Extension(pool, above, _reverse_bits(below)))


def make_array_line(indexes: list[int], *, with_extension: bool = False) -> BitLine:
    """Make the line in which just these bin arrays have liquidity."""
    first = _LINE_FIRST if with_extension else _BITMAP_FIRST
    return BitLine(sum(1 << index - first for index in set(indexes)), first)


def _reverse_bits(bits: int) -> int:
    return int(f"{bits:0{_SIDE_BITS}b}"[::-1], 2) if bits else 0

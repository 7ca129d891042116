"""The accounts of Raydium CPMM: their addresses and layouts."""

from __future__ import annotations

from dataclasses import dataclass
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
    u64,
)

NAME: Final = "cpmm"
"""The program's name among those of its exchange."""
DEFAULT_CONFIG_INDEX: Final = 0


@lru_cache(PROGRAM_ADDRESS_CACHE_MAX)
def derive_authority(program: Pubkey) -> tuple[Pubkey, int]:
    """Derive what owns every vault and mints the LP tokens of every pool, with its bump."""
    return Pubkey.find_program_address([b"vault_and_lp_mint_auth_seed"], program)


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_config_address(program: Pubkey, index: int) -> Pubkey:
    """Derive the address of fee configuration ``index``, the only big-endian number here."""
    return derive_address(program, b"amm_config", index.to_bytes(2, "big"))


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


def derive_lp_mint_address(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Derive the address of a pool's LP mint."""
    return derive_address(program, b"pool_lp_mint", bytes(pool))


def derive_observation_address(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Derive the address of a pool's price history, which every swap writes."""
    return derive_address(program, b"observation", bytes(pool))


SWAP_DISABLED = 4
"""The bit of ``PoolState.status`` that disables swaps."""


class PoolState(NamedTuple):
    """The account of a pool. Its accrued fees are in the vaults but not part of the reserves."""

    amm_config: Annotated[Pubkey, key(8)]
    pool_creator: Annotated[Pubkey, key(40)]
    vault0: Annotated[Pubkey, key(72)]
    vault1: Annotated[Pubkey, key(104)]
    lp_mint: Annotated[Pubkey, key(136)]
    mint0: Annotated[Pubkey, key(168)]
    mint1: Annotated[Pubkey, key(200)]
    token_program0: Annotated[Pubkey, key(232)]
    token_program1: Annotated[Pubkey, key(264)]
    observation: Annotated[Pubkey, key(296)]
    auth_bump: Annotated[int, u8(328)]
    status: Annotated[int, u8(329)]
    lp_decimals: Annotated[int, u8(330)]
    lp_supply: Annotated[int, u64(333)]
    open_time: Annotated[int, u64(373)]
    recent_epoch: Annotated[int, u64(381)] = 0
    protocol_fees0: Annotated[int, u64(341)] = 0
    protocol_fees1: Annotated[int, u64(349)] = 0
    fund_fees0: Annotated[int, u64(357)] = 0
    fund_fees1: Annotated[int, u64(365)] = 0
    creator_fee_on: Annotated[int, u8(389)] = 0
    enable_creator_fee: Annotated[int, u8(390)] = 0
    creator_fees0: Annotated[int, u64(397)] = 0
    creator_fees1: Annotated[int, u64(405)] = 0


POOL_STATE = Layout(PoolState, "Raydium CPMM pool", 637, bytes.fromhex("f7ede3f5d7c3de46"))


@dataclass(frozen=True, slots=True)
class AmmConfig:
    """A fee configuration shared by many pools; rates are in parts per million."""

    bump: Annotated[int, u8(8)]
    disable_create_pool: Annotated[int, u8(9)]
    index: Annotated[int, u16(10)]
    trade_fee_rate: Annotated[int, u64(12)]
    protocol_fee_rate: Annotated[int, u64(20)]
    fund_fee_rate: Annotated[int, u64(28)]
    create_pool_fee: Annotated[int, u64(36)]
    protocol_owner: Annotated[Pubkey, key(44)]
    fund_owner: Annotated[Pubkey, key(76)]
    creator_fee_rate: Annotated[int, u64(108)]


AMM_CONFIG = Layout(AmmConfig, "Raydium CPMM config", 236, bytes.fromhex("daf42168cbcb2b6f"))

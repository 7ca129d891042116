"""The accounts of Raydium AMM v4: their addresses and layouts.

The program is older than Anchor, so its accounts have no discriminator: a pool is an account of the
program with 752 bytes. Many of its fields concern an order book that the program no longer uses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from solders.pubkey import Pubkey

from backend.venues.layout import (
    POOL_ADDRESS_CACHE_MAX,
    PROGRAM_ADDRESS_CACHE_MAX,
    Layout,
    derive_address,
    key,
    u64,
    u128,
)

NAME: Final = "amm_v4"
"""The program's name among those of its exchange."""

STATUS_UNINITIALIZED: Final = 0
STATUS_INITIALIZED: Final = 1
"""A pool that was made with an order book. Builds of the program before July 2026 count its open
orders as reserves, and refuse the only swap that this venue builds: it cannot pay another amount.
"""
STATUS_SWAP_ONLY: Final = 6
STATUS_WAITING_TRADE: Final = 7
"""Swaps are possible from ``PoolState.open_time`` on; the first sets ``STATUS_SWAP_ONLY``."""
SWAPPABLE_STATUSES: Final = frozenset({STATUS_INITIALIZED, STATUS_SWAP_ONLY, STATUS_WAITING_TRADE})


@lru_cache(PROGRAM_ADDRESS_CACHE_MAX)
def derive_authority(program: Pubkey) -> tuple[Pubkey, int]:
    """Derive what owns every vault of every pool, with its nonce."""
    return Pubkey.find_program_address([b"amm authority"], program)


def derive_market_address(program: Pubkey, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
    """Derive the address that stands for the market of two mints, in either order.

    On mainnet a pool's address follows from a market of an order book, which has no derived
    address: pools are found there by their mints, not derived.
    """
    low, high = sorted((bytes(mint_a), bytes(mint_b)))
    return derive_address(program, b"market", low, high)


@lru_cache(POOL_ADDRESS_CACHE_MAX)
def derive_pool_address(program: Pubkey, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
    """Derive the address of the pool of two mints on a simulated chain, in either order."""
    return derive_account(program, derive_market_address(program, mint_a, mint_b), POOL_SEED)


def derive_account(program: Pubkey, base: Pubkey, seed: bytes) -> Pubkey:
    """Derive the address of one of a pool's accounts.

    ``base`` is its market on mainnet, and the pool itself on a simulated chain.
    """
    return derive_address(program, bytes(program), bytes(base), seed)


POOL_SEED: Final = b"amm_associated_seed"
COIN_VAULT_SEED: Final = b"coin_vault_associated_seed"
PC_VAULT_SEED: Final = b"pc_vault_associated_seed"
LP_MINT_SEED: Final = b"lp_mint_associated_seed"
OPEN_ORDERS_SEED: Final = b"open_order_associated_seed"
TARGET_ORDERS_SEED: Final = b"target_associated_seed"


class PoolState(NamedTuple):
    """The account of a pool. What it owes as profit is in the vaults but not in the reserves.

    The two tokens are called coin and pc. The fields from ``coin_in`` on add up all swaps.
    """

    status: Annotated[int, u64(0)]
    nonce: Annotated[int, u64(8)]
    coin_decimals: Annotated[int, u64(32)]
    pc_decimals: Annotated[int, u64(40)]
    swap_fee_numerator: Annotated[int, u64(176)]
    swap_fee_denominator: Annotated[int, u64(184)]
    need_take_pnl_coin: Annotated[int, u64(192)]
    need_take_pnl_pc: Annotated[int, u64(200)]
    open_time: Annotated[int, u64(224)]
    coin_vault: Annotated[Pubkey, key(336)]
    pc_vault: Annotated[Pubkey, key(368)]
    coin_mint: Annotated[Pubkey, key(400)]
    pc_mint: Annotated[Pubkey, key(432)]
    lp_mint: Annotated[Pubkey, key(464)]
    open_orders: Annotated[Pubkey, key(496)]
    market: Annotated[Pubkey, key(528)]
    market_program: Annotated[Pubkey, key(560)]
    target_orders: Annotated[Pubkey, key(592)]
    owner: Annotated[Pubkey, key(688)]
    lp_amount: Annotated[int, u64(720)]
    coin_in: Annotated[int, u128(256)] = 0
    pc_out: Annotated[int, u128(272)] = 0
    pc_fee: Annotated[int, u64(288)] = 0
    pc_in: Annotated[int, u128(296)] = 0
    coin_out: Annotated[int, u128(312)] = 0
    coin_fee: Annotated[int, u64(328)] = 0


POOL_STATE = Layout(PoolState, "Raydium AMM v4 pool", 752)

"""Raydium CLMM as a venue: finds, decodes and creates pools; parses swaps, classifies errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import EngineError, Rejected
from backend.domain.quotes import E9, Dex
from backend.venues.hosting import ParsedSwap
from backend.venues.pool_side import PoolSide, read_pool_side
from backend.venues.raydium.clmm.accounts import (
    AMM_CONFIG,
    ARRAY_TICKS,
    DEFAULT_CONFIG_INDEX,
    NAME,
    POOL_STATE,
    PoolState,
    compute_array_index,
    derive_config_address,
    derive_extension_address,
    derive_pool_address,
    needs_extension,
)
from backend.venues.raydium.clmm.array_ticks import SWAP_ARRAYS_MAX
from backend.venues.raydium.clmm.codec import read_dynamic_fee, read_line, read_pool_state
from backend.venues.raydium.clmm.creation import create_config, create_pool
from backend.venues.raydium.clmm.errors import PROGRAM_ERRORS
from backend.venues.raydium.clmm.fees import RATE_ONE
from backend.venues.raydium.clmm.instruction import parse_swap
from backend.venues.raydium.clmm.pool import ClmmPool
from backend.venues.raydium.clmm.tick_array import derive_array_address, read_tick_array
from backend.venues.spl import CLOCK, CLOCK_SYSVAR
from backend.venues.venue import Account, Accounts, PoolSearch

_GUESSED_ARRAYS: Final = 2
"""Arrays to read on either side of the price, besides that of the price itself."""


class Clmm:
    """Raydium's concentrated liquidity program."""

    dex: Final = Dex.RAYDIUM
    name: Final = NAME
    search: Final = PoolSearch(POOL_STATE.size, (73, 105))

    def __init__(self, program: Pubkey) -> None:
        self.program: Final = program

    def derive_pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Derive the address of the two tokens' pool under the default configuration."""
        config = derive_config_address(self.program, DEFAULT_CONFIG_INDEX)
        return derive_pool_address(self.program, config, mint_a, mint_b)

    def list_accounts(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """List the pool, its config, its vaults, the clock, its mints, and its bitmap extension.

        A pool does not tell which mints may have transfer fees. The extension need not exist.
        Raises ``Rejected`` (``bad_pool``).
        """
        state = read_pool_state(self.program, pool, account)
        extension = (
            [derive_extension_address(self.program, pool)]
            if needs_extension(state.tick_spacing)
            else []
        )
        fixed = [pool, state.amm_config, state.vault0, state.vault1, CLOCK_SYSVAR]
        return [*fixed, state.mint0, state.mint1, *extension]

    def guess_accounts(self, pool: Pubkey, accounts: Accounts) -> Sequence[Pubkey]:
        """List the tick arrays about the price of the last read.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``).
        """
        account = accounts.get(pool)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = read_pool_state(self.program, pool, account)
        extension = accounts.get(derive_extension_address(self.program, pool))
        arrays = _list_near_arrays(self.program, pool, state, extension, _GUESSED_ARRAYS)
        count = state.tick_spacing * ARRAY_TICKS
        return [derive_array_address(self.program, pool, index * count) for index in arrays]

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> ClmmPool:
        """Decode the pool as of ``slot``, with as many tick arrays as were read.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``).
        """
        account = accounts.get(pool)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = read_pool_state(self.program, pool, account)
        config, clock = accounts.get(state.amm_config), accounts.get(CLOCK_SYSVAR)
        if config is None or config.owner != self.program or clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now, fees = CLOCK.read(clock.data), AMM_CONFIG.read(config.data)
        if fees.trade_fee_rate >= RATE_ONE:
            raise Rejected("bad_pool", f"the pool {pool} has a fee of everything")
        side0, side1 = (
            _read_side(pool, mint, vault, accounts, now.epoch)
            for mint, vault in ((state.mint0, state.vault0), (state.mint1, state.vault1))
        )
        extension = accounts.get(derive_extension_address(self.program, pool))
        arrays = {}
        for index in _list_near_arrays(self.program, pool, state, extension, SWAP_ARRAYS_MAX):
            start = index * state.tick_spacing * ARRAY_TICKS
            array = accounts.get(derive_array_address(self.program, pool, start))
            if array is not None:
                arrays[index] = read_tick_array(
                    self.program, pool, start, state.tick_spacing, array
                )
        return ClmmPool(
            pool,
            slot,
            now,
            state,
            read_dynamic_fee(account),
            fees,
            (side0, side1),
            read_line(self.program, pool, state, extension),
            arrays,
            account,
            config,
            extension,
        )

    def classify_error(self, code: int, logs: Sequence[str]) -> EngineError:
        """Classify an error of the program by the reaction it permits."""
        return PROGRAM_ERRORS.classify(code, logs)

    def create_pool(
        self,
        mint_a: Pubkey,
        mint_b: Pubkey,
        amount_a: int,
        amount_b: int,
        *,
        fee_e9: int,
        open_time: int = 0,
        address: Pubkey | None = None,
        locked_bps: int = 0,
        mints: Mapping[Pubkey, Account] | None = None,
    ) -> ClmmPool:
        """Create a pool with the depth that the reserves would have: the default one, or another.

        It is that of x · y = k at the price; further away there is less, in several ranges, so that
        the pool holds less than the reserves. What is locked of it, no account shows. All default
        pools share a config and its fee; another pool has the config of its fee. Raises
        ``ValueError`` if a reserve does not fit, the price is out of range, or the fee is not whole
        parts per million, for other pools less than 65,536.
        """
        del locked_bps
        fee, rest = divmod(fee_e9, E9 // RATE_ONE)
        if rest or not 0 < fee < RATE_ONE:
            raise ValueError("a fee of this venue is a whole number of parts per million")
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        amounts = {mint_a: amount_a, mint_b: amount_b}
        config = create_config(self.program, DEFAULT_CONFIG_INDEX if address is None else fee, fee)
        pool = address or self.derive_pool_address(mint_a, mint_b)
        return create_pool(self.program, pool, amounts, config, open_time, mints or {})

    def encode_lp_mint(self, pool: Pubkey, lp_supply: int, locked_bps: int) -> Accounts:
        """Nothing: liquidity is in positions, and no account has what is locked."""
        del pool, lp_supply, locked_bps
        return {}

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> ParsedSwap:
        """Parse a swap instruction; its input mint is among ``keys``.

        Raises ``Rejected`` (``bad_instruction``).
        """
        del accounts
        return parse_swap(keys, data)


def _list_near_arrays(
    program: Pubkey, pool: Pubkey, state: PoolState, extension: Account | None, count: int
) -> list[int]:
    """The array of the price, and ``count`` on either side, the nearest first."""
    line = read_line(program, pool, state, extension)
    current = compute_array_index(state.tick, state.tick_spacing)
    below = line.list_next(current - 1, count, upwards=False)
    above = line.list_next(current + 1, count, upwards=True)
    near = sorted([*below, *above], key=lambda index: abs(index - current))
    return [current, *near] if line.has(current) else near


def _read_side(
    pool: Pubkey, mint: Pubkey, vault: Pubkey, accounts: Accounts, epoch: int
) -> PoolSide:
    """The side of a pool, which owns its vaults itself."""
    account = accounts.get(vault)
    if account is None:
        raise Rejected("bad_pool", f"the vault {vault} does not exist")
    return read_pool_side(mint, account.owner, vault, pool, accounts, epoch)

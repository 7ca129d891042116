"""Meteora DLMM as a venue: finds, decodes and creates pairs; parses swaps, classifies errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import EngineError, Rejected
from backend.domain.quotes import Dex
from backend.venues.hosting import ParsedSwap
from backend.venues.meteora.dlmm.accounts import (
    DEFAULT_BIN_STEP,
    FLAGGED_TOKEN_PROGRAMS,
    NAME,
    PAIR_STATE,
    PairState,
    derive_extension_address,
    derive_pool_address,
)
from backend.venues.meteora.dlmm.array_bins import SWAP_ARRAYS_MAX
from backend.venues.meteora.dlmm.bin_array import (
    ARRAY_BINS,
    derive_array_address,
    read_bin_array,
)
from backend.venues.meteora.dlmm.codec import read_line, read_pair_state
from backend.venues.meteora.dlmm.creation import create_pool
from backend.venues.meteora.dlmm.errors import PROGRAM_ERRORS
from backend.venues.meteora.dlmm.instruction import parse_swap
from backend.venues.meteora.dlmm.pool import DlmmPool
from backend.venues.pool_side import read_pool_side, select_token_2022_mints
from backend.venues.spl import CLOCK, CLOCK_SYSVAR
from backend.venues.venue import Account, Accounts, PoolSearch

_GUESSED_ARRAYS: Final = 2
"""Arrays to read on either side of the price, besides that of the price itself."""
_FEE_UNIT_E9: Final = DEFAULT_BIN_STEP * 10
_BASE_FACTOR_MAX: Final = 2**16 - 1


class Dlmm:
    """Meteora's program of bins."""

    dex: Final = Dex.METEORA
    name: Final = NAME
    search: Final = PoolSearch(PAIR_STATE.size, (88, 120))

    def __init__(self, program: Pubkey) -> None:
        self.program: Final = program

    def derive_pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Derive the address of the two tokens' pair with a bin step of 10 basis points."""
        return derive_pool_address(self.program, mint_a, mint_b)

    def list_accounts(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """List the pair, its vaults, the clock, mints with transfer fees, and its bitmap extension.

        The extension need not exist. Raises ``Rejected`` (``bad_pool``).
        """
        state = read_pair_state(self.program, pool, account)
        (x, program_x), (y, program_y) = _read_tokens(state)
        mints = select_token_2022_mints((x, program_x), (y, program_y))
        fixed = [pool, state.vault_x, state.vault_y, CLOCK_SYSVAR, *mints]
        return [*fixed, derive_extension_address(self.program, pool)]

    def guess_accounts(self, pool: Pubkey, accounts: Accounts) -> Sequence[Pubkey]:
        """List the bin arrays about the price of the last read.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``).
        """
        account = accounts.get(pool)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = read_pair_state(self.program, pool, account)
        extension = accounts.get(derive_extension_address(self.program, pool))
        arrays = _list_near_arrays(self.program, pool, state, extension, _GUESSED_ARRAYS)
        return [derive_array_address(self.program, pool, index) for index in arrays]

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> DlmmPool:
        """Decode the pair as of ``slot``, with as many bin arrays as were read.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``).
        """
        account, clock = accounts.get(pool), accounts.get(CLOCK_SYSVAR)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = read_pair_state(self.program, pool, account)
        if clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now = CLOCK.read(clock.data)
        (x, program_x), (y, program_y) = _read_tokens(state)
        sides = (
            read_pool_side(x, program_x, state.vault_x, pool, accounts, now.epoch),
            read_pool_side(y, program_y, state.vault_y, pool, accounts, now.epoch),
        )
        extension = accounts.get(derive_extension_address(self.program, pool))
        arrays = {}
        for index in _list_near_arrays(self.program, pool, state, extension, SWAP_ARRAYS_MAX):
            array = accounts.get(derive_array_address(self.program, pool, index))
            if array is not None:
                arrays[index] = read_bin_array(self.program, pool, index, array)
        line = read_line(self.program, pool, state, extension)
        return DlmmPool(pool, slot, now, state, sides, line, arrays, account, extension)

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
    ) -> DlmmPool:
        """Create a pair with the depth of these reserves, the default one or another, a as x.

        It is that of x · y = k up to about a quarter of the price either way, in steps, so that the
        pair holds less than the reserves. What is locked of it, no account shows. Raises
        ``ValueError`` if a reserve does not fit, the price is out of range, or the fee is no
        multiple of 100 parts per billion up to 0.65 %.
        """
        del locked_bps
        base_factor, rest = divmod(fee_e9, _FEE_UNIT_E9)
        if rest or not 0 < base_factor <= _BASE_FACTOR_MAX:
            raise ValueError("a fee of this venue is a small multiple of its bin step")
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        pool = address or derive_pool_address(self.program, mint_a, mint_b)
        amounts = {mint_a: amount_a, mint_b: amount_b}
        return create_pool(self.program, pool, amounts, base_factor, open_time, mints or {})

    def encode_lp_mint(self, pool: Pubkey, lp_supply: int, locked_bps: int) -> Accounts:
        """Nothing: liquidity is in positions, and no account has what is locked."""
        del pool, lp_supply, locked_bps
        return {}

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> ParsedSwap:
        """Parse a swap instruction; its input mint is that of the trader's input account.

        Raises ``Rejected`` (``bad_instruction``).
        """
        return parse_swap(self.program, keys, data, accounts)


def _read_tokens(state: PairState) -> tuple[tuple[Pubkey, Pubkey], tuple[Pubkey, Pubkey]]:
    """The two mints, each with its token program."""
    programs = FLAGGED_TOKEN_PROGRAMS
    program_x, program_y = programs[state.token_flag_x], programs[state.token_flag_y]
    return (state.mint_x, program_x), (state.mint_y, program_y)


def _list_near_arrays(
    program: Pubkey, pool: Pubkey, state: PairState, extension: Account | None, count: int
) -> list[int]:
    """The array of the price, and ``count`` on either side, the nearest first."""
    line = read_line(program, pool, state, extension)
    current = state.active_id // ARRAY_BINS
    below = line.list_next(current - 1, count, upwards=False)
    above = line.list_next(current + 1, count, upwards=True)
    near = sorted([*below, *above], key=lambda index: abs(index - current))
    return [current, *near] if line.has(current) else near

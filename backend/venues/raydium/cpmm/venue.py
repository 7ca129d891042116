"""Raydium CPMM as a venue: finds, decodes and creates pools; parses swaps, classifies errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, U64_MAX
from backend.domain.errors import EngineError, Rejected
from backend.domain.quotes import E9, Dex
from backend.venues.hosting import ParsedSwap
from backend.venues.pool_side import (
    PoolSide,
    create_pool_side,
    read_pool_side,
    select_token_2022_mints,
)
from backend.venues.program_errors import ProgramErrors, final_error, slippage_error
from backend.venues.raydium.cpmm.accounts import (
    AMM_CONFIG,
    DEFAULT_CONFIG_INDEX,
    NAME,
    POOL_STATE,
    AmmConfig,
    PoolState,
    derive_authority,
    derive_config_address,
    derive_lp_mint_address,
    derive_observation_address,
    derive_pool_address,
    derive_vault_address,
    sort_mints,
)
from backend.venues.raydium.cpmm.curve import RATE_ONE
from backend.venues.raydium.cpmm.instruction import parse_swap
from backend.venues.raydium.cpmm.pool import CpmmPool
from backend.venues.spl import (
    CLOCK,
    CLOCK_SYSVAR,
    MINT,
    TOKEN_PROGRAM,
    Clock,
    Mint,
    make_account,
)
from backend.venues.venue import Account, Accounts, PoolSearch

_CLOSED_REASON = "swaps are switched off in this pool, or it is not open yet"
_TOO_SMALL_REASON = "the amount is too small: the pool would pay nothing"
_PROGRAM_ERRORS = ProgramErrors(
    slippage_error(6005, "ExceededSlippage"),
    final_error(2505, "RequireGtViolated", "zero_output", _TOO_SMALL_REASON),
    final_error(6000, "NotApproved", "pool_disabled", _CLOSED_REASON),
    final_error(6002, "EmptySupply", "no_liquidity", "the pool is empty"),
    final_error(6006, "ZeroTradingTokens", "zero_output", _TOO_SMALL_REASON),
    final_error(6007, "NotSupportMint", "unsupported_mint", "the pool does not support the token"),
    final_error(6008, "InvalidVault", "bad_accounts", "a vault is not the pool's"),
    final_error(6011, "MathOverflow", "amount_too_large", "the amount is too large for the pool"),
    final_error(6012, "InsufficientVault", "no_liquidity", "the pool's vault does not hold enough"),
)

_CREATOR_FEE_MODES = 3

# The rates of mainnet's default configuration, apart from the trading fee.
_PROTOCOL_RATE = 120_000
_FUND_RATE = 40_000
_CREATOR_RATE = 500
_CREATE_POOL_LAMPORTS = 150_000_000
_LP_DECIMALS = 9
_CONFIG_INDEX_MAX = 2**16 - 1


class Cpmm:
    """Raydium's constant product program."""

    dex: Final = Dex.RAYDIUM
    name: Final = NAME
    search: Final = PoolSearch(POOL_STATE.size, (168, 200))

    def __init__(self, program: Pubkey) -> None:
        self.program: Final = program

    def derive_pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Derive the address of the two tokens' pool under the default configuration."""
        config = derive_config_address(self.program, DEFAULT_CONFIG_INDEX)
        return derive_pool_address(self.program, config, mint_a, mint_b)

    def list_accounts(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """List the pool, its config, its vaults, the clock, and mints with transfer fees.

        Raises ``Rejected`` (``bad_pool``).
        """
        state = _read_state(self.program, pool, account)
        mints = select_token_2022_mints(
            (state.mint0, state.token_program0), (state.mint1, state.token_program1)
        )
        return [pool, state.amm_config, state.vault0, state.vault1, CLOCK_SYSVAR, *mints]

    def guess_accounts(self, pool: Pubkey, accounts: Accounts) -> Sequence[Pubkey]:
        """None: a quote needs no accounts that depend on the pool's state."""
        del pool, accounts
        return ()

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> CpmmPool:
        """Decode the pool as of ``slot``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``).
        """
        account = accounts.get(pool)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = _read_state(self.program, pool, account)
        config, clock = accounts.get(state.amm_config), accounts.get(CLOCK_SYSVAR)
        if config is None or config.owner != self.program or clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now, (authority, _) = CLOCK.read(clock.data), derive_authority(self.program)
        sides = (
            read_pool_side(
                state.mint0, state.token_program0, state.vault0, authority, accounts, now.epoch
            ),
            read_pool_side(
                state.mint1, state.token_program1, state.vault1, authority, accounts, now.epoch
            ),
        )
        fees = AMM_CONFIG.read(config.data)
        return CpmmPool(pool, slot, now, state, fees, sides, account, config)

    def classify_error(self, code: int, logs: Sequence[str]) -> EngineError:
        """Classify an error of the program by the reaction it permits."""
        return _PROGRAM_ERRORS.classify(code, logs)

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
    ) -> CpmmPool:
        """Create a pool, the default one or another.

        All default pools share a config and its fee; another pool has the config of its fee. What
        is locked of its liquidity, the mint of its LP tokens shows: ``encode_lp_mint``.
        Raises ``ValueError`` if a reserve does not fit or the fee is not whole parts per million,
        for other pools less than 65,536.
        """
        del locked_bps
        fee, rest = divmod(fee_e9, E9 // RATE_ONE)
        if rest or not 0 < fee < RATE_ONE:
            raise ValueError("a fee of this venue is a whole number of parts per million")
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        amounts, program = {mint_a: amount_a, mint_b: amount_b}, self.program
        pool = address or self.derive_pool_address(mint_a, mint_b)
        sides = _create_sides(program, pool, amounts, mints or {})
        lp_supply = isqrt(amount_a * amount_b)
        config = _create_config(program, DEFAULT_CONFIG_INDEX if address is None else fee, fee)
        state = _create_state(program, pool, config, sides, lp_supply, open_time)
        return CpmmPool(
            pool,
            0,
            Clock(),
            state,
            config,
            sides,
            make_account(program, POOL_STATE.write(state)),
            make_account(program, AMM_CONFIG.write(config)),
        )

    def encode_lp_mint(self, pool: Pubkey, lp_supply: int, locked_bps: int) -> Accounts:
        """Encode the mint of the pool's LP tokens: what is locked of them was burned."""
        supply = lp_supply - lp_supply * locked_bps // BPS
        account = make_account(TOKEN_PROGRAM, MINT.write(Mint(supply, _LP_DECIMALS)))
        return {derive_lp_mint_address(self.program, pool): account}

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> ParsedSwap:
        """Parse a swap instruction; its input mint is among ``keys``.

        Raises ``Rejected`` (``bad_instruction``).
        """
        del accounts
        return parse_swap(keys, data)


def _read_state(program: Pubkey, pool: Pubkey, account: Account) -> PoolState:
    if account.owner != program:
        raise Rejected("bad_pool", f"{pool} does not belong to Raydium's CPMM program")
    state = POOL_STATE.read(account.data)
    if state.creator_fee_on >= _CREATOR_FEE_MODES:
        raise Rejected("bad_pool", f"the pool {pool} has a fee mode that is not known")
    return state


def _create_sides(
    program: Pubkey,
    pool: Pubkey,
    amounts: Mapping[Pubkey, int],
    mints: Mapping[Pubkey, Account],
) -> tuple[PoolSide, PoolSide]:
    authority, _ = derive_authority(program)
    side0, side1 = (
        create_pool_side(
            mint, derive_vault_address(program, pool, mint), authority, amounts[mint], mints
        )
        for mint in sort_mints(*amounts)
    )
    return side0, side1


def _create_state(
    program: Pubkey,
    pool: Pubkey,
    config: AmmConfig,
    sides: tuple[PoolSide, PoolSide],
    lp_supply: int,
    open_time: int,
) -> PoolState:
    side0, side1 = sides
    authority, bump = derive_authority(program)
    return PoolState(
        amm_config=derive_config_address(program, config.index),
        pool_creator=authority,
        vault0=side0.vault,
        vault1=side1.vault,
        lp_mint=derive_lp_mint_address(program, pool),
        mint0=side0.mint,
        mint1=side1.mint,
        token_program0=side0.token_program,
        token_program1=side1.token_program,
        observation=derive_observation_address(program, pool),
        auth_bump=bump,
        status=0,
        lp_decimals=_LP_DECIMALS,
        lp_supply=lp_supply,
        open_time=open_time,
    )


def _create_config(program: Pubkey, index: int, trade_fee_rate: int) -> AmmConfig:
    if index > _CONFIG_INDEX_MAX:
        raise ValueError(f"such a pool's fee is at most {_CONFIG_INDEX_MAX} parts per million")
    authority, _ = derive_authority(program)
    return AmmConfig(
        bump=255,
        disable_create_pool=0,
        index=index,
        trade_fee_rate=trade_fee_rate,
        protocol_fee_rate=_PROTOCOL_RATE,
        fund_fee_rate=_FUND_RATE,
        create_pool_fee=_CREATE_POOL_LAMPORTS,
        protocol_owner=authority,
        fund_owner=authority,
        creator_fee_rate=_CREATOR_RATE,
    )

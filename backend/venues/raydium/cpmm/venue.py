"""Raydium CPMM as a venue: finding, decoding, creating pools; reading swaps and errors."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import EngineError, Rejected
from backend.domain.quotes import E9, Dex
from backend.venues.hosting import SwapCall
from backend.venues.pool_side import Side, mints_to_read, read_side
from backend.venues.program_errors import Reactions, final, slippage
from backend.venues.raydium.cpmm.accounts import (
    AMM_CONFIG,
    AUTHORITY,
    AUTHORITY_BUMP,
    DEFAULT_CONFIG,
    POOL_STATE,
    PROGRAM,
    AmmConfig,
    PoolState,
    lp_mint_address,
    observation_address,
    pool_address,
    sorted_mints,
    vault_address,
)
from backend.venues.raydium.cpmm.curve import RATE_ONE
from backend.venues.raydium.cpmm.pool import SWAP_BASE_INPUT, CpmmPool
from backend.venues.spl import CLOCK, CLOCK_SYSVAR, TOKEN_PROGRAM, Clock, new_account, token_account
from backend.venues.venue import Account, Accounts, Trader

_CLOSED = "swaps are switched off in this pool, or it is not open yet"
_TOO_SMALL = "the amount is too small: the pool would pay nothing"
_REACTIONS = Reactions(
    slippage(6005, "ExceededSlippage"),
    final(2505, "RequireGtViolated", "zero_output", _TOO_SMALL),
    final(6000, "NotApproved", "pool_disabled", _CLOSED),
    final(6002, "EmptySupply", "no_liquidity", "the pool is empty"),
    final(6006, "ZeroTradingTokens", "zero_output", _TOO_SMALL),
    final(6007, "NotSupportMint", "unsupported_mint", "the pool does not support the token"),
    final(6008, "InvalidVault", "bad_accounts", "a vault is not the pool's"),
    final(6011, "MathOverflow", "amount_too_large", "the amount is too large for the pool"),
    final(6012, "InsufficientVault", "no_liquidity", "the pool's vault does not hold enough"),
)

_SWAP_ACCOUNTS = 13
_CREATOR_FEE_SIDES = 3

# What mainnet's default configuration says besides the trading fee.
_PROTOCOL_RATE = 120_000
_FUND_RATE = 40_000
_CREATOR_RATE = 500
_CREATE_POOL_LAMPORTS = 150_000_000


class Cpmm:
    """Raydium's constant product program."""

    dex: Final = Dex.RAYDIUM
    program: Final = PROGRAM

    def pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """The pool of the two tokens under the default configuration, in either order."""
        return pool_address(DEFAULT_CONFIG, mint_a, mint_b)

    def accounts_of(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """The pool, its config, its vaults, the clock, and mints that charge for transfers.

        Raises ``Rejected`` (``bad_pool``).
        """
        state = _read_pool(pool, account)
        mints = mints_to_read(
            (state.mint0, state.token_program0), (state.mint1, state.token_program1)
        )
        return [pool, state.amm_config, state.vault0, state.vault1, CLOCK_SYSVAR, *mints]

    def decode(self, pool: Pubkey, accounts: Accounts, slot: int) -> CpmmPool:
        """The pool as it was in ``slot``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``).
        """
        account = accounts.get(pool)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = _read_pool(pool, account)
        config, clock = accounts.get(state.amm_config), accounts.get(CLOCK_SYSVAR)
        if config is None or config.owner != PROGRAM or clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now = CLOCK.read(clock.data)
        sides = (
            read_side(
                state.mint0, state.token_program0, state.vault0, AUTHORITY, accounts, now.epoch
            ),
            read_side(
                state.mint1, state.token_program1, state.vault1, AUTHORITY, accounts, now.epoch
            ),
        )
        fees = AMM_CONFIG.read(config.data)
        return CpmmPool(pool, slot, now, state, fees, sides, account, config)

    def error(self, code: int, logs: Sequence[str]) -> EngineError:
        """A program error as the reaction it permits."""
        return _REACTIONS.of(code, logs)

    def create(
        self,
        mint_a: Pubkey,
        mint_b: Pubkey,
        amount_a: int,
        amount_b: int,
        *,
        fee_e9: int,
        open_time: int = 0,
    ) -> CpmmPool:
        """The default pool of two SPL tokens. All such pools share one config, so one ``fee_e9``.

        Raises ``ValueError`` if a reserve does not fit or the fee is not whole parts per million.
        """
        fee, rest = divmod(fee_e9, E9 // RATE_ONE)
        if rest or not 0 < fee < RATE_ONE:
            raise ValueError("a fee of this venue is a whole number of parts per million")
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        mint0, mint1 = sorted_mints(mint_a, mint_b)
        amounts = {mint_a: amount_a, mint_b: amount_b}
        pool = self.pool_address(mint_a, mint_b)
        side0, side1 = (_new_side(pool, mint, amounts[mint]) for mint in (mint0, mint1))
        lp_supply = isqrt(amount_a * amount_b)
        state = _state(pool, side0, side1, lp_supply, open_time)
        config = _config(fee)
        return CpmmPool(
            pool,
            0,
            Clock(),
            state,
            config,
            (side0, side1),
            new_account(PROGRAM, POOL_STATE.write(state)),
            new_account(PROGRAM, AMM_CONFIG.write(config)),
        )

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> SwapCall:
        """The swap that an instruction asks for; its input mint is among ``keys``.

        Raises ``Rejected`` (``bad_instruction``).
        """
        del accounts
        if len(keys) != _SWAP_ACCOUNTS or len(data) != 24 or data[:8] != SWAP_BASE_INPUT:
            raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
        return SwapCall(
            pool=keys[3],
            mint_in=keys[10],
            amount_in=int.from_bytes(data[8:16], "little"),
            min_amount_out=int.from_bytes(data[16:24], "little"),
            trader=Trader(keys[0], keys[4], keys[5]),
        )


def _read_pool(pool: Pubkey, account: Account) -> PoolState:
    if account.owner != PROGRAM:
        raise Rejected("bad_pool", f"{pool} does not belong to Raydium's CPMM program")
    state = POOL_STATE.read(account.data)
    if state.creator_fee_on >= _CREATOR_FEE_SIDES:
        raise Rejected("bad_pool", f"the pool {pool} has a fee mode that is not known")
    return state


def _new_side(pool: Pubkey, mint: Pubkey, amount: int) -> Side:
    account = token_account(mint, AUTHORITY, amount)
    return Side(mint, TOKEN_PROGRAM, vault_address(pool, mint), amount, account)


def _state(pool: Pubkey, side0: Side, side1: Side, lp_supply: int, open_time: int) -> PoolState:
    return PoolState(
        amm_config=DEFAULT_CONFIG,
        pool_creator=AUTHORITY,
        vault0=side0.vault,
        vault1=side1.vault,
        lp_mint=lp_mint_address(pool),
        mint0=side0.mint,
        mint1=side1.mint,
        token_program0=side0.token_program,
        token_program1=side1.token_program,
        observation=observation_address(pool),
        auth_bump=AUTHORITY_BUMP,
        status=0,
        lp_decimals=9,
        lp_supply=lp_supply,
        open_time=open_time,
    )


def _config(trade_fee_rate: int) -> AmmConfig:
    return AmmConfig(
        bump=255,
        disable_create_pool=0,
        index=0,
        trade_fee_rate=trade_fee_rate,
        protocol_fee_rate=_PROTOCOL_RATE,
        fund_fee_rate=_FUND_RATE,
        create_pool_fee=_CREATE_POOL_LAMPORTS,
        protocol_owner=AUTHORITY,
        fund_owner=AUTHORITY,
        creator_fee_rate=_CREATOR_RATE,
    )

"""Meteora DAMM v2 as a venue: finding, decoding, creating pools; reading swaps and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.quotes import Dex
from backend.venues.hosting import SwapCall
from backend.venues.meteora.damm_v2.accounts import (
    AUTHORITY,
    LATEST_FEE_VERSION,
    MAX_FEE_E9,
    POOL,
    PROGRAM,
    BaseFee,
    PoolState,
    TimeSchedule,
    Volatility,
    pool_address,
    vault_address,
)
from backend.venues.meteora.damm_v2.curve import full_range
from backend.venues.meteora.damm_v2.pool import EXACT_IN, SWAP2, DammPool
from backend.venues.meteora.damm_v2.pricing import Market, read_market, write_market
from backend.venues.pool_side import Side, mints_to_read, read_side
from backend.venues.program_errors import Known, Reactions, final, slippage
from backend.venues.spl import (
    CLOCK,
    CLOCK_SYSVAR,
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    Clock,
    new_account,
    token_account,
)
from backend.venues.venue import Account, Accounts, Trader

_TOO_SMALL = "the amount is too small: the pool would pay nothing"
_REACTIONS = Reactions(
    slippage(6002, "ExceededSlippage"),
    # A new quote finds out whether the price moved away or the amount is too large anyway.
    Known(6015, "PriceRangeViolation", Transient, "slippage", "the price left the pool's range"),
    final(6000, "MathOverflow", "amount_too_large", "the amount is too large for the pool"),
    final(6003, "PoolDisabled", "pool_disabled", "the pool is switched off or not open yet"),
    final(6006, "AmountIsZero", "zero_output", _TOO_SMALL),
    final(6007, "TypeCastFailed", "amount_too_large", "the amount is too large for the pool"),
    final(6018, "InvalidInput", "bad_instruction", "the program does not know this kind of swap"),
    final(6023, "InsufficientLiquidity", "no_liquidity", "the pool does not hold enough"),
    final(6025, "InvalidPoolStatus", "pool_disabled", "the pool is switched off"),
    final(
        6049,
        "FailToValidateSingleSwapInstruction",
        "bad_instruction",
        "this pool permits one swap in a transaction",
    ),
    final(6069, "TransferFeeExcludedAmountIsZero", "zero_output", _TOO_SMALL),
)

_SWAP_ACCOUNTS = (14, 15)
_TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
_PROTOCOL_PERCENT = 20
_REFERRAL_PERCENT = 20


class DammV2:
    """Meteora's second dynamic AMM."""

    dex: Final = Dex.METEORA
    program: Final = PROGRAM

    def pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """The pool of the two tokens that belongs to no configuration, in either order."""
        return pool_address(mint_a, mint_b)

    def accounts_of(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """The pool, its vaults, the clock, and mints that charge for transfers.

        Raises ``Rejected`` (``bad_pool``).
        """
        state = _read_pool(pool, account)
        (a, program_a), (b, program_b) = _tokens(pool, state)
        mints = mints_to_read((a, program_a), (b, program_b))
        return [pool, state.vault_a, state.vault_b, CLOCK_SYSVAR, *mints]

    def decode(self, pool: Pubkey, accounts: Accounts, slot: int) -> DammPool:
        """The pool as it was in ``slot``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``).
        """
        account, clock = accounts.get(pool), accounts.get(CLOCK_SYSVAR)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = _read_pool(pool, account)
        if clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now = CLOCK.read(clock.data)
        (a, program_a), (b, program_b) = _tokens(pool, state)
        sides = (
            read_side(a, program_a, state.vault_a, AUTHORITY, accounts, now.epoch),
            read_side(b, program_b, state.vault_b, AUTHORITY, accounts, now.epoch),
        )
        return DammPool(pool, slot, read_market(account.data, now), sides, account)

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
    ) -> DammPool:
        """The pool of two SPL tokens over the full range, with one fee that is taken in the output.

        The reserves are the largest that fit the price within the two amounts. Raises
        ``ValueError`` if an amount does not fit or the price or the fee is out of range.
        """
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        if not 0 < fee_e9 <= MAX_FEE_E9[LATEST_FEE_VERSION]:
            raise ValueError("the fee is out of range")
        pool = self.pool_address(mint_a, mint_b)
        curve = full_range(amount_a, amount_b)
        reserve_a, reserve_b = curve.amounts()
        side_a, side_b = _new_side(pool, mint_a, reserve_a), _new_side(pool, mint_b, reserve_b)
        state = PoolState(
            protocol_fee_percent=_PROTOCOL_PERCENT,
            referral_fee_percent=_REFERRAL_PERCENT,
            init_sqrt_price=curve.sqrt_price,
            mint_a=mint_a,
            mint_b=mint_b,
            vault_a=side_a.vault,
            vault_b=side_b.vault,
            liquidity=curve.liquidity,
            sqrt_min_price=curve.sqrt_min,
            sqrt_max_price=curve.sqrt_max,
            sqrt_price=curve.sqrt_price,
            activation_point=open_time,
            creator=AUTHORITY,
            amount_a=reserve_a,
            amount_b=reserve_b,
        )
        market = Market(state, BaseFee(cliff=fee_e9), TimeSchedule(), Volatility(), Clock())
        account = new_account(PROGRAM, write_market(market))
        return DammPool(pool, 0, market, (side_a, side_b), account)

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> SwapCall:
        """The swap that an instruction asks for; its input mint is that of the trader's account.

        Raises ``Rejected`` (``bad_instruction``).
        """
        is_swap = len(keys) in _SWAP_ACCOUNTS and len(data) == 25 and data[:8] == SWAP2
        if not is_swap or data[24] != EXACT_IN:
            raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
        trader = Trader(keys[8], keys[2], keys[3])
        account = accounts.get(trader.account_in)
        if account is None or account.owner not in _TOKEN_PROGRAMS:
            raise Rejected("bad_instruction", "the trader's input account does not exist")
        return SwapCall(
            pool=keys[1],
            mint_in=TOKEN_ACCOUNT.read(account.data).mint,
            amount_in=int.from_bytes(data[8:16], "little"),
            min_amount_out=int.from_bytes(data[16:24], "little"),
            trader=trader,
        )


def _read_pool(pool: Pubkey, account: Account) -> PoolState:
    if account.owner != PROGRAM:
        raise Rejected("bad_pool", f"{pool} does not belong to Meteora's DAMM v2 program")
    return POOL.read(account.data)


def _tokens(pool: Pubkey, state: PoolState) -> tuple[tuple[Pubkey, Pubkey], tuple[Pubkey, Pubkey]]:
    """The two mints, each with its token program."""
    if max(state.token_flag_a, state.token_flag_b) >= len(_TOKEN_PROGRAMS):
        raise Rejected("bad_pool", f"the pool {pool} has a token program that is not known")
    program_a, program_b = _TOKEN_PROGRAMS[state.token_flag_a], _TOKEN_PROGRAMS[state.token_flag_b]
    return (state.mint_a, program_a), (state.mint_b, program_b)


def _new_side(pool: Pubkey, mint: Pubkey, amount: int) -> Side:
    account = token_account(mint, AUTHORITY, amount)
    return Side(mint, TOKEN_PROGRAM, vault_address(pool, mint), amount, account)

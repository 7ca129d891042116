"""Meteora DAMM v2 as a venue: finds, decodes and creates pools; parses swaps, classifies errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, U64_MAX
from backend.domain.errors import EngineError, Rejected, Transient
from backend.domain.quotes import Dex
from backend.venues.hosting import ParsedSwap
from backend.venues.meteora.damm_v2.accounts import (
    LATEST_FEE_VERSION,
    MAX_FEE_E9,
    NAME,
    POOL,
    BaseFee,
    PoolState,
    TimeSchedule,
    Volatility,
    derive_authority,
    derive_pool_address,
    derive_vault_address,
)
from backend.venues.meteora.damm_v2.curve import PriceRange, create_full_range
from backend.venues.meteora.damm_v2.pool import EXACT_IN, SWAP2, DammPool
from backend.venues.meteora.damm_v2.pricing import PoolPricing
from backend.venues.meteora.damm_v2.pricing_codec import read_pricing, write_pricing
from backend.venues.pool_side import (
    PoolSide,
    create_pool_side,
    read_pool_side,
    select_token_2022_mints,
)
from backend.venues.program_errors import ProgramError, ProgramErrors, final_error, slippage_error
from backend.venues.spl import (
    CLOCK,
    CLOCK_SYSVAR,
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    Clock,
    make_account,
)
from backend.venues.venue import Account, Accounts, PoolSearch, SwapAccounts

_TOO_SMALL_REASON = "the amount is too small: the pool would pay nothing"
_PROGRAM_ERRORS = ProgramErrors(
    slippage_error(6002, "ExceededSlippage"),
    # A new quote shows whether the price moved away or the amount is too large in any case.
    ProgramError(
        6015, "PriceRangeViolation", Transient, "slippage", "the price left the pool's range"
    ),
    final_error(6000, "MathOverflow", "amount_too_large", "the amount is too large for the pool"),
    final_error(6003, "PoolDisabled", "pool_disabled", "the pool is switched off or not open yet"),
    final_error(6006, "AmountIsZero", "zero_output", _TOO_SMALL_REASON),
    final_error(6007, "TypeCastFailed", "amount_too_large", "the amount is too large for the pool"),
    final_error(
        6018, "InvalidInput", "bad_instruction", "the program does not know this kind of swap"
    ),
    final_error(6023, "InsufficientLiquidity", "no_liquidity", "the pool does not hold enough"),
    final_error(6025, "InvalidPoolStatus", "pool_disabled", "the pool is switched off"),
    final_error(
        6049,
        "FailToValidateSingleSwapInstruction",
        "bad_instruction",
        "this pool permits one swap in a transaction",
    ),
    final_error(6069, "TransferFeeExcludedAmountIsZero", "zero_output", _TOO_SMALL_REASON),
)

_SWAP_ACCOUNT_COUNTS = (14, 15)
_REFERRER: Final = 11
_PROGRAM: Final = 13
_TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
_PROTOCOL_PERCENT = 20
_REFERRAL_PERCENT = 20


class DammV2:
    """Meteora's second dynamic AMM."""

    dex: Final = Dex.METEORA
    name: Final = NAME
    search: Final = PoolSearch(POOL.size, (168, 200))

    def __init__(self, program: Pubkey) -> None:
        self.program: Final = program

    def derive_pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Derive the address of the two tokens' pool without a configuration."""
        return derive_pool_address(self.program, mint_a, mint_b)

    def list_accounts(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """List the pool, its vaults, the clock, and mints with transfer fees.

        Raises ``Rejected`` (``bad_pool``).
        """
        state = _read_state(self.program, pool, account)
        (a, program_a), (b, program_b) = _read_tokens(pool, state)
        mints = select_token_2022_mints((a, program_a), (b, program_b))
        return [pool, state.vault_a, state.vault_b, CLOCK_SYSVAR, *mints]

    def guess_accounts(self, pool: Pubkey, accounts: Accounts) -> Sequence[Pubkey]:
        """None: a quote needs no accounts that depend on the pool's state."""
        del pool, accounts
        return ()

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> DammPool:
        """Decode the pool as of ``slot``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``, ``unsupported_mint``).
        """
        account, clock = accounts.get(pool), accounts.get(CLOCK_SYSVAR)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = _read_state(self.program, pool, account)
        if clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now, authority = CLOCK.read(clock.data), derive_authority(self.program)
        (a, program_a), (b, program_b) = _read_tokens(pool, state)
        sides = (
            read_pool_side(a, program_a, state.vault_a, authority, accounts, now.epoch),
            read_pool_side(b, program_b, state.vault_b, authority, accounts, now.epoch),
        )
        return DammPool(pool, slot, read_pricing(account.data, now), sides, account)

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
    ) -> DammPool:
        """Create a pool over the full range, with one fee, charged on the output.

        The reserves are the largest at the price that stay within the two amounts. Raises
        ``ValueError`` if an amount does not fit or the price or the fee is out of range.
        """
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        if not 0 < fee_e9 <= MAX_FEE_E9[LATEST_FEE_VERSION]:
            raise ValueError("the fee is out of range")
        pool = address or self.derive_pool_address(mint_a, mint_b)
        curve = create_full_range(amount_a, amount_b)
        authority = derive_authority(self.program)
        sides = (
            create_pool_side(
                mint,
                derive_vault_address(self.program, pool, mint),
                authority,
                amount,
                mints or {},
            )
            for mint, amount in zip((mint_a, mint_b), curve.reserves(), strict=True)
        )
        side_a, side_b = sides
        state = _create_state(authority, curve, (side_a, side_b), open_time, locked_bps)
        pricing = PoolPricing(state, BaseFee(cliff=fee_e9), TimeSchedule(), Volatility(), Clock())
        account = make_account(self.program, write_pricing(pricing))
        return DammPool(pool, 0, pricing, (side_a, side_b), account)

    def encode_lp_mint(self, pool: Pubkey, lp_supply: int, locked_bps: int) -> Accounts:
        """Nothing: liquidity is in positions, and the pool's own account has what is locked."""
        del pool, lp_supply, locked_bps
        return {}

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> ParsedSwap:
        """Parse a swap instruction; its input mint is that of the trader's input account.

        Raises ``Rejected`` (``bad_instruction``).
        """
        is_swap = len(keys) in _SWAP_ACCOUNT_COUNTS and len(data) == 25 and data[:8] == SWAP2
        if not is_swap or data[24] != EXACT_IN:
            raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
        if {keys[_REFERRER], keys[_PROGRAM]} != {self.program}:
            raise Rejected("bad_instruction", "the instruction pays a referrer")
        trader = SwapAccounts(keys[8], keys[2], keys[3])
        account = accounts.get(trader.account_in)
        if account is None or account.owner not in _TOKEN_PROGRAMS:
            raise Rejected("bad_instruction", "the trader's input account does not exist")
        return ParsedSwap(
            pool=keys[1],
            mint_in=TOKEN_ACCOUNT.read(account.data).mint,
            amount_in=int.from_bytes(data[8:16], "little"),
            min_amount_out=int.from_bytes(data[16:24], "little"),
            trader=trader,
        )


def _read_state(program: Pubkey, pool: Pubkey, account: Account) -> PoolState:
    if account.owner != program:
        raise Rejected("bad_pool", f"{pool} does not belong to Meteora's DAMM v2 program")
    return POOL.read(account.data)


def _read_tokens(
    pool: Pubkey, state: PoolState
) -> tuple[tuple[Pubkey, Pubkey], tuple[Pubkey, Pubkey]]:
    """The two mints, each with its token program."""
    if max(state.token_flag_a, state.token_flag_b) >= len(_TOKEN_PROGRAMS):
        raise Rejected("bad_pool", f"the pool {pool} has a token program that is not known")
    program_a, program_b = _TOKEN_PROGRAMS[state.token_flag_a], _TOKEN_PROGRAMS[state.token_flag_b]
    return (state.mint_a, program_a), (state.mint_b, program_b)


def _create_state(
    authority: Pubkey,
    curve: PriceRange,
    sides: tuple[PoolSide, PoolSide],
    open_time: int,
    locked_bps: int,
) -> PoolState:
    side_a, side_b = sides
    return PoolState(
        protocol_fee_percent=_PROTOCOL_PERCENT,
        referral_fee_percent=_REFERRAL_PERCENT,
        init_sqrt_price=curve.sqrt_price,
        mint_a=side_a.mint,
        mint_b=side_b.mint,
        vault_a=side_a.vault,
        vault_b=side_b.vault,
        liquidity=curve.liquidity,
        sqrt_min_price=curve.sqrt_min,
        sqrt_max_price=curve.sqrt_max,
        sqrt_price=curve.sqrt_price,
        activation_point=open_time,
        creator=authority,
        amount_a=side_a.balance,
        amount_b=side_b.balance,
        token_flag_a=_TOKEN_PROGRAMS.index(side_a.token_program),
        token_flag_b=_TOKEN_PROGRAMS.index(side_b.token_program),
        permanent_lock_liquidity=curve.liquidity * locked_bps // BPS,
    )

"""Raydium AMM v4 as a venue: finds, decodes and creates pools; parses swaps, classifies errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd, isqrt
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import BPS, U64_MAX
from backend.domain.errors import EngineError, Rejected
from backend.domain.quotes import E9, Dex
from backend.venues.hosting import ParsedSwap
from backend.venues.pool_side import PoolSide, create_pool_side, read_pool_side
from backend.venues.program_errors import ProgramErrors, final_error, slippage_error
from backend.venues.raydium.amm_v4.accounts import (
    COIN_VAULT_SEED,
    LP_MINT_SEED,
    NAME,
    OPEN_ORDERS_SEED,
    PC_VAULT_SEED,
    POOL_STATE,
    STATUS_SWAP_ONLY,
    STATUS_UNINITIALIZED,
    STATUS_WAITING_TRADE,
    TARGET_ORDERS_SEED,
    PoolState,
    derive_account,
    derive_authority,
    derive_market_address,
    derive_pool_address,
)
from backend.venues.raydium.amm_v4.pool import SWAP_BASE_IN_V2, AmmV4Pool
from backend.venues.spl import (
    CLOCK,
    CLOCK_SYSVAR,
    MINT,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    Clock,
    Mint,
    make_account,
)
from backend.venues.venue import Account, Accounts, PoolSearch, SwapAccounts

_TOO_LARGE_REASON = "the amount is too large for the pool"
_PROGRAM_ERRORS = ProgramErrors(
    slippage_error(30, "ExceededSlippage"),
    final_error(1, "InvalidProgramAddress", "bad_accounts", "an account has the wrong address"),
    final_error(4, "InvalidCoinVault", "bad_accounts", "a vault is not the pool's"),
    final_error(5, "InvalidPCVault", "bad_accounts", "a vault is not the pool's"),
    final_error(18, "InvalidOwner", "bad_accounts", "an account has the wrong owner"),
    final_error(
        22,
        "InvalidStatus",
        "pool_disabled",
        "swaps are switched off in this pool, it is not open yet, or it has an order book",
    ),
    final_error(
        23, "InvalidInstruction", "bad_instruction", "the program does not know this kind of swap"
    ),
    final_error(24, "WrongAccountsNumber", "bad_accounts", "an account is missing"),
    final_error(
        29, "InvalidInput", "zero_output", "the amount is too small: the pool would pay nothing"
    ),
    final_error(31, "CalculationExRateFailure", "amount_too_large", _TOO_LARGE_REASON),
    final_error(32, "CheckedSubOverflow", "amount_too_large", _TOO_LARGE_REASON),
    final_error(33, "CheckedAddOverflow", "amount_too_large", _TOO_LARGE_REASON),
    final_error(34, "CheckedMulOverflow", "amount_too_large", _TOO_LARGE_REASON),
    final_error(35, "CheckedDivOverflow", "amount_too_large", _TOO_LARGE_REASON),
    final_error(36, "CheckedEmptyFunds", "no_liquidity", "the pool is empty"),
    final_error(38, "InvalidSplTokenProgram", "missing_account", "a token account does not exist"),
    final_error(
        40,
        "InsufficientFunds",
        "insufficient_funds",
        "the wallet does not hold the tokens that the swap sells",
    ),
    final_error(41, "ConversionFailure", "amount_too_large", _TOO_LARGE_REASON),
    final_error(42, "InvalidUserToken", "bad_accounts", "a token account has the wrong mint"),
    final_error(59, "NotAllowed", "pool_disabled", "the pool does not permit this swap"),
)

_SWAP_ACCOUNT_COUNT = 8
_SWAP_DATA_SIZE = 17
_DECIMALS = 9


class AmmV4:
    """Raydium's first constant product program, without its order book."""

    dex: Final = Dex.RAYDIUM
    name: Final = NAME
    search: Final = PoolSearch(POOL_STATE.size, (400, 432))

    def __init__(self, program: Pubkey) -> None:
        self.program: Final = program

    def derive_pool_address(self, mint_a: Pubkey, mint_b: Pubkey) -> Pubkey:
        """Derive the address of the two tokens' pool on a simulated chain.

        On mainnet there is none: pools of this program have to be found or named.
        """
        return derive_pool_address(self.program, mint_a, mint_b)

    def list_accounts(self, pool: Pubkey, account: Account) -> Sequence[Pubkey]:
        """List the pool, its vaults and the clock.

        Raises ``Rejected`` (``bad_pool``).
        """
        state = _read_state(self.program, pool, account)
        return [pool, state.coin_vault, state.pc_vault, CLOCK_SYSVAR]

    def guess_accounts(self, pool: Pubkey, accounts: Accounts) -> Sequence[Pubkey]:
        """None: a quote needs no accounts that depend on the pool's state."""
        del pool, accounts
        return ()

    def decode_pool(self, pool: Pubkey, accounts: Accounts, slot: int) -> AmmV4Pool:
        """Decode the pool as of ``slot``.

        Raises ``Rejected`` (``no_pool``, ``bad_pool``).
        """
        account, clock = accounts.get(pool), accounts.get(CLOCK_SYSVAR)
        if account is None:
            raise Rejected("no_pool", f"there is no pool at {pool}")
        state = _read_state(self.program, pool, account)
        if clock is None:
            raise Rejected("bad_pool", f"the accounts of the pool {pool} are not complete")
        now, (authority, _) = CLOCK.read(clock.data), derive_authority(self.program)
        coin, pc = (
            read_pool_side(mint, TOKEN_PROGRAM, vault, authority, accounts, now.epoch)
            for mint, vault in (
                (state.coin_mint, state.coin_vault),
                (state.pc_mint, state.pc_vault),
            )
        )
        return AmmV4Pool(pool, slot, now, state, (coin, pc), account)

    def classify_error(self, code: int, logs: Sequence[str]) -> EngineError:
        """Classify an error of the program by the reaction it permits.

        The error of the token program with number 1, which passes through, says
        ``insufficient funds`` in the logs.
        """
        if code == 1 and any("insufficient funds" in line for line in logs):
            code = 40
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
    ) -> AmmV4Pool:
        """Create a pool of two SPL tokens, the default one or another, a as the coin.

        What is locked of its liquidity, the mint of its LP tokens shows: ``encode_lp_mint``.
        Raises ``ValueError`` if a reserve does not fit, the fee is out of range, or a token is of
        Token-2022, which the program does not know.
        """
        del locked_bps
        if not 0 < fee_e9 < E9:
            raise ValueError("the fee is out of range")
        if not (0 < amount_a <= U64_MAX and 0 < amount_b <= U64_MAX):
            raise ValueError("reserves are positive and fit 64 bits")
        if any(mint.owner != TOKEN_PROGRAM for mint in (mints or {}).values()):
            raise ValueError("this venue has no pools of tokens of Token-2022")
        pool = address or derive_pool_address(self.program, mint_a, mint_b)
        authority, _ = derive_authority(self.program)
        coin, pc = (
            create_pool_side(mint, derive_account(self.program, pool, seed), authority, amount, {})
            for mint, seed, amount in (
                (mint_a, COIN_VAULT_SEED, amount_a),
                (mint_b, PC_VAULT_SEED, amount_b),
            )
        )
        state = _create_state(self.program, pool, coin, pc, fee_e9, open_time)
        account = make_account(self.program, POOL_STATE.write(state))
        return AmmV4Pool(pool, 0, Clock(), state, (coin, pc), account)

    def encode_lp_mint(self, pool: Pubkey, lp_supply: int, locked_bps: int) -> Accounts:
        """Encode the mint of the pool's LP tokens: what is locked of them was burned."""
        supply = lp_supply - lp_supply * locked_bps // BPS
        account = make_account(TOKEN_PROGRAM, MINT.write(Mint(supply, _DECIMALS)))
        return {derive_account(self.program, pool, LP_MINT_SEED): account}

    def parse_swap(self, keys: Sequence[Pubkey], data: bytes, accounts: Accounts) -> ParsedSwap:
        """Parse a swap instruction; its input mint is that of the trader's input account.

        Raises ``Rejected`` (``bad_instruction``).
        """
        is_swap = len(keys) == _SWAP_ACCOUNT_COUNT and len(data) == _SWAP_DATA_SIZE
        if not is_swap or data[0] != SWAP_BASE_IN_V2:
            raise Rejected("bad_instruction", "the instruction is not a swap of an exact input")
        trader = SwapAccounts(keys[7], keys[5], keys[6])
        account = accounts.get(trader.account_in)
        if account is None or account.owner != TOKEN_PROGRAM:
            raise Rejected("bad_instruction", "the trader's input account does not exist")
        return ParsedSwap(
            pool=keys[1],
            mint_in=TOKEN_ACCOUNT.read(account.data).mint,
            amount_in=int.from_bytes(data[1:9], "little"),
            min_amount_out=int.from_bytes(data[9:17], "little"),
            trader=trader,
        )


def _read_state(program: Pubkey, pool: Pubkey, account: Account) -> PoolState:
    if account.owner != program:
        raise Rejected("bad_pool", f"{pool} does not belong to Raydium's AMM v4 program")
    state = POOL_STATE.read(account.data)
    rate = state.swap_fee_numerator, state.swap_fee_denominator
    if state.status == STATUS_UNINITIALIZED or not 0 <= rate[0] < rate[1]:
        raise Rejected("bad_pool", f"the account {pool} is not a pool that was set up")
    return state


def _create_state(
    program: Pubkey, pool: Pubkey, coin: PoolSide, pc: PoolSide, fee_e9: int, open_time: int
) -> PoolState:
    authority, nonce = derive_authority(program)
    divisor = gcd(fee_e9, E9)
    return PoolState(
        status=STATUS_WAITING_TRADE if open_time else STATUS_SWAP_ONLY,
        nonce=nonce,
        coin_decimals=_DECIMALS,
        pc_decimals=_DECIMALS,
        swap_fee_numerator=fee_e9 // divisor,
        swap_fee_denominator=E9 // divisor,
        need_take_pnl_coin=0,
        need_take_pnl_pc=0,
        open_time=open_time,
        coin_vault=coin.vault,
        pc_vault=pc.vault,
        coin_mint=coin.mint,
        pc_mint=pc.mint,
        lp_mint=derive_account(program, pool, LP_MINT_SEED),
        open_orders=derive_account(program, pool, OPEN_ORDERS_SEED),
        market=derive_market_address(program, coin.mint, pc.mint),
        market_program=program,
        target_orders=derive_account(program, pool, TARGET_ORDERS_SEED),
        owner=authority,
        lp_amount=isqrt(coin.balance * pc.balance),
    )

"""The swap programs of the venues: pricing comes from the venue, account checks from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Never

from solders.pubkey import Pubkey

from backend.domain.errors import Rejected
from backend.simulator.programs import token
from backend.simulator.programs.context import (
    InstructionFailed,
    SwapRecord,
    TransactionContext,
    fail,
)
from backend.simulator.programs.swap_errors import (
    ACCOUNTS_MISSING,
    AMOUNT_TOO_LARGE,
    BAD_ACCOUNTS,
    BAD_INSTRUCTION,
    NO_ACCOUNT,
    NO_SIGNER,
    SLIPPAGE,
    SWAP_ERRORS,
    ZERO_INPUT,
    SwapError,
)
from backend.venues.hosting import HostedPool, HostedVenue, ParsedSwap
from backend.venues.spl import TOKEN_PROGRAM
from backend.venues.venue import Account, SwapAccounts

_TRANSFER_LOG_LINE: Final = "Program log: Instruction: TransferChecked"
_PLACEHOLDER_ACCOUNTS: Final = SwapAccounts(
    *(Pubkey(bytes([mark] * 32)) for mark in (251, 252, 253))
)


class _ArrayUnits(NamedTuple):
    """The compute units of each account that a swap reads beyond the first ``free`` ones."""

    free: int
    each: int


_ARRAY_UNITS: Final = {
    "clmm": _ArrayUnits(free=2, each=10_000),  # the bitmap extension, the price's own array
    "dlmm": _ArrayUnits(free=1, each=12_000),
}
_NO_ARRAYS: Final = _ArrayUnits(free=0, each=0)


class SwapProgram:
    """The program of one venue; a swap takes more compute units the more arrays it reads."""

    def __init__(self, venue: HostedVenue) -> None:
        self.venue: Final = venue
        self._array_units: Final = _ARRAY_UNITS.get(venue.name, _NO_ARRAYS)
        self._errors: Final = SWAP_ERRORS[venue.name]
        self._fixed_accounts_cache: dict[tuple[Pubkey, Pubkey], tuple[tuple[int, Pubkey], ...]] = {}

    def execute(self, ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
        """A swap with an exact input amount."""
        try:
            call = self.venue.parse_swap(keys, data, _AccountMapping(ctx))
        except Rejected:
            self._errors[BAD_INSTRUCTION].fail()
        pool = ctx.get_pool(call.pool)
        if pool is None:
            self._errors[NO_ACCOUNT].fail()
        if call.mint_in not in pool.mints:
            self._errors[BAD_ACCOUNTS].fail()
        requested = _record_swap(ctx, pool, call)
        self._check_accounts(ctx, pool, call, keys)
        _inject_failure(ctx, self._errors)
        amount_out, pool_after = _compute_swap(pool, call, self._errors)
        executed = replace(requested, amount_out=amount_out)
        _transfer_tokens(ctx, call, executed, pool_after)
        ctx.pools[call.pool] = pool_after
        ctx.swaps[-1] = executed

    def _check_accounts(
        self, ctx: TransactionContext, pool: HostedPool, call: ParsedSwap, keys: Sequence[Pubkey]
    ) -> None:
        if call.trader.owner not in ctx.signers:
            self._errors[NO_SIGNER].fail()
        for index, expected in self._get_fixed_accounts(pool, call, len(keys)):
            if keys[index] != expected:
                self._errors[BAD_ACCOUNTS].fail()
        for key in (call.trader.account_in, call.trader.account_out):
            if not token.is_token_account(ctx.get_account(key)):
                self._errors[NO_ACCOUNT].fail()
        self._check_remaining_accounts(ctx, pool, call)

    def _check_remaining_accounts(
        self, ctx: TransactionContext, pool: HostedPool, call: ParsedSwap
    ) -> None:
        """Check that the accounts that the swap reads are named, in their order, and affordable."""
        try:
            needed = pool.list_swap_accounts(call.mint_in, call.amount_in)
        except Rejected:
            return  # the swap itself fails
        if not needed:
            return
        named = iter(call.remaining)
        if not all(key in named for key in needed):
            self._errors[ACCOUNTS_MISSING].fail()
        free, each = self._array_units
        ctx.consume_units(max(len(needed) - free, 0) * each)

    def _get_fixed_accounts(
        self, pool: HostedPool, call: ParsedSwap, count: int
    ) -> tuple[tuple[int, Pubkey], ...]:
        """The accounts of a swap that depend on the pool only, with their indexes."""
        expected = self._fixed_accounts_cache.get((pool.address, call.mint_in))
        if expected is None:
            metas = pool.swap_instruction(_PLACEHOLDER_ACCOUNTS, call.mint_in, 1, 1).accounts
            trader_accounts = {
                _PLACEHOLDER_ACCOUNTS.owner,
                _PLACEHOLDER_ACCOUNTS.account_in,
                _PLACEHOLDER_ACCOUNTS.account_out,
            }
            expected = tuple(
                (i, m.pubkey)
                for i, m in enumerate(metas[: count - len(call.remaining)])
                if m.pubkey not in trader_accounts
            )
            self._fixed_accounts_cache[pool.address, call.mint_in] = expected
        return expected


class _AccountMapping(Mapping[Pubkey, Account | None]):
    """The accounts of a transaction as the mapping that a venue reads."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: TransactionContext) -> None:
        self._ctx = ctx

    def __getitem__(self, key: Pubkey) -> Account | None:
        return self._ctx.get_account(key)

    def __iter__(self) -> Never:
        raise TypeError("the accounts of a chain cannot be listed")

    def __len__(self) -> Never:
        raise TypeError("the accounts of a chain cannot be counted")


def _record_swap(ctx: TransactionContext, pool: HostedPool, call: ParsedSwap) -> SwapRecord:
    """Record the requested swap before anything can fail, so that failed swaps are listed too."""
    mint_a, mint_b = pool.mints
    mint_out = mint_b if call.mint_in == mint_a else mint_a
    requested = SwapRecord(call.pool, call.trader.owner, call.mint_in, mint_out, call.amount_in, 0)
    ctx.swaps.append(requested)
    return requested


def _inject_failure(ctx: TransactionContext, errors: Mapping[str, SwapError]) -> None:
    """Fail the swap if a fault requires it."""
    match ctx.view.draw_failure():
        case "slippage":
            errors[SLIPPAGE].fail()
        case "funds":
            failure = InstructionFailed(1, ("Program log: Error: insufficient funds",))
            raise token.wrap_inner_failure(failure, _TRANSFER_LOG_LINE)
        case "compute":
            fail("ProgramFailedToComplete", "Program log: exceeded CUs meter at BPF instruction")
        case _:
            return


def _compute_swap(
    pool: HostedPool, call: ParsedSwap, errors: Mapping[str, SwapError]
) -> tuple[int, HostedPool]:
    if call.amount_in == 0:
        errors[ZERO_INPUT].fail()
    try:
        amount_out, pool_after = pool.after_swap(call.mint_in, call.amount_in)
    except Rejected as refusal:
        errors.get(refusal.code, errors[AMOUNT_TOO_LARGE]).fail()
    if amount_out < call.min_amount_out:
        errors[SLIPPAGE].fail()
    return amount_out, pool_after


def _transfer_tokens(
    ctx: TransactionContext, call: ParsedSwap, swap: SwapRecord, pool: HostedPool
) -> None:
    """Transfer the input and the output. The vault of the input also keeps the fees."""
    trader = call.trader
    try:
        token.debit(ctx, trader.account_in, swap.mint_in, trader.owner, swap.amount_in)
        token.credit(ctx, trader.account_out, swap.mint_out, swap.amount_out)
    except InstructionFailed as error:
        raise token.wrap_inner_failure(error, _TRANSFER_LOG_LINE) from None
    if any(pool.token_program(mint) != TOKEN_PROGRAM for mint in pool.mints):
        # What a transfer withholds, neither of its accounts has: the pool has computed it.
        accounts = pool.encode_accounts()
        for mint in pool.mints:
            vault = ctx.view.get_vault(swap.pool, mint)
            ctx.vaults[vault] = accounts[vault]
        return
    for mint, change in ((swap.mint_in, swap.amount_in), (swap.mint_out, -swap.amount_out)):
        vault = ctx.view.get_vault(swap.pool, mint)
        account = ctx.get_account(vault)
        assert account is not None, "every pool has vaults"
        ctx.vaults[vault] = token.with_amount(account, token.read_amount(account) + change)

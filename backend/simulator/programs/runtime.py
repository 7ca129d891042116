"""Execution of transactions: all instructions in order and atomically; the fee is always paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.pubkey import Pubkey

from backend.simulator.programs import ata, memo, system, token
from backend.simulator.programs.context import (
    OUT_OF_UNITS,
    ChainView,
    InstructionFailed,
    Program,
    SwapRecord,
    TransactionContext,
    format_failure_line,
)
from backend.simulator.programs.swaps import SwapProgram
from backend.simulator.state.bank import AccountChanges
from backend.simulator.wire.transaction_parser import ParsedTransaction
from backend.venues import Venues
from backend.venues.hosting import HostedPool
from backend.venues.layout import compute_rent_exemption
from backend.venues.spl import ATA_PROGRAM, MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import Account

TransactionError: TypeAlias = str | dict[str, object]
"""A transaction error in the JSON form of the RPC API."""

ACCOUNTS_MAX: Final = 64
"""Most accounts that a transaction may lock."""
_RENT_MIN: Final = compute_rent_exemption(0)


def _execute_compute_budget(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    """No effect here: the parser has already read the compute budget."""


# Compute units are typical values of the real programs.
_SWAP_COMPUTE_UNITS: Final = {
    "cpmm": 38_000,
    "amm_v4": 30_000,
    "clmm": 60_000,  # and more for each array of ticks: see ``SwapProgram``
    "damm_v2": 22_000,
    "dlmm": 45_000,  # and more for each array of bins
}


def build_programs(venues: Venues) -> Mapping[Pubkey, Program]:
    """The programs of a chain, by their addresses."""
    return {
        COMPUTE_BUDGET: Program(_execute_compute_budget, 150, is_builtin=True),
        SYSTEM_PROGRAM: Program(system.execute, 150, is_builtin=True),
        TOKEN_PROGRAM: Program(token.execute, 3_000),
        ATA_PROGRAM: Program(ata.execute, 9_000),
        MEMO_PROGRAM: Program(memo.execute, 6_000),
        **{
            venue.program: Program(SwapProgram(venue).execute, _SWAP_COMPUTE_UNITS[venue.name])
            for venue in venues.hosted
        },
    }


class TransactionRefused(Exception):
    """The transaction cannot be included in any block, so not even its fee is charged."""

    def __init__(self, err: TransactionError) -> None:
        super().__init__(err)
        self.err = err


class TokenBalance(NamedTuple):
    """The balance of a token account before and after a transaction.

    An amount is ``None`` while the account does not exist. ``account_index`` is the index of the
    account in the message.
    """

    account_index: int
    mint: str
    owner: str
    amount_before: int | None
    amount_after: int | None


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The effects of an executed transaction, not committed to the bank yet.

    ``changes`` are the new values of stored accounts, ``pools`` and ``vaults`` those of pools and
    their token accounts. ``log_lines`` are the lines that the failed instruction logged.
    ``swaps`` are those that were requested, in their order, up to the one that failed.
    ``lamports`` are the balances before and after, by account index.
    """

    err: TransactionError | None
    compute_units: int
    log_lines: Sequence[str]
    changes: AccountChanges
    pools: Mapping[Pubkey, HostedPool]
    vaults: Mapping[Pubkey, Account]
    swaps: Sequence[SwapRecord]
    lamports: tuple[Sequence[int], Sequence[int]]
    tokens: Sequence[TokenBalance]


def execute_transaction(transaction: ParsedTransaction, view: ChainView) -> ExecutionResult:
    """Execute a transaction against ``view``, which stays unchanged.

    Raises ``TransactionRefused`` if no block can include it: its payer cannot pay the fee, it calls
    a program that does not exist, or locks too many accounts.
    """
    if len(transaction.keys) > ACCOUNTS_MAX:
        raise TransactionRefused("TooManyAccountLocks")
    if any(instruction.program not in view.programs for instruction in transaction.instructions):
        raise TransactionRefused("ProgramAccountNotFound")
    ctx = TransactionContext(view, transaction)
    if len(ctx.accounts_before) != len(transaction.keys):
        raise TransactionRefused("AccountLoadedTwice")
    fee_changes = _charge_fee(transaction, ctx)
    ctx.changes.update(fee_changes)
    err, log_lines = _run_instructions(ctx, transaction)
    if err is None:
        err = _find_rent_error(ctx, transaction.keys)
    if err is not None:
        ctx.changes, ctx.pools, ctx.vaults = fee_changes, {}, {}
        ctx.swaps = [replace(swap, amount_out=0) for swap in ctx.swaps]
    before = list(ctx.accounts_before.values())
    after = [ctx.get_account(key) for key in ctx.accounts_before]
    return ExecutionResult(
        err=err,
        compute_units=ctx.compute_units,
        log_lines=log_lines,
        changes=ctx.changes,
        pools=ctx.pools,
        vaults=ctx.vaults,
        swaps=ctx.swaps,
        lamports=(_list_lamports(before), _list_lamports(after)),
        tokens=_list_token_balances(before, after),
    )


def build_logs(
    programs: Sequence[Pubkey], err: TransactionError | None, log_lines: Sequence[str]
) -> list[str]:
    """The log of a transaction that invoked ``programs``; ``log_lines`` are the lines of the
    instruction that failed."""
    failed_at = len(programs)
    if isinstance(err, dict) and isinstance(at := err.get("InstructionError"), list):
        failed_at = at[0]
    logs: list[str] = []
    for program in programs[:failed_at]:
        logs += _invocation_lines(program)
    if failed_at < len(programs):
        logs += (_invocation_lines(programs[failed_at])[0], *log_lines)
    return logs


@lru_cache(1_024)
def _invocation_lines(program: Pubkey) -> tuple[str, str]:
    return f"Program {program} invoke [1]", f"Program {program} success"


def _charge_fee(
    transaction: ParsedTransaction, ctx: TransactionContext
) -> dict[Pubkey, Account | None]:
    payer = transaction.keys[0]
    account = ctx.get_account(payer)
    if account is None:
        raise TransactionRefused("AccountNotFound")
    if account.owner != SYSTEM_PROGRAM or account.data:
        raise TransactionRefused("InvalidAccountForFee")
    remaining = account.lamports - transaction.fee
    if remaining < 0:
        raise TransactionRefused("InsufficientFundsForFee")
    if 0 < remaining < _RENT_MIN:
        raise TransactionRefused({"InsufficientFundsForRent": {"account_index": 0}})
    return {payer: Account(SYSTEM_PROGRAM, remaining, b"")}


def _run_instructions(
    ctx: TransactionContext, transaction: ParsedTransaction
) -> tuple[TransactionError | None, Sequence[str]]:
    for index, instruction in enumerate(transaction.instructions):
        program, units_left = ctx.view.programs[instruction.program], ctx.units_left
        try:
            ctx.consume_units(program.compute_units)
            program.execute(ctx, instruction.keys, instruction.data)
        except InstructionFailed as error:
            if error.kind == OUT_OF_UNITS and not program.is_builtin:
                logged = _describe_exhaustion(instruction.program, units_left)
                return {"InstructionError": [index, "ProgramFailedToComplete"]}, logged
            kind = {"Custom": error.kind} if isinstance(error.kind, int) else error.kind
            log_lines = (*error.log_lines, format_failure_line(instruction.program, error.kind))
            return {"InstructionError": [index, kind]}, log_lines
    return None, ()


def _describe_exhaustion(program: Pubkey, units: int) -> Sequence[str]:
    """What the virtual machine logs of a program that needs more units than are left to it."""
    return (
        f"Program {program} consumed {units} of {units} compute units",
        f"Program {program} failed: exceeded CUs meter at BPF instruction",
    )


def _find_rent_error(ctx: TransactionContext, keys: Sequence[Pubkey]) -> TransactionError | None:
    for key, account in ctx.changes.items():
        if account is None or not account.lamports:
            continue
        if account.lamports < _RENT_MIN or account.lamports < compute_rent_exemption(
            len(account.data)
        ):
            return {"InsufficientFundsForRent": {"account_index": keys.index(key)}}
    return None


def _list_lamports(accounts: Sequence[Account | None]) -> list[int]:
    return [0 if account is None else account.lamports for account in accounts]


def _list_token_balances(
    before: Sequence[Account | None], after: Sequence[Account | None]
) -> list[TokenBalance]:
    balances = []
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        if old is None and new is None:
            continue
        was_token, is_token = token.is_token_account(old), token.is_token_account(new)
        if was_token or is_token:
            account = old if was_token else new
            assert account is not None
            mint, owner = _encode_address(account.data[:32]), _encode_address(account.data[32:64])
            amount_before = token.read_amount(old) if was_token and old else None
            amount_after = token.read_amount(new) if is_token and new else None
            balances.append(TokenBalance(index, mint, owner, amount_before, amount_after))
    return balances


@lru_cache(65_536)
def _encode_address(key: bytes) -> str:
    return str(Pubkey(key))

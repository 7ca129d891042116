"""Executing a transaction: all of its instructions in order, or none but the fee."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.pubkey import Pubkey

from backend.domain.quotes import Dex
from backend.simulator.programs import ata, memo, system, token
from backend.simulator.programs.context import (
    Context,
    InstructionFailed,
    Swapped,
    View,
    fail,
    failed_line,
)
from backend.simulator.programs.swaps import SwapProgram
from backend.simulator.state.bank import Changes
from backend.simulator.wire.transaction_parser import Parsed
from backend.venues import HOSTED
from backend.venues.hosting import HostedPool
from backend.venues.layout import rent_exempt
from backend.venues.spl import ATA_PROGRAM, MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import Account

Err: TypeAlias = str | dict[str, object]
"""An error as the node's JSON has it."""

_RENT_LEAST: Final = rent_exempt(0)

_Execute = Callable[[Context, Sequence[Pubkey], bytes], None]


@dataclass(frozen=True, slots=True)
class _Program:
    execute: _Execute
    units: int


def _no_effect(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    """The compute budget is read before anything is executed."""


# Compute units are typical of what the real programs take.
_SWAP_UNITS: Final = {Dex.RAYDIUM: 38_000, Dex.METEORA: 22_000}
_PROGRAMS: Final[Mapping[Pubkey, _Program]] = {
    COMPUTE_BUDGET: _Program(_no_effect, 150),
    SYSTEM_PROGRAM: _Program(system.execute, 150),
    TOKEN_PROGRAM: _Program(token.execute, 3_000),
    ATA_PROGRAM: _Program(ata.execute, 9_000),
    MEMO_PROGRAM: _Program(memo.execute, 6_000),
    **{
        venue.program: _Program(SwapProgram(venue).execute, _SWAP_UNITS[venue.dex])
        for venue in HOSTED
    },
}


class Refused(Exception):
    """A transaction that no block can contain; it costs nothing."""

    def __init__(self, err: Err) -> None:
        super().__init__(err)
        self.err = err


class Holding(NamedTuple):
    """What a token account of the transaction held before and after, ``None`` where there was
    none; ``place`` is its place among the accounts."""

    place: int
    mint: str
    owner: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing a transaction did; the bank does not know of it yet.

    ``changes`` are the stored accounts that become others, ``pools`` and ``vaults`` the pools
    and what they hold. ``lines`` are what the failed instruction logged.
    """

    err: Err | None
    units: int
    lines: Sequence[str]
    changes: Changes
    pools: Mapping[Pubkey, HostedPool]
    vaults: Mapping[Pubkey, Account]
    swap: Swapped | None
    lamports: tuple[Sequence[int], Sequence[int]]
    tokens: Sequence[Holding]


def execute(parsed: Parsed, view: View) -> Outcome:
    """What a transaction does to the accounts of ``view``.

    Raises ``Refused`` if no block can contain it: its payer cannot pay the fee, or it calls a
    program that is not there.
    """
    if any(call.program not in _PROGRAMS for call in parsed.calls):
        raise Refused("ProgramAccountNotFound")
    ctx = Context(view, parsed)
    if len(ctx.before) != len(parsed.keys):
        raise Refused("AccountLoadedTwice")
    paid = _pay(parsed, ctx)
    ctx.changes.update(paid)
    err, units, lines = _run(ctx, parsed)
    if err is None:
        err = _rent_error(ctx, parsed.keys)
    if err is not None:
        ctx.changes, ctx.pools, ctx.vaults = paid, {}, {}
    before = list(ctx.before.values())
    after = [ctx.get(key) for key in ctx.before]
    return Outcome(
        err=err,
        units=units,
        lines=lines,
        changes=ctx.changes,
        pools=ctx.pools,
        vaults=ctx.vaults,
        swap=ctx.swaps[-1] if ctx.swaps else None,
        lamports=(_lamports(before), _lamports(after)),
        tokens=_holdings(before, after),
    )


def logs_of(programs: Sequence[Pubkey], err: Err | None, lines: Sequence[str]) -> list[str]:
    """The log of a transaction by what its instructions call; ``lines`` are those of the
    instruction that failed."""
    failed_at = len(programs)
    if isinstance(err, dict) and isinstance(at := err.get("InstructionError"), list):
        failed_at = at[0]
    logs: list[str] = []
    for program in programs[:failed_at]:
        logs += _lines(program)
    if failed_at < len(programs):
        logs += (_lines(programs[failed_at])[0], *lines)
    return logs


@lru_cache(1_024)
def _lines(program: Pubkey) -> tuple[str, str]:
    return f"Program {program} invoke [1]", f"Program {program} success"


def _pay(parsed: Parsed, ctx: Context) -> dict[Pubkey, Account | None]:
    payer = parsed.keys[0]
    account = ctx.get(payer)
    if account is None:
        raise Refused("AccountNotFound")
    if account.owner != SYSTEM_PROGRAM or account.data:
        raise Refused("InvalidAccountForFee")
    left = account.lamports - parsed.fee
    if left < 0:
        raise Refused("InsufficientFundsForFee")
    if 0 < left < _RENT_LEAST:
        raise Refused({"InsufficientFundsForRent": {"account_index": 0}})
    return {payer: Account(SYSTEM_PROGRAM, left, b"")}


def _run(ctx: Context, parsed: Parsed) -> tuple[Err | None, int, Sequence[str]]:
    units = 0
    for index, call in enumerate(parsed.calls):
        program = _PROGRAMS[call.program]
        units += program.units
        try:
            if units > parsed.unit_limit:
                fail("ComputationalBudgetExceeded")
            program.execute(ctx, call.keys, call.data)
        except InstructionFailed as error:
            kind = {"Custom": error.kind} if isinstance(error.kind, int) else error.kind
            lines = (*error.lines, failed_line(call.program, error.kind))
            return {"InstructionError": [index, kind]}, min(units, parsed.unit_limit), lines
    return None, units, ()


def _rent_error(ctx: Context, keys: Sequence[Pubkey]) -> Err | None:
    for key, account in ctx.changes.items():
        if account is None or not account.lamports:
            continue
        if account.lamports < _RENT_LEAST or account.lamports < rent_exempt(len(account.data)):
            return {"InsufficientFundsForRent": {"account_index": keys.index(key)}}
    return None


def _lamports(accounts: Sequence[Account | None]) -> list[int]:
    return [0 if account is None else account.lamports for account in accounts]


def _holdings(before: Sequence[Account | None], after: Sequence[Account | None]) -> list[Holding]:
    holdings = []
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        if old is None and new is None:
            continue
        was, is_now = token.is_holding(old), token.is_holding(new)
        if was or is_now:
            account = old if was else new
            assert account is not None
            mint, owner = _name(account.data[:32]), _name(account.data[32:64])
            held = token.amount_of(old) if was and old else None
            holds = token.amount_of(new) if is_now and new else None
            holdings.append(Holding(index, mint, owner, held, holds))
    return holdings


@lru_cache(65_536)
def _name(key: bytes) -> str:
    return str(Pubkey(key))

"""The system program: transfers of lamports and creation of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.programs.context import (
    InstructionFailed,
    TransactionContext,
    fail,
    format_failure_line,
    read_u64,
    take_accounts,
)
from backend.venues.spl import SYSTEM_PROGRAM
from backend.venues.venue import Account

_ACCOUNT_ALREADY_IN_USE: Final = 0
_RESULT_WITH_NEGATIVE_LAMPORTS: Final = 1
_INVALID_ACCOUNT_DATA_LENGTH: Final = 3
_ADDRESS_WITH_SEED_MISMATCH: Final = 5

_SPACE_MAX: Final = 10_240
_SEED_MAX: Final = 32


def execute(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    """Execute Transfer, CreateAccount and CreateAccountWithSeed."""
    match int.from_bytes(data[:4], "little") if len(data) >= 4 else None:
        case 2:
            source, target = take_accounts(keys, 2)
            ctx.require_signer(source)
            transfer(ctx, source, target, read_u64(data, 4))
        case 3:
            _create_with_seed(ctx, keys, data)
        case 0:
            source, target = take_accounts(keys, 2)
            ctx.require_signer(target)
            owner = _read_pubkey(data, 20)
            create_account(
                ctx,
                source,
                target,
                lamports=read_u64(data, 4),
                space=read_u64(data, 12),
                owner=owner,
            )
        case _:
            fail("InvalidInstructionData")


def transfer(ctx: TransactionContext, source: Pubkey, target: Pubkey, lamports: int) -> None:
    """Move lamports out of an account without data. The caller checks the signatures."""
    account = ctx.get_account(source)
    balance = 0 if account is None else account.lamports
    if account is not None and (account.owner != SYSTEM_PROGRAM or account.data):
        fail("InvalidArgument", "Transfer: `from` must not carry data")
    if account is None or balance < lamports:
        fail(
            _RESULT_WITH_NEGATIVE_LAMPORTS,
            f"Transfer: insufficient lamports {balance}, need {lamports}",
        )
    remaining = balance - lamports
    ctx.put_account(source, Account(SYSTEM_PROGRAM, remaining, b"") if remaining else None)
    credit_lamports(ctx, target, lamports)


def wrap_inner_failure(error: InstructionFailed) -> InstructionFailed:
    """A failure of this program as its caller sees it after a cross-program invocation."""
    lines = (f"Program {SYSTEM_PROGRAM} invoke [2]", *error.log_lines)
    return InstructionFailed(error.kind, (*lines, format_failure_line(SYSTEM_PROGRAM, error.kind)))


def credit_lamports(ctx: TransactionContext, target: Pubkey, lamports: int) -> None:
    """Add lamports to an account, which is created if it does not exist."""
    account = ctx.get_account(target)
    if account is None:
        ctx.put_account(target, Account(SYSTEM_PROGRAM, lamports, b""))
    else:
        ctx.put_account(target, Account(account.owner, account.lamports + lamports, account.data))


def create_account(
    ctx: TransactionContext,
    source: Pubkey,
    target: Pubkey,
    *,
    lamports: int,
    space: int,
    owner: Pubkey,
) -> None:
    """Create an account at ``target``, funded by ``source``."""
    ctx.require_signer(source)
    existing = ctx.get_account(target)
    if existing is not None and existing.lamports:
        fail(
            _ACCOUNT_ALREADY_IN_USE,
            f"Create Account: account Address {{ address: {target} }} already in use",
        )
    if space > _SPACE_MAX:
        fail(_INVALID_ACCOUNT_DATA_LENGTH)
    transfer(ctx, source, target, lamports)
    ctx.put_account(target, Account(owner, lamports, bytes(space)))


def allocate_and_assign(ctx: TransactionContext, key: Pubkey, space: int, owner: Pubkey) -> None:
    """Allocate the data of a funded account and assign it to a program."""
    account = ctx.get_account(key)
    assert account is not None, "allocated before it was funded"
    ctx.put_account(key, Account(owner, account.lamports, bytes(space)))


def _create_with_seed(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    source, target = take_accounts(keys, 2)
    base, length = _read_pubkey(data, 4), read_u64(data, 36)
    if length > _SEED_MAX:
        fail("InvalidInstructionData")
    end = 44 + length
    lamports, space, owner = (
        read_u64(data, end),
        read_u64(data, end + 8),
        _read_pubkey(data, end + 16),
    )
    try:
        seed = data[44:end].decode()
    except UnicodeDecodeError:
        fail("InvalidInstructionData")
    if Pubkey.create_with_seed(base, seed, owner) != target:
        fail(
            _ADDRESS_WITH_SEED_MISMATCH, f"Create: address {target} does not match derived address"
        )
    ctx.require_signer(base)
    create_account(ctx, source, target, lamports=lamports, space=space, owner=owner)


def _read_pubkey(data: bytes, at: int) -> Pubkey:
    if len(data) < at + 32:
        fail("InvalidInstructionData")
    return Pubkey(data[at : at + 32])

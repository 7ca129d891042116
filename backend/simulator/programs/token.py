"""The SPL token program: token accounts, their initialisation and transfers between them.

Token accounts stay in their on-chain binary layout (see ``backend.venues.spl``). The few fields
that change are sliced out of the bytes, because this runs several times in each transaction.

Accounts of Token-2022 have the extensions that their mint asks for, with nothing in them: what a
transfer withholds is gone. Instructions to that program itself are not executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.simulator.programs import system
from backend.simulator.programs.context import (
    InstructionFailed,
    TransactionContext,
    fail,
    format_failure_line,
    read_u64,
    take_accounts,
)
from backend.venues.layout import compute_rent_exemption
from backend.venues.spl import (
    ATA_PROGRAM,
    MINT,
    NATIVE_MINT,
    TOKEN_2022_ACCOUNT_SIZES,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
    iterate_extensions,
    make_token_account,
)
from backend.venues.venue import Account

SIZE: Final = TOKEN_ACCOUNT.size
RENT: Final = compute_rent_exemption(SIZE)

# The bytes after the amount in a new account; they are the same in all of them.
_NEW_ACCOUNT_TAIL: Final = make_token_account(ATA_PROGRAM, ATA_PROGRAM, 0).data[72:]
_NEW_NATIVE_ACCOUNT_TAIL: Final = make_token_account(NATIVE_MINT, ATA_PROGRAM, 0).data[72:]

_TYPE_ACCOUNT: Final = b"\x02"
_IMMUTABLE_OWNER: Final = 7

_NOT_RENT_EXEMPT: Final = 0
_INSUFFICIENT_FUNDS: Final = 1
_INVALID_MINT: Final = 2
_MINT_MISMATCH: Final = 3
_OWNER_MISMATCH: Final = 4
_ALREADY_IN_USE: Final = 6
_UNINITIALIZED_STATE: Final = 9
_NON_NATIVE_HAS_BALANCE: Final = 11
_INVALID_INSTRUCTION: Final = 12
_OVERFLOW: Final = 14
_ACCOUNT_FROZEN: Final = 17
_MINT_DECIMALS_MISMATCH: Final = 18
_NON_NATIVE_NOT_SUPPORTED: Final = 19


def execute(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    """Execute InitializeAccount (1 to 3), Transfer, TransferChecked, SyncNative, CloseAccount."""
    match data[0] if data else None:
        case 3:
            source, target, authority = take_accounts(keys, 3)
            _transfer(ctx, source, target, authority, read_u64(data, 1))
        case 12:
            _transfer_checked(ctx, keys, data)
        case 18 | 16:
            account, mint = take_accounts(keys, 2)
            if len(data) != 33:
                fail(_INVALID_INSTRUCTION, "Program log: Error: Invalid instruction")
            initialize_account(ctx, account, mint, Pubkey(data[1:]))
        case 1:
            account, mint, owner = take_accounts(keys, 3)
            initialize_account(ctx, account, mint, owner)
        case 17:
            _sync_native(ctx, *take_accounts(keys, 1))
        case 9:
            _close_account(ctx, *take_accounts(keys, 3))
        case _:
            fail(_INVALID_INSTRUCTION, "Program log: Error: Invalid instruction")


def read_amount(account: Account) -> int:
    """The balance of a token account, in base units."""
    return int.from_bytes(account.data[64:72], "little")


def with_amount(account: Account, amount: int) -> Account:
    """The same token account with another balance."""
    data = account.data
    lamports = account.lamports
    if data[109]:  # wrapped SOL: the balance is part of its lamports
        lamports += amount - read_amount(account)
    return Account(account.owner, lamports, data[:64] + amount.to_bytes(8, "little") + data[72:])


def is_token_account(account: Account | None) -> bool:
    """Whether an account is an initialised token account."""
    return (
        account is not None
        and account.owner in TOKEN_PROGRAMS
        and _has_size(account)
        and account.data[108] != 0
    )


def _has_size(account: Account) -> bool:
    data = account.data
    return len(data) == SIZE or (
        len(data) > SIZE
        and account.owner != TOKEN_PROGRAM
        and data[SIZE : SIZE + 1] == _TYPE_ACCOUNT
    )


def build_extensions(mint: Account | None) -> bytes:
    """The extensions of a new associated account; none of the first token program."""
    if mint is None or mint.owner == TOKEN_PROGRAM:
        return b""
    asked = (kind for kind, _, _ in iterate_extensions(mint.data))
    kinds = {
        kind + 1: TOKEN_2022_ACCOUNT_SIZES[kind]
        for kind in asked
        if kind in TOKEN_2022_ACCOUNT_SIZES
    }
    extensions = {_IMMUTABLE_OWNER: 0, **kinds}
    return _TYPE_ACCOUNT + b"".join(
        kind.to_bytes(2, "little") + size.to_bytes(2, "little") + bytes(size)
        for kind, size in extensions.items()
    )


def initialize_account(
    ctx: TransactionContext, key: Pubkey, mint: Pubkey, owner: Pubkey, extensions: bytes = b""
) -> None:
    """Initialise a token account in an allocated, rent-exempt account of the mint's program."""
    account, size = ctx.get_account(key), SIZE + len(extensions)
    if account is None or account.owner not in TOKEN_PROGRAMS or len(account.data) != size:
        fail("InvalidAccountData")
    if account.data[108]:
        fail(_ALREADY_IN_USE, "Program log: Error: account or token already in use")
    if account.lamports < compute_rent_exemption(size):
        fail(_NOT_RENT_EXEMPT, "Program log: Error: Lamport balance below rent-exempt threshold")
    _read_decimals(ctx, mint, account.owner)
    is_native = mint == NATIVE_MINT
    amount = account.lamports - RENT if is_native else 0
    tail = _NEW_NATIVE_ACCOUNT_TAIL if is_native else _NEW_ACCOUNT_TAIL
    data = bytes(mint) + bytes(owner) + amount.to_bytes(8, "little") + tail + extensions
    ctx.put_account(key, Account(account.owner, account.lamports, data))


def debit(
    ctx: TransactionContext, key: Pubkey, mint: Pubkey, authority: Pubkey, amount: int
) -> None:
    """Remove tokens from an account whose owner ``authority`` has signed the transaction."""
    account = require_token_account(ctx, key, mint)
    balance = read_amount(account)
    if balance < amount:
        fail(_INSUFFICIENT_FUNDS, "Program log: Error: insufficient funds")
    if account.data[32:64] != bytes(authority):
        fail(_OWNER_MISMATCH, "Program log: Error: owner does not match")
    ctx.require_signer(authority)
    ctx.put_account(key, with_amount(account, balance - amount))


def credit(ctx: TransactionContext, key: Pubkey, mint: Pubkey, amount: int) -> None:
    """Add tokens to an account."""
    account = require_token_account(ctx, key, mint)
    balance = read_amount(account) + amount
    if balance > U64_MAX:
        fail(_OVERFLOW, "Program log: Error: Operation overflowed")
    ctx.put_account(key, with_amount(account, balance))


def require_token_account(
    ctx: TransactionContext, key: Pubkey, mint: Pubkey | None = None
) -> Account:
    """An initialised token account, not frozen and, if given, of ``mint``; fails otherwise."""
    account = ctx.get_account(key)
    if account is None or account.owner not in TOKEN_PROGRAMS:
        fail("IncorrectProgramId")
    if not _has_size(account):
        fail("InvalidAccountData")
    state = account.data[108]
    if state == 0:
        fail(_UNINITIALIZED_STATE, "Program log: Error: State is uninitialized")
    if state == 2:
        fail(_ACCOUNT_FROZEN, "Program log: Error: Account is frozen")
    if mint is not None and account.data[:32] != bytes(mint):
        fail(_MINT_MISMATCH, "Program log: Error: Account not associated with this Mint")
    return account


def wrap_inner_failure(error: InstructionFailed, *log_lines: str) -> InstructionFailed:
    """A failure of this program as its caller sees it after a cross-program invocation.

    ``log_lines`` are the lines that this program logged before those of ``error``.
    """
    lines = (f"Program {TOKEN_PROGRAM} invoke [2]", *log_lines, *error.log_lines)
    return InstructionFailed(error.kind, (*lines, format_failure_line(TOKEN_PROGRAM, error.kind)))


def _read_decimals(ctx: TransactionContext, mint: Pubkey, program: Pubkey = TOKEN_PROGRAM) -> int:
    account = ctx.get_account(mint)
    may_extend = program != TOKEN_PROGRAM
    if account is None or account.owner != program or len(account.data) < MINT.size:
        fail(_INVALID_MINT, "Program log: Error: Invalid Mint")
    if len(account.data) > MINT.size and not may_extend:
        fail(_INVALID_MINT, "Program log: Error: Invalid Mint")
    return account.data[44]


def _transfer(
    ctx: TransactionContext, source: Pubkey, target: Pubkey, authority: Pubkey, amount: int
) -> None:
    mint = Pubkey(require_token_account(ctx, source).data[:32])
    require_token_account(ctx, target, mint)
    debit(ctx, source, mint, authority, amount)
    credit(ctx, target, mint, amount)


def _transfer_checked(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    source, mint, target, authority = take_accounts(keys, 4)
    amount = read_u64(data, 1)
    require_token_account(ctx, source, mint)
    if len(data) != 10:
        fail(_INVALID_INSTRUCTION, "Program log: Error: Invalid instruction")
    if data[9] != _read_decimals(ctx, mint):
        fail(
            _MINT_DECIMALS_MISMATCH, "Program log: Error: decimals different from the Mint decimals"
        )
    _transfer(ctx, source, target, authority, amount)


def _sync_native(ctx: TransactionContext, key: Pubkey) -> None:
    account = require_token_account(ctx, key)
    if not account.data[109]:
        fail(_NON_NATIVE_NOT_SUPPORTED, "Program log: Error: Non-native token account")
    amount = account.lamports - RENT
    data = account.data[:64] + amount.to_bytes(8, "little") + account.data[72:]
    ctx.put_account(key, Account(TOKEN_PROGRAM, account.lamports, data))


def _close_account(ctx: TransactionContext, key: Pubkey, target: Pubkey, owner: Pubkey) -> None:
    if key == target:
        fail("InvalidAccountData")
    account = require_token_account(ctx, key)
    if not account.data[109] and read_amount(account):
        fail(
            _NON_NATIVE_HAS_BALANCE,
            "Program log: Error: Non-native account can only be closed if its balance is zero",
        )
    if account.data[32:64] != bytes(owner):
        fail(_OWNER_MISMATCH, "Program log: Error: owner does not match")
    ctx.require_signer(owner)
    ctx.put_account(key, None)
    system.credit_lamports(ctx, target, account.lamports)

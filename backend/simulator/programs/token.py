"""The token program: who holds how much of which token.

Token accounts stay the bytes that they are on a real chain (layout in ``backend.venues.spl``);
the few fields that move are cut out of them, for this runs several times in each transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.simulator.programs import system
from backend.simulator.programs.context import (
    Context,
    InstructionFailed,
    fail,
    failed_line,
    take,
    u64,
)
from backend.venues.layout import rent_exempt
from backend.venues.spl import (
    ATA_PROGRAM,
    MINT,
    NATIVE_MINT,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    token_account,
)
from backend.venues.venue import Account

SIZE: Final = TOKEN_ACCOUNT.size
RENT: Final = rent_exempt(SIZE)

# What follows the amount in a new account; it is the same in all of them.
_TAIL: Final = token_account(ATA_PROGRAM, ATA_PROGRAM, 0).data[72:]
_NATIVE_TAIL: Final = token_account(NATIVE_MINT, ATA_PROGRAM, 0).data[72:]

_NOT_RENT_EXEMPT: Final = 0
_INSUFFICIENT_FUNDS: Final = 1
_INVALID_MINT: Final = 2
_MINT_MISMATCH: Final = 3
_OWNER_MISMATCH: Final = 4
_ALREADY_IN_USE: Final = 6
_UNINITIALIZED: Final = 9
_HAS_BALANCE: Final = 11
_INVALID_INSTRUCTION: Final = 12
_OVERFLOW: Final = 14
_FROZEN: Final = 17
_DECIMALS_MISMATCH: Final = 18
_NOT_NATIVE: Final = 19


def execute(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    """InitializeAccount (all three), Transfer, TransferChecked, SyncNative and CloseAccount."""
    match data[0] if data else None:
        case 3:
            source, target, authority = take(keys, 3)
            _transfer(ctx, source, target, authority, u64(data, 1))
        case 12:
            _transfer_checked(ctx, keys, data)
        case 18 | 16:
            account, mint = take(keys, 2)
            if len(data) != 33:
                fail(_INVALID_INSTRUCTION, "Program log: Error: Invalid instruction")
            _initialize(ctx, account, mint, Pubkey(data[1:]))
        case 1:
            _initialize(ctx, *take(keys, 3))
        case 17:
            _sync_native(ctx, *take(keys, 1))
        case 9:
            _close(ctx, *take(keys, 3))
        case _:
            fail(_INVALID_INSTRUCTION, "Program log: Error: Invalid instruction")


def amount_of(account: Account) -> int:
    """What a token account holds."""
    return int.from_bytes(account.data[64:72], "little")


def with_amount(account: Account, amount: int) -> Account:
    """A token account holding another amount."""
    data = account.data
    lamports = account.lamports
    if data[109]:  # wrapped SOL: its lamports are the tokens
        lamports += amount - amount_of(account)
    return Account(TOKEN_PROGRAM, lamports, data[:64] + amount.to_bytes(8, "little") + data[72:])


def is_holding(account: Account | None) -> bool:
    """Whether it is a token account that is in use."""
    return (
        account is not None
        and len(account.data) == SIZE
        and account.data[108] != 0
        and account.owner == TOKEN_PROGRAM
    )


def begin(ctx: Context, key: Pubkey, mint: Pubkey, owner: Pubkey) -> None:
    """Make a token account of an account that is empty and pays its rent."""
    account = ctx.get(key)
    if account is None or account.owner != TOKEN_PROGRAM or len(account.data) != SIZE:
        fail("InvalidAccountData")
    if account.data[108]:
        fail(_ALREADY_IN_USE, "Program log: Error: account or token already in use")
    if account.lamports < RENT:
        fail(_NOT_RENT_EXEMPT, "Program log: Error: Lamport balance below rent-exempt threshold")
    _decimals(ctx, mint)
    is_native = mint == NATIVE_MINT
    amount = account.lamports - RENT if is_native else 0
    tail = _NATIVE_TAIL if is_native else _TAIL
    data = bytes(mint) + bytes(owner) + amount.to_bytes(8, "little") + tail
    ctx.put(key, Account(TOKEN_PROGRAM, account.lamports, data))


def debit(ctx: Context, key: Pubkey, mint: Pubkey, authority: Pubkey, amount: int) -> None:
    """Take tokens out of an account that ``authority`` owns and signed for."""
    account = holding(ctx, key, mint)
    held = amount_of(account)
    if held < amount:
        fail(_INSUFFICIENT_FUNDS, "Program log: Error: insufficient funds")
    if account.data[32:64] != bytes(authority):
        fail(_OWNER_MISMATCH, "Program log: Error: owner does not match")
    ctx.must_sign(authority)
    ctx.put(key, with_amount(account, held - amount))


def credit(ctx: Context, key: Pubkey, mint: Pubkey, amount: int) -> None:
    """Put tokens into an account."""
    account = holding(ctx, key, mint)
    held = amount_of(account) + amount
    if held > U64_MAX:
        fail(_OVERFLOW, "Program log: Error: Operation overflowed")
    ctx.put(key, with_amount(account, held))


def holding(ctx: Context, key: Pubkey, mint: Pubkey | None = None) -> Account:
    """A token account that may move, of ``mint`` if one is given; fails otherwise."""
    account = ctx.get(key)
    if account is None or account.owner != TOKEN_PROGRAM:
        fail("IncorrectProgramId")
    if len(account.data) != SIZE:
        fail("InvalidAccountData")
    state = account.data[108]
    if state == 0:
        fail(_UNINITIALIZED, "Program log: Error: State is uninitialized")
    if state == 2:
        fail(_FROZEN, "Program log: Error: Account is frozen")
    if mint is not None and account.data[:32] != bytes(mint):
        fail(_MINT_MISMATCH, "Program log: Error: Account not associated with this Mint")
    return account


def called(error: InstructionFailed, *said: str) -> InstructionFailed:
    """A failure of this program as the program sees it that called it."""
    lines = (f"Program {TOKEN_PROGRAM} invoke [2]", *said, *error.lines)
    return InstructionFailed(error.kind, (*lines, failed_line(TOKEN_PROGRAM, error.kind)))


def _initialize(ctx: Context, account: Pubkey, mint: Pubkey, owner: Pubkey) -> None:
    begin(ctx, account, mint, owner)


def _decimals(ctx: Context, mint: Pubkey) -> int:
    account = ctx.get(mint)
    if account is None or account.owner != TOKEN_PROGRAM or len(account.data) != MINT.size:
        fail(_INVALID_MINT, "Program log: Error: Invalid Mint")
    return account.data[44]


def _transfer(ctx: Context, source: Pubkey, target: Pubkey, authority: Pubkey, amount: int) -> None:
    mint = Pubkey(holding(ctx, source).data[:32])
    holding(ctx, target, mint)
    debit(ctx, source, mint, authority, amount)
    credit(ctx, target, mint, amount)


def _transfer_checked(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    source, mint, target, authority = take(keys, 4)
    amount = u64(data, 1)
    holding(ctx, source, mint)
    if len(data) != 10:
        fail(_INVALID_INSTRUCTION, "Program log: Error: Invalid instruction")
    if data[9] != _decimals(ctx, mint):
        fail(_DECIMALS_MISMATCH, "Program log: Error: decimals different from the Mint decimals")
    _transfer(ctx, source, target, authority, amount)


def _sync_native(ctx: Context, key: Pubkey) -> None:
    account = holding(ctx, key)
    if not account.data[109]:
        fail(_NOT_NATIVE, "Program log: Error: Non-native token account")
    amount = account.lamports - RENT
    data = account.data[:64] + amount.to_bytes(8, "little") + account.data[72:]
    ctx.put(key, Account(TOKEN_PROGRAM, account.lamports, data))


def _close(ctx: Context, key: Pubkey, target: Pubkey, owner: Pubkey) -> None:
    if key == target:
        fail("InvalidAccountData")
    account = holding(ctx, key)
    if not account.data[109] and amount_of(account):
        fail(
            _HAS_BALANCE,
            "Program log: Error: Non-native account can only be closed if its balance is zero",
        )
    if account.data[32:64] != bytes(owner):
        fail(_OWNER_MISMATCH, "Program log: Error: owner does not match")
    ctx.must_sign(owner)
    ctx.put(key, None)
    system.receive(ctx, target, account.lamports)

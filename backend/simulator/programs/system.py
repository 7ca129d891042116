"""The system program: lamports move, accounts begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.programs.context import Context, fail, take, u64
from backend.venues.spl import SYSTEM_PROGRAM
from backend.venues.venue import Account

_IN_USE: Final = 0
_TOO_FEW_LAMPORTS: Final = 1
_BAD_LENGTH: Final = 3
_WRONG_SEED: Final = 5

_SPACE_MAX: Final = 10_240
_SEED_MAX: Final = 32


def execute(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    """Transfer, CreateAccount and CreateAccountWithSeed."""
    match int.from_bytes(data[:4], "little") if len(data) >= 4 else None:
        case 2:
            source, target = take(keys, 2)
            ctx.must_sign(source)
            transfer(ctx, source, target, u64(data, 4))
        case 3:
            _create_with_seed(ctx, keys, data)
        case 0:
            source, target = take(keys, 2)
            ctx.must_sign(target)
            owner = _key(data, 20)
            create(ctx, source, target, lamports=u64(data, 4), space=u64(data, 12), owner=owner)
        case _:
            fail("InvalidInstructionData")


def transfer(ctx: Context, source: Pubkey, target: Pubkey, lamports: int) -> None:
    """Move lamports out of an account that carries no data. Who signs is the caller's business."""
    giver = ctx.get(source)
    held = 0 if giver is None else giver.lamports
    if giver is not None and (giver.owner != SYSTEM_PROGRAM or giver.data):
        fail("InvalidArgument", "Transfer: `from` must not carry data")
    if giver is None or held < lamports:
        fail(_TOO_FEW_LAMPORTS, f"Transfer: insufficient lamports {held}, need {lamports}")
    left = held - lamports
    ctx.put(source, Account(SYSTEM_PROGRAM, left, b"") if left else None)
    receive(ctx, target, lamports)


def receive(ctx: Context, target: Pubkey, lamports: int) -> None:
    """Add lamports to an account, which begins with them if it is not there."""
    taker = ctx.get(target)
    if taker is None:
        ctx.put(target, Account(SYSTEM_PROGRAM, lamports, b""))
    else:
        ctx.put(target, Account(taker.owner, taker.lamports + lamports, taker.data))


def create(
    ctx: Context, source: Pubkey, target: Pubkey, *, lamports: int, space: int, owner: Pubkey
) -> None:
    """Begin an account at ``target`` that ``source`` pays for."""
    ctx.must_sign(source)
    existing = ctx.get(target)
    if existing is not None and existing.lamports:
        fail(_IN_USE, f"Create Account: account Address {{ address: {target} }} already in use")
    if space > _SPACE_MAX:
        fail(_BAD_LENGTH)
    transfer(ctx, source, target, lamports)
    ctx.put(target, Account(owner, lamports, bytes(space)))


def allot(ctx: Context, key: Pubkey, space: int, owner: Pubkey) -> None:
    """Give an account that has only lamports its data and its program."""
    account = ctx.get(key)
    assert account is not None, "allotted before it was paid for"
    ctx.put(key, Account(owner, account.lamports, bytes(space)))


def _create_with_seed(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    source, target = take(keys, 2)
    base, length = _key(data, 4), u64(data, 36)
    if length > _SEED_MAX:
        fail("InvalidInstructionData")
    end = 44 + length
    lamports, space, owner = u64(data, end), u64(data, end + 8), _key(data, end + 16)
    try:
        seed = data[44:end].decode()
    except UnicodeDecodeError:
        fail("InvalidInstructionData")
    if Pubkey.create_with_seed(base, seed, owner) != target:
        fail(_WRONG_SEED, f"Create: address {target} does not match derived address")
    ctx.must_sign(base)
    create(ctx, source, target, lamports=lamports, space=space, owner=owner)


def _key(data: bytes, at: int) -> Pubkey:
    if len(data) < at + 32:
        fail("InvalidInstructionData")
    return Pubkey(data[at : at + 32])

"""The associated token program: the one token account that a wallet has for each token."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.programs import system, token
from backend.simulator.programs.context import Context, fail, take
from backend.venues.spl import TOKEN_PROGRAM, ata

_CREATE: Final = (b"", b"\x00")
_CREATE_IDEMPOTENT: Final = b"\x01"
_INVALID_OWNER: Final = 0

_address = lru_cache(65_536)(ata)


def execute(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    """Create and CreateIdempotent."""
    payer, account, owner, mint, _, token_program = take(keys, 6)
    if data not in _CREATE and data != _CREATE_IDEMPOTENT:
        fail("InvalidInstructionData")
    if token_program != TOKEN_PROGRAM:
        fail("IncorrectProgramId")
    if _address(owner, mint, token_program) != account:
        fail("InvalidSeeds", "Program log: Error: Associated address does not match seeds")
    existing = ctx.get(account)
    if existing is not None and existing.owner == TOKEN_PROGRAM:
        if data != _CREATE_IDEMPOTENT:
            fail("IllegalOwner")
        if existing.data[32:64] != bytes(owner):
            fail(_INVALID_OWNER, "Program log: Error: the account has another owner")
        return
    # Lamports that somebody sent here before count towards the rent.
    present = 0 if existing is None else existing.lamports
    ctx.must_sign(payer)
    system.transfer(ctx, payer, account, max(token.RENT - present, 0))
    system.allot(ctx, account, token.SIZE, TOKEN_PROGRAM)
    token.begin(ctx, account, mint, owner)

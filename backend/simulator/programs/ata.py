"""The associated token program: creates the canonical token account of a wallet for a mint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.programs import system, token
from backend.simulator.programs.context import (
    InstructionFailed,
    TransactionContext,
    fail,
    take_accounts,
)
from backend.venues.layout import compute_rent_exemption
from backend.venues.spl import TOKEN_PROGRAMS, derive_ata

_CREATE: Final = (b"", b"\x00")
_CREATE_IDEMPOTENT: Final = b"\x01"
_INVALID_OWNER: Final = 0
_CREATE_UNITS: Final = 12_000
"""What it takes to create an account, besides what it takes to find that it exists."""

_derive_ata_cached = lru_cache(65_536)(derive_ata)


def execute(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    """Execute Create and CreateIdempotent."""
    payer, account, owner, mint, _, token_program = take_accounts(keys, 6)
    if data not in _CREATE and data != _CREATE_IDEMPOTENT:
        fail("InvalidInstructionData")
    if token_program not in TOKEN_PROGRAMS:
        fail("IncorrectProgramId")
    if _derive_ata_cached(owner, mint, token_program) != account:
        fail("InvalidSeeds", "Program log: Error: Associated address does not match seeds")
    existing = ctx.get_account(account)
    if existing is not None and existing.owner == token_program:
        if data != _CREATE_IDEMPOTENT:
            fail("IllegalOwner")
        if existing.data[32:64] != bytes(owner):
            fail(_INVALID_OWNER, "Program log: Error: the account has another owner")
        return
    ctx.consume_units(_CREATE_UNITS)
    # Lamports that the address already has count towards the rent.
    existing_lamports = 0 if existing is None else existing.lamports
    ctx.require_signer(payer)
    extensions = token.build_extensions(ctx.get_account(mint))
    size = token.SIZE + len(extensions)
    rent = compute_rent_exemption(size)
    try:
        system.transfer(ctx, payer, account, max(rent - existing_lamports, 0))
    except InstructionFailed as error:
        raise system.wrap_inner_failure(error) from None
    system.allocate_and_assign(ctx, account, size, token_program)
    token.initialize_account(ctx, account, mint, owner, extensions)
